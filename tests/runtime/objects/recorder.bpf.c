// SPDX-License-Identifier: MIT
/* For the Python API: a typed record for every event, a per-CPU count, a hash with a struct as key, global data. */
#include "tracerd_etw.h"

struct event {
	u64 time_ns;
	u32 pid;
	u16 id;
	char kind[6];
};

struct who {
	u32 pid;
	u32 tid;
};

RECORD_TYPE(struct event);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1048576);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct who);
	__type(value, u64);
} seen SEC(".maps");

u32 wanted_pid;
u32 wanted_tid;

SEC("etw")
int on_event(struct etw_context *ctx)
{
	u32 zero = 0;
	u64 one = 1, *count = bpf_map_lookup_elem(&counts, &zero);
	struct who who = { .pid = ctx->pid, .tid = ctx->tid };
	struct event *event;

	if (count)
		++*count;
	count = bpf_map_lookup_elem(&seen, &who);
	if (count)
		++*count;
	else
		bpf_map_update_elem(&seen, &who, &one, BPF_NOEXIST);
	if ((wanted_pid && ctx->pid != wanted_pid) || (wanted_tid && ctx->tid != wanted_tid))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->time_ns = ctx->time_ns;
	event->pid = ctx->pid;
	event->id = ctx->id;
	memcpy(event->kind, "event", sizeof(event->kind));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char _license[] SEC("license") = "MIT";
