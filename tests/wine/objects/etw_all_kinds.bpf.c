// SPDX-License-Identifier: MIT
/* What must come out alike on every system: each kind of map, filled from every part of an event that programs see. */
#include "tracerd.bpf.h"
#include "tracerd_etw.h"

struct event_key {
	u64 guid_low;
	u64 guid_high;
	u32 hook;
	u16 id;
	u8 version;
	u8 kind;
};

struct tally {
	u64 events;
	u64 bytes;
	u64 keywords;
	u64 last_ns;		/* unix */
	u64 checksum;		/* of up to 64 bytes of each payload */
	u32 flags;
	u16 task;
	u8 level;
	u8 opcode;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);	/* too few for some recordings: refusals must be alike too */
	__type(key, struct event_key);
	__type(value, struct tally);
} tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u32[LOG2_SLOTS]);
} sizes SEC(".maps");

struct thread {
	u64 events;
	u64 first_ns;
	u64 last_ns;		/* of the recording's own clock */
	u8 activity[16];
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 2048);
	__type(key, u64);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);	/* the last that was seen of a CPU: entries come and go */
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u64);
} latest SEC(".maps");

struct record {
	u64 time_ns;
	u64 drawn;
	u32 pid;
	u32 tid;
	u32 cpu;
	u32 pointer_size;
	u32 size;
	u32 channel;
	u8 head[16];
};
RECORD_TYPE(struct record);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8192);		/* nobody reads meanwhile: it fills, and what found no room is counted */
} records SEC(".maps");

struct ticked {
	u64 ticks;
	u64 last_ns;
	u64 missed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct ticked);
} ticks SEC(".maps");

u64 total = 7;			/* .data */
u64 told, steps;		/* .bss */
const volatile u32 every = 20;	/* .rodata */

static ALWAYS_INLINE u64 checksum(const u8 *at, const u8 *end)
{
	u64 sum = 0;
	u32 i;

#pragma clang loop unroll(disable)
	for (i = 0; i < 64; i++) {
		if (at + i + 1 > end)
			break;
		sum = sum * 31 + at[i];
	}
	return sum;
}

static ALWAYS_INLINE void add(struct tally *tally, const struct etw_context *ctx, u64 size, u64 sum)
{
	tally->events++;
	tally->bytes += size;
	tally->keywords |= ctx->keyword;
	tally->last_ns = ctx->time_ns;
	tally->checksum ^= sum;
	tally->flags |= ctx->flags;
	tally->task = ctx->task;
	tally->level = ctx->level;
	tally->opcode = ctx->opcode;
}

SEC("etw")
int on_tally(struct etw_context *ctx)
{
	struct event_key key = {
		.guid_low = *(u64 *)ctx->provider, .guid_high = *(u64 *)(ctx->provider + 8), .hook = ctx->hook,
		.id = ctx->id, .version = ctx->version, .kind = ctx->kind,
	};
	u64 size = ctx->data_end - ctx->data, sum = checksum(ctx->data, ctx->data_end);
	struct tally *tally = bpf_map_lookup_elem(&tallies, &key), fresh = {};

	__sync_fetch_and_add(&total, 1);
	if (tally) {
		add(tally, ctx, size, sum);
		return 0;
	}
	add(&fresh, ctx, size, sum);
	return bpf_map_update_elem(&tallies, &key, &fresh, BPF_NOEXIST);
}

SEC("etw")
int on_size(struct etw_context *ctx)
{
	u32 row = ctx->level & 3, cpu = bpf_get_smp_processor_id();
	u64 size = ctx->data_end - ctx->data, now = ctx->time_ns, *before;
	u32 *histogram = bpf_map_lookup_elem(&sizes, &row);

	if (histogram)
		log2_add(histogram, LOG2_SLOTS, size);
	before = bpf_map_lookup_elem(&latest, &cpu);
	if (before && now - *before > 1000000)
		bpf_map_delete_elem(&latest, &cpu);
	else
		bpf_map_update_elem(&latest, &cpu, &now, BPF_ANY);
	return 0;
}

SEC("etw")
int on_thread(struct etw_context *ctx)
{
	u64 key = bpf_get_current_pid_tgid();
	struct thread *thread = bpf_map_lookup_elem(&threads, &key), fresh = {};

	if (!thread) {
		fresh.events = 1;
		fresh.first_ns = fresh.last_ns = bpf_ktime_get_ns();
		memcpy(fresh.activity, ctx->activity, 16);
		bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
		bpf_map_update_elem(&threads, &key, &fresh, BPF_ANY);
		return 0;
	}
	if (!thread->events++)
		thread->first_ns = bpf_ktime_get_ns();
	thread->last_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("etw")
int on_record(struct etw_context *ctx)
{
	const u8 *data = ctx->data, *end = ctx->data_end;
	u64 size = end - data;
	u32 drawn = bpf_get_prandom_u32();
	struct record *record;

	barrier_var(size);
	if (drawn % every)
		return 0;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record)
		return 0;
	memset(record, 0, sizeof(*record));
	record->time_ns = ctx->time_ns;
	record->drawn = drawn;
	record->pid = ctx->pid;
	record->tid = ctx->tid;
	record->cpu = ctx->cpu;
	record->pointer_size = ctx->pointer_size;
	record->size = size;
	record->channel = ctx->channel;
	if (data + 16 <= end)
		memcpy(record->head, data, 16);
	if (drawn & 64) {
		bpf_ringbuf_discard(record, 0);
		return 0;
	}
	bpf_ringbuf_submit(record, 0);
	if (told < 40) {
		bpf_printk("%d of %5lx: %-6u|", (s32)drawn, ctx->time_ns, ctx->pid);
		told++;
	}
	return 0;
}

/* Its loop's bound is the event's, so it is run with fuel, and out of it now and then. */
SEC("etw")
int on_fuel(struct etw_context *ctx)
{
	u64 left = ctx->keyword | (u64)ctx->id << 6, taken = 0;

#pragma clang loop unroll(disable)
	while (left) {
		barrier_var(left);
		left = left & 1 ? left - 1 : left - 2;
		taken++;
	}
	__sync_fetch_and_add(&steps, taken);
	return 0;
}

static ALWAYS_INLINE int tick(struct interval_context *ctx, u32 row)
{
	struct ticked *ticked = bpf_map_lookup_elem(&ticks, &row);

	if (!ticked)
		return 0;
	ticked->ticks++;
	ticked->last_ns = ctx->time_ns;
	ticked->missed += ctx->missed;
	return 0;
}

SEC("begin")
int on_begin(struct interval_context *ctx)
{
	return tick(ctx, 0);
}

SEC("interval")
int on_interval(struct interval_context *ctx)
{
	return tick(ctx, 1);
}

SEC("end")
int on_end(struct interval_context *ctx)
{
	return tick(ctx, 2);
}
