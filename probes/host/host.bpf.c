// SPDX-License-Identifier: MIT
/* A machine at a glance, from what every machine tells without privilege: its processes, connections, cores, memory,
 * disks and interfaces. What is sampled is replaced at every look; what begins and ends is counted.
 */
#include "tracerd.bpf.h"

#define NAME 32

struct process {
	char name[NAME];
	char user[NAME];
	u64 cpu_permille;		/* of one core, in the last interval */
	u64 memory_bytes;
	u64 read_bytes_s;
	u64 write_bytes_s;
	u64 started_ns;			/* unix time */
	u32 parent;
	u32 threads;
	u32 handles;
	u32 connections;		/* with a remote end, when it was last looked at */
};

struct talker {
	u64 open;
	u64 opened;			/* since tracing began */
	u64 closed;
};

struct talker_key {
	u8 remote[16];			/* IPv4 as ::ffff:a.b.c.d */
	u32 protocol;
	char name[NAME];		/* of the process */
};

struct core {
	u64 busy_permille;
	u64 total_ns;
	u64 idle_ns;
};

struct totals {
	u64 in_bytes;
	u64 out_bytes;
	u64 in_operations;
	u64 out_operations;
	u64 errors;
};

struct traffic {
	struct totals since;		/* tracing began */
	struct totals before;		/* what the system had counted until then */
};

struct device {
	char name[NAME];
};

struct host {
	u64 memory_used_bytes;
	u64 memory_total_bytes;
	u64 swap_used_bytes;
	u64 starts;
	u64 exits;
	u64 connections;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

/* How many connections a process has: its row is written anew at every look. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, u32);
} connected SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct talker_key);
	__type(value, struct talker);
} talkers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct core);
} cores SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct device);
	__type(value, struct traffic);
} disks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct device);
	__type(value, struct traffic);
} interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct host);
} host SEC(".maps");

static ALWAYS_INLINE struct host *this_host(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&host, &zero);
}

static ALWAYS_INLINE u64 per_second(u64 amount, u64 interval_ns)
{
	return interval_ns ? amount * 1000 / (interval_ns / 1000000 + 1) : 0;
}

SEC("process/sample")
int on_sample(struct process_context *ctx)
{
	struct process now = {};
	u32 pid = ctx->pid, *connections;

	if (ctx->kind == PROCESS_EXIT) {	/* was there at the look before */
		bpf_map_delete_elem(&processes, &pid);
		bpf_map_delete_elem(&connected, &pid);
		return 0;
	}
	connections = bpf_map_lookup_elem(&connected, &pid);
	if (connections)
		now.connections = *connections;
	__builtin_memcpy(now.name, ctx->name, NAME);
	__builtin_memcpy(now.user, ctx->user, NAME);
	now.cpu_permille = ctx->interval_ns ? ctx->cpu_ns * 1000 / ctx->interval_ns : 0;
	now.memory_bytes = ctx->memory_bytes;
	now.read_bytes_s = per_second(ctx->interval_read_bytes, ctx->interval_ns);
	now.write_bytes_s = per_second(ctx->interval_write_bytes, ctx->interval_ns);
	now.started_ns = ctx->start_ns;
	now.parent = ctx->parent;
	now.threads = ctx->threads;
	now.handles = ctx->handles;
	bpf_map_update_elem(&processes, &pid, &now, BPF_ANY);
	return 0;
}

SEC("process/start")
int on_start(void *ctx)
{
	struct host *all = this_host();

	if (all)
		all->starts++;
	return 0;
}

SEC("process/exit")
int on_exit(void *ctx)
{
	struct host *all = this_host();

	if (all)
		all->exits++;
	return 0;
}

static ALWAYS_INLINE struct talker *talker_of(struct net_context *ctx)
{
	struct talker_key key = {};
	struct talker unseen = {};
	struct talker *found;

	copy_address(key.remote, ctx->remote, ctx->family);
	key.protocol = ctx->protocol;
	__builtin_memcpy(key.name, ctx->name, NAME);
	found = bpf_map_lookup_elem(&talkers, &key);
	if (found)
		return found;
	bpf_map_update_elem(&talkers, &key, &unseen, BPF_NOEXIST);
	return bpf_map_lookup_elem(&talkers, &key);
}

static ALWAYS_INLINE void connect(struct net_context *ctx, int change)
{
	u32 pid = ctx->pid, one = 1, *count;

	if (!(ctx->known & KNOWN_PID))
		return;
	count = bpf_map_lookup_elem(&connected, &pid);
	if (count)
		*count += change;
	else if (change > 0)
		bpf_map_update_elem(&connected, &pid, &one, BPF_NOEXIST);
}

SEC("net/open")
int on_open(struct net_context *ctx)
{
	struct host *all = this_host();
	struct talker *talker;

	if (!ctx->remote_port)			/* a listener talks to nobody */
		return 0;
	talker = talker_of(ctx);
	if (talker) {
		talker->open++;
		talker->opened += !!(ctx->known & KNOWN_BEGIN);
	}
	if (all)
		all->connections++;
	connect(ctx, 1);
	return 0;
}

SEC("net/close")
int on_close(struct net_context *ctx)
{
	struct host *all = this_host();
	struct talker *talker;

	if (!ctx->remote_port)
		return 0;
	talker = talker_of(ctx);
	if (talker && talker->open) {
		talker->open--;
		talker->closed++;
	}
	if (all && all->connections)
		all->connections--;
	connect(ctx, -1);
	return 0;
}

static ALWAYS_INLINE void sample_core(struct sample_context *ctx)
{
	struct core now = {}, *before;
	u32 index = ctx->index;
	u64 busy = ctx->cpu.user_ns + ctx->cpu.system_ns + ctx->cpu.irq_ns + ctx->cpu.steal_ns;

	now.idle_ns = ctx->cpu.idle_ns + ctx->cpu.iowait_ns;
	now.total_ns = busy + now.idle_ns;
	before = bpf_map_lookup_elem(&cores, &index);
	if (before && now.total_ns > before->total_ns && now.idle_ns >= before->idle_ns) {
		u64 total = now.total_ns - before->total_ns, idle = now.idle_ns - before->idle_ns;

		now.busy_permille = idle < total ? (total - idle) * 1000 / total : 0;
	}
	bpf_map_update_elem(&cores, &index, &now, BPF_ANY);
}

static ALWAYS_INLINE void sample_memory(struct sample_context *ctx)
{
	struct host *all = this_host();

	if (!all)
		return;
	all->memory_used_bytes = ctx->memory.total_bytes - ctx->memory.available_bytes;
	all->memory_total_bytes = ctx->memory.total_bytes;
	all->swap_used_bytes = ctx->memory.swap_used_bytes;
}

/* A device that was taken away and made anew under its name counts from zero. */
static ALWAYS_INLINE void count_more(u64 *since, u64 before, u64 now)
{
	*since += now >= before ? now - before : now;
}

static ALWAYS_INLINE void count_traffic(void *map, struct sample_context *ctx, const struct totals *now)
{
	struct device device = {};
	struct traffic first = {}, *known;

	if (!now->in_bytes && !now->out_bytes)	/* a loop device or tunnel that nobody uses */
		return;
	__builtin_memcpy(device.name, ctx->name, NAME);
	known = bpf_map_lookup_elem(map, &device);
	if (!known) {
		first.before = *now;
		bpf_map_update_elem(map, &device, &first, BPF_NOEXIST);
		return;
	}
	count_more(&known->since.in_bytes, known->before.in_bytes, now->in_bytes);
	count_more(&known->since.out_bytes, known->before.out_bytes, now->out_bytes);
	count_more(&known->since.in_operations, known->before.in_operations, now->in_operations);
	count_more(&known->since.out_operations, known->before.out_operations, now->out_operations);
	count_more(&known->since.errors, known->before.errors, now->errors);
	known->before = *now;
}

SEC("system/sample")
int on_system(struct sample_context *ctx)
{
	struct totals now = {};

	if (ctx->kind == SAMPLE_CPU) {
		sample_core(ctx);
	} else if (ctx->kind == SAMPLE_MEMORY) {
		sample_memory(ctx);
	} else if (ctx->kind == SAMPLE_DISK) {
		now.in_bytes = ctx->disk.read_bytes;
		now.out_bytes = ctx->disk.write_bytes;
		now.in_operations = ctx->disk.reads;
		now.out_operations = ctx->disk.writes;
		count_traffic(&disks, ctx, &now);
	} else if (ctx->kind == SAMPLE_INTERFACE) {
		now.in_bytes = ctx->interface.received_bytes;
		now.out_bytes = ctx->interface.sent_bytes;
		now.in_operations = ctx->interface.received_packets;
		now.out_operations = ctx->interface.sent_packets;
		now.errors = ctx->interface.receive_errors + ctx->interface.send_errors +
			     ctx->interface.receive_drops + ctx->interface.send_drops;
		count_traffic(&interfaces, ctx, &now);
	}
	return 0;
}

char _license[] SEC("license") = "MIT";
