// SPDX-License-Identifier: MIT
/* What bpftrace's `@[comm] = count()` does: system calls by task name. */
#include "tracerd.bpf.h"

struct name {
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct name);
	__type(value, u64);
} counts SEC(".maps");

SEC("tracepoint/raw_syscalls/sys_enter")
int on_enter(void *ctx)
{
	struct name name = {};
	u64 *count, one = 1;

	bpf_get_current_comm(&name, sizeof(name));
	count = bpf_map_lookup_elem(&counts, &name);
	if (count)
		++*count;
	else
		bpf_map_update_elem(&counts, &name, &one, BPF_NOEXIST);
	return 0;
}
