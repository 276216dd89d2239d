// SPDX-License-Identifier: MIT
/* Programs that run by time beside one that runs on events: a bucket of counts that every interval walks and empties. */
#include "tracerd_etw.h"

#define BUCKETS 16

struct summary {
	u64 begins;
	u64 ticks;
	u64 ends;
	u64 events;			/* as the intervals and the end found them in the buckets */
	u64 begin_ns;
	u64 end_ns;
	u64 cpu;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUCKETS);
	__type(key, u32);
	__type(value, u64);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct summary);
} summary SEC(".maps");

static ALWAYS_INLINE struct summary *the_summary(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&summary, &zero);
}

static ALWAYS_INLINE void empty_buckets(struct summary *sum)
{
	u32 i;

	for (i = 0; i < BUCKETS; i++) {
		u32 key = i;
		u64 *count = bpf_map_lookup_elem(&buckets, &key);

		if (count) {
			sum->events += *count;
			*count = 0;
		}
	}
}

SEC("begin")
int on_begin(struct interval_context *ctx)
{
	struct summary *sum = the_summary();

	if (sum) {
		sum->begins += ctx->kind == TICK_BEGIN;
		sum->begin_ns = ctx->time_ns;
	}
	return 0;
}

SEC("etw")
int on_event(struct etw_context *ctx)
{
	u32 key = ctx->id % BUCKETS;
	u64 *count = bpf_map_lookup_elem(&buckets, &key);

	if (count)
		++*count;
	return 0;
}

SEC("interval/1s")
int on_tick(struct interval_context *ctx)
{
	struct summary *sum = the_summary();

	if (sum) {
		sum->ticks += ctx->kind == TICK_INTERVAL && ctx->interval_ns == 1000000000;
		sum->cpu = bpf_get_smp_processor_id();
		empty_buckets(sum);
	}
	return 0;
}

SEC("end")
int on_end(struct interval_context *ctx)
{
	struct summary *sum = the_summary();

	if (sum) {
		sum->ends += ctx->kind == TICK_END;
		sum->end_ns = ctx->time_ns;
		empty_buckets(sum);
	}
	return 0;
}

char _license[] SEC("license") = "MIT";
