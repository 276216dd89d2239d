// SPDX-License-Identifier: MIT
/* As tally, but nothing is pinned: calls of getppid by process. */
#include "tracerd.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} by_process SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 *mine = bpf_map_lookup_elem(&by_process, &pid), one = 1;

	if (mine)
		*mine += 1;
	else
		bpf_map_update_elem(&by_process, &pid, &one, BPF_NOEXIST);
	return 0;
}
