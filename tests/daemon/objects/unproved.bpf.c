// SPDX-License-Identifier: MIT
/* What no verifier accepts: a map's value is used without a look whether it is there. */
#include "tracerd.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} seen SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 *value = bpf_map_lookup_elem(&seen, &pid);

	*value += 1;
	return 0;
}
