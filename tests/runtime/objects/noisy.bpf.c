// SPDX-License-Identifier: MIT
/* Everything that can be dropped: a small map, a small ring buffer, printed lines. */
#include "tracerd_etw.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, u64);
	__type(value, u64);
} small SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

SEC("etw")
int on_event(struct etw_context *ctx)
{
	u64 time = ctx->time_ns, one = 1;
	const char format[] = "event %d";

	bpf_map_update_elem(&small, &time, &one, BPF_ANY);
	bpf_ringbuf_output(&ring, &time, sizeof(time), 0);
	bpf_trace_printk(format, sizeof(format), ctx->id);
	return 0;
}

char _license[] SEC("license") = "MIT";
