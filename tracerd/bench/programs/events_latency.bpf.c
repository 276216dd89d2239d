// SPDX-License-Identifier: MIT
/* What bpftrace's `@start[tid] = nsecs` and `@ns[comm] = hist(nsecs - @start[tid])` do, entry and exit. */
#include "tracerd.bpf.h"

struct name {
	char comm[16];
};

struct histogram {
	u64 slots[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct name);
	__type(value, struct histogram);
} latency SEC(".maps");

const struct histogram empty = {};

SEC("tracepoint/raw_syscalls/sys_enter")
int on_enter(void *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&start, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int on_exit(void *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *began = bpf_map_lookup_elem(&start, &tid);
	struct histogram *histogram;
	struct name name = {};
	u64 elapsed;

	if (!began)
		return 0;
	elapsed = bpf_ktime_get_ns() - *began;
	bpf_map_delete_elem(&start, &tid);
	bpf_get_current_comm(&name, sizeof(name));
	histogram = bpf_map_lookup_elem(&latency, &name);
	if (!histogram) {
		bpf_map_update_elem(&latency, &name, &empty, BPF_NOEXIST);
		histogram = bpf_map_lookup_elem(&latency, &name);
		if (!histogram)
			return 0;
	}
	histogram->slots[log2_slot(elapsed) & 63]++;
	return 0;
}
