// SPDX-License-Identifier: MIT
/* What the end-to-end tests export: the getppid calls of one process, counted, in histograms, and now and then told as
 * a record of one of two kinds. Every call has a number, and all that is said of it is made of that number. */
#include "tracerd.bpf.h"

#define EVERY_LOG 64
#define EVERY_SPAN 256
#define EXPONENTIAL_SLOTS 65	/* scale 2: four to a doubling, of values from 1 to 65535 */

struct call_key {
	u32 pid;
	u32 parity;		/* of the call's number */
};

struct sizes {
	u64 slots[18];
	u64 sum;
};

struct weights {
	u64 slots[EXPONENTIAL_SLOTS];
	u64 sum;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} watched SEC(".maps");		/* the process; a test writes it */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} numbers SEC(".maps");		/* calls so far */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, struct call_key);
	__type(value, u64);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);	/* parity */
	__type(value, struct sizes);
} sizes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);	/* parity */
	__type(value, struct weights);
} weights SEC(".maps");

enum { LOG = 0, SPAN = 1 };

struct log_record {
	u32 kind;
	u32 pid;
	u64 time_ns;
	u64 number;
	u64 size;
	u64 trace_id[2];
	u64 span_id;
	char name[16];
};
RECORD_TYPE(struct log_record);

struct span_record {
	u32 kind;
	u32 failed;
	u64 start_ns;
	u64 end_ns;
	u64 number;
	u64 trace_id[2];
	u64 span_id;
	u64 parent_id;		/* 0: none */
};
RECORD_TYPE(struct span_record);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} records SEC(".maps");

struct outcome {
	u64 submitted;
	u64 refused;		/* there was no room */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);	/* LOG, SPAN */
	__type(value, struct outcome);
} outcomes SEC(".maps");

static ALWAYS_INLINE void note(u32 kind, bool submitted)
{
	struct outcome *outcome = bpf_map_lookup_elem(&outcomes, &kind);

	if (outcome)
		__sync_fetch_and_add(submitted ? &outcome->submitted : &outcome->refused, 1);
}

static ALWAYS_INLINE void log(u32 pid, u64 number, u64 size)
{
	struct log_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	note(LOG, record);
	if (!record)
		return;
	record->kind = LOG;
	record->pid = pid;
	record->time_ns = bpf_ktime_get_ns();
	record->number = number;
	record->size = size;
	record->trace_id[0] = 0x1122334455667788;
	record->trace_id[1] = number + 1;
	record->span_id = number & EVERY_SPAN ? number + 1 : 0;
	bpf_get_current_comm(record->name, sizeof(record->name));
	bpf_ringbuf_submit(record, 0);
}

static ALWAYS_INLINE void span(u64 number, u64 size)
{
	struct span_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	u64 now = bpf_ktime_get_ns();

	note(SPAN, record);
	if (!record)
		return;
	record->kind = SPAN;
	record->failed = number / EVERY_SPAN & 1;
	record->start_ns = now - size * 1000;
	record->end_ns = now;
	record->number = number;
	record->trace_id[0] = 0x1122334455667788;
	record->trace_id[1] = number + 1;
	record->span_id = number + 1;
	record->parent_id = number / EVERY_SPAN & 2 ? number + 2 : 0;
	bpf_ringbuf_submit(record, 0);
}

/* Slot i counts what is in (2^((i-2)/4), 2^((i-1)/4)] for i > 0; of whole numbers, those whose fourth power is in
 * (2^(i-2), 2^(i-1)]. As buckets of scale 2 they begin at index -1. */
static ALWAYS_INLINE u32 exponential_slot(u64 value)
{
	u64 power = value * value * value * value;

	return power > 1 ? log2_slot(power - 1) + 1 : 0;
}

static ALWAYS_INLINE void count(u32 pid, u32 parity, u64 size)
{
	struct call_key key = { .pid = pid, .parity = parity };
	u64 *mine = bpf_map_lookup_elem(&calls, &key), one = 1;
	struct sizes *in_sizes = bpf_map_lookup_elem(&sizes, &parity);
	struct weights *in_weights = bpf_map_lookup_elem(&weights, &parity);
	u32 slot = log2_slot(size), place = exponential_slot(size);

	if (mine)
		*mine += 1;
	else
		bpf_map_update_elem(&calls, &key, &one, BPF_NOEXIST);
	barrier_var(slot);
	if (in_sizes && slot < 18) {
		__sync_fetch_and_add(&in_sizes->slots[slot], 1);
		__sync_fetch_and_add(&in_sizes->sum, size);
	}
	barrier_var(place);
	if (in_weights && place < EXPONENTIAL_SLOTS) {
		__sync_fetch_and_add(&in_weights->slots[place], 1);
		__sync_fetch_and_add(&in_weights->sum, size);
	}
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	u32 zero = 0, pid = bpf_get_current_pid_tgid() >> 32;
	u32 *only = bpf_map_lookup_elem(&watched, &zero);
	u64 *next = bpf_map_lookup_elem(&numbers, &zero), number, size;

	if (!only || !next || *only != pid)
		return 0;
	number = __sync_fetch_and_add(next, 1);
	size = (u32)((u32)number * 2654435761u) >> 16 >> (number & 15) | 1;	/* 1 to 65535, small ones as often */
	count(pid, number & 1, size);
	if (number % EVERY_LOG == 0)
		log(pid, number, size);
	if (number % EVERY_SPAN == 0)
		span(number, size);
	return 0;
}
