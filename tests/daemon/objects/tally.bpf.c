// SPDX-License-Identifier: MIT
/* What the daemon's tests watch: calls of getppid, counted in a pinned map, by process, and now and then as a record. */
#include "tracerd.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, 1);		/* LIBBPF_PIN_BY_NAME */
	__type(key, u32);
	__type(value, u64);
} tally_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u64);
} by_process SEC(".maps");

struct record {
	u64 time_ns;
	u64 total;
};
RECORD_TYPE(struct record);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} records SEC(".maps");

static ALWAYS_INLINE void tell(u64 total)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record)
		return;
	record->time_ns = bpf_ktime_get_ns();
	record->total = total;
	bpf_ringbuf_submit(record, 0);
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	u32 zero = 0, pid = bpf_get_current_pid_tgid() >> 32;
	u64 *total = bpf_map_lookup_elem(&tally_total, &zero), *mine = bpf_map_lookup_elem(&by_process, &pid), one = 1;

	if (!total)
		return 0;
	__sync_fetch_and_add(total, 1);
	if (mine)
		*mine += 1;
	else
		bpf_map_update_elem(&by_process, &pid, &one, BPF_NOEXIST);
	if ((*total & 0xffff) == 0)
		tell(*total);
	return 0;
}
