// SPDX-License-Identifier: MIT
/* Ring buffers whose records have types: one that declares it, and one with several kinds, which its exports name. */
#include "tracerd.bpf.h"

enum { NOTE, CALL, SHORT };

struct head {
	u32 kind;
	u32 count;
};

struct note {
	struct head head;
	u64 value;
};

struct call {
	struct head head;
	u64 began_ns;
	char name[8];
};

RECORD_TYPE(struct call);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
	__uint(pinning, 1);		/* LIBBPF_PIN_BY_NAME */
	__type(value, struct note);
} typed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} kinds SEC(".maps");

SEC("interval/50ms")
int on_tick(struct interval_context *ctx)
{
	struct note note = { .head = { .kind = NOTE, .count = ctx->count }, .value = 7 };
	struct call call = { .head = { .kind = CALL, .count = ctx->count }, .began_ns = 5, .name = "read" };
	struct head only = { .kind = SHORT, .count = ctx->count };

	bpf_ringbuf_output(&typed, &note, sizeof(note), 0);
	bpf_ringbuf_output(&kinds, &note, sizeof(note), 0);
	bpf_ringbuf_output(&kinds, &call, sizeof(call), 0);
	bpf_ringbuf_output(&kinds, &only, sizeof(only), 0);
	return 0;
}

char _license[] SEC("license") = "MIT";
