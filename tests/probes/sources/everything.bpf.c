// SPDX-License-Identifier: MIT
/* Whatever tracerd.bpf.h offers, used once: compiled by every clang there is, proved and run. */
#include "tracerd_etw.h"

struct row {
	char text[8];
	char whole[64];
	u32 histogram[LOG2_SLOTS];
	u32 small[4];
	bool seen;
	u32 copied;
};

struct event {
	__u64 time_ns;
	__s32 code;
};

RECORD_TYPE(struct event);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static __noinline u64 doubled(u64 value)
{
	return value * 2;
}

static __always_inline void report(const struct process_context *process)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (unlikely(event == NULL))
		return;
	event->time_ns = process->time_ns;
	event->code = process->exit_code;
	bpf_ringbuf_submit(event, 0);
}

SEC("process/exit")
int on_exit(struct process_context *process)
{
	u32 zero = 0;
	struct row *row = bpf_map_lookup_elem(&rows, &zero);

	if (!row)
		return 0;
	memset(row->text, 0, sizeof(row->text));
	row->copied = copy_string(row->text, sizeof(row->text), process->data, process->data_end);
	memcpy(row->whole, process->name, sizeof(row->whole));
	log2_add(row->histogram, LOG2_SLOTS, process->lifetime_ns);
	log2_add(row->small, 4, process->lifetime_ns);
	row->seen = true;
	report(process);
	bpf_printk("pid %d, twice %llu", process->pid, doubled(process->lifetime_ns));
	bpf_printk("nothing");
	return offsetof(struct event, code);
}

SEC("xdp")
int on_packet(struct xdp_md *ctx)
{
	const u8 *data = (const u8 *)(unsigned long)ctx->data, *end = (const u8 *)(unsigned long)ctx->data_end;

	return data + 14 > end || data[12] != 8 ? XDP_DROP : XDP_PASS;
}

SEC("tp/raw_syscalls/sys_exit")
int on_return(struct trace_sys_exit *ctx)
{
	u8 unreadable[8];

	return bpf_probe_read_kernel(unreadable, sizeof(unreadable), (void *)ctx->ret) < 0 ? ctx->id : 0;
}

char _license[] SEC("license") = "MIT";
