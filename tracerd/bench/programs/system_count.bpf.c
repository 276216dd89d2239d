// SPDX-License-Identifier: MIT
/* CPU time by process name, connections by port, the machine's totals: what a table of a system probe needs. */
#include "tracerd.bpf.h"

struct name {
	char text[64];
};

struct usage {
	u64 samples;
	u64 cpu_ns;
	u64 read_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct name);
	__type(value, struct usage);
} usages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} totals SEC(".maps");

SEC("process/sample")
int on_process(struct process_context *ctx)
{
	struct usage *usage, first = {.samples = 1, .cpu_ns = ctx->cpu_ns, .read_bytes = ctx->interval_read_bytes};
	struct name name;

	for (int at = 0; at < 64; at++)
		name.text[at] = ctx->name[at];
	usage = bpf_map_lookup_elem(&usages, &name);
	if (!usage) {
		bpf_map_update_elem(&usages, &name, &first, BPF_NOEXIST);
		return 0;
	}
	usage->samples++;
	usage->cpu_ns += first.cpu_ns;
	usage->read_bytes += first.read_bytes;
	return 0;
}

SEC("net/open")
int on_open(struct net_context *ctx)
{
	u32 port = ctx->local_port;
	u64 one = 1, *count = bpf_map_lookup_elem(&ports, &port);

	if (count)
		++*count;
	else
		bpf_map_update_elem(&ports, &port, &one, BPF_NOEXIST);
	return 0;
}

SEC("system/sample")
int on_sample(struct sample_context *ctx)
{
	u64 which = (u64)ctx->kind << 32 | ctx->index, first = ctx->value[0];

	bpf_map_update_elem(&totals, &which, &first, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "MIT";
