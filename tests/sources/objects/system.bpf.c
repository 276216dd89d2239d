// SPDX-License-Identifier: MIT
/* Keeps what it is told: every event of the system source, with the begin of the command line. */
#include "tracerd.bpf.h"

#define LINE 256

struct process_key {
	u32 pid;
	u32 kind;
};

struct process {
	u64 now_ns;		/* bpf_ktime_get_ns */
	u64 task;		/* bpf_get_current_pid_tgid */
	u64 user;		/* bpf_get_current_uid_gid */
	char comm[16];
	u64 count;
	u64 lifetime_ns;
	u64 start_ns;
	u64 cpu_ns;
	u64 interval_ns;
	u64 memory_bytes;
	u32 known;
	u32 parent;
	u32 uid;
	s32 exit_code;
	u32 threads;
	u32 handles;
	u32 cpu;
	u32 reserved;
	u64 line_bytes;		/* of the whole payload */
	char name[64];
	char user_name[64];
	u8 line[LINE];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct process_key);
	__type(value, struct process);
} processes SEC(".maps");

struct connection_key {
	u32 kind;
	u32 protocol;
	u32 local_port;
	u32 remote_port;
};

struct connection {
	u64 count;
	u64 lifetime_ns;
	u64 task;
	u32 known;
	u32 pid;
	u32 uid;
	u32 family;
	u32 state;
	u32 local;
	char name[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct connection_key);
	__type(value, struct connection);
} connections SEC(".maps");

struct sample_key {
	u32 kind;
	u32 index;
};

struct sample {
	u64 count;
	u64 interval_ns;
	u64 first;
	u64 second;
	u64 task;
	u64 user;
	char name[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct sample_key);
	__type(value, struct sample);
} samples SEC(".maps");

/* A value is too large for the stack: the new one is copied from here. */
struct scratch {
	struct process process;
	struct connection connection;
	struct sample sample;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

static ALWAYS_INLINE struct scratch *empty(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static ALWAYS_INLINE struct process *process_of(struct process_context *ctx)
{
	struct process_key key = {.pid = ctx->pid, .kind = ctx->kind};
	struct process *found = bpf_map_lookup_elem(&processes, &key);
	struct scratch *fresh = empty();

	if (found || !fresh)
		return found;
	bpf_map_update_elem(&processes, &key, &fresh->process, BPF_NOEXIST);
	return bpf_map_lookup_elem(&processes, &key);
}

static ALWAYS_INLINE void copy_line(struct process *to, const u8 *data, const u8 *end)
{
	to->line_bytes = end - data;
	for (u32 at = 0; at < LINE; at++) {
		if (data + at + 1 > end)
			break;
		to->line[at] = data[at];
	}
}

SEC("process")
int on_process(struct process_context *ctx)
{
	struct process *to = process_of(ctx);

	if (!to)
		return 0;
	to->now_ns = bpf_ktime_get_ns();
	to->task = bpf_get_current_pid_tgid();
	to->user = bpf_get_current_uid_gid();
	bpf_get_current_comm(to->comm, sizeof(to->comm));
	to->cpu = bpf_get_smp_processor_id();
	to->count++;
	to->lifetime_ns = ctx->lifetime_ns;
	to->start_ns = ctx->start_ns;
	to->cpu_ns += ctx->cpu_ns;
	to->interval_ns = ctx->interval_ns;
	to->memory_bytes = ctx->memory_bytes;
	to->known = ctx->known;
	to->parent = ctx->parent;
	to->uid = ctx->uid;
	to->exit_code = ctx->exit_code;
	to->threads = ctx->threads;
	to->handles = ctx->handles;
	for (int at = 0; at < 64; at++)
		to->name[at] = ctx->name[at];
	for (int at = 0; at < 64; at++)
		to->user_name[at] = ctx->user[at];
	copy_line(to, ctx->data, ctx->data_end);
	return 0;
}

SEC("net")
int on_net(struct net_context *ctx)
{
	struct connection_key key = {
		.kind = ctx->kind, .protocol = ctx->protocol,
		.local_port = ctx->local_port, .remote_port = ctx->remote_port,
	};
	struct connection *to = bpf_map_lookup_elem(&connections, &key);
	struct scratch *fresh = empty();

	if (!to && fresh) {
		bpf_map_update_elem(&connections, &key, &fresh->connection, BPF_NOEXIST);
		to = bpf_map_lookup_elem(&connections, &key);
	}
	if (!to)
		return 0;
	to->count++;
	to->lifetime_ns = ctx->lifetime_ns;
	to->task = bpf_get_current_pid_tgid();
	to->known = ctx->known;
	to->pid = ctx->pid;
	to->uid = ctx->uid;
	to->family = ctx->family;
	to->state = ctx->state;
	to->local = ctx->local[0] << 24 | ctx->local[1] << 16 | ctx->local[2] << 8 | ctx->local[3];
	for (int at = 0; at < 64; at++)
		to->name[at] = ctx->name[at];
	return 0;
}

SEC("sample")
int on_sample(struct sample_context *ctx)
{
	struct sample_key key = {.kind = ctx->kind, .index = ctx->index};
	struct sample *to = bpf_map_lookup_elem(&samples, &key);
	struct scratch *fresh = empty();

	if (!to && fresh) {
		bpf_map_update_elem(&samples, &key, &fresh->sample, BPF_NOEXIST);
		to = bpf_map_lookup_elem(&samples, &key);
	}
	if (!to)
		return 0;
	to->count++;
	to->interval_ns = ctx->interval_ns;
	to->first = ctx->value[0];
	to->second = ctx->value[1];
	to->task = bpf_get_current_pid_tgid();
	to->user = bpf_get_current_uid_gid();
	for (int at = 0; at < 64; at++)
		to->name[at] = ctx->name[at];
	return 0;
}

char _license[] SEC("license") = "MIT";
