// SPDX-License-Identifier: MIT
/* Events of a recording by provider and id: the smallest program worth running on every event. */
#include "tracerd.bpf.h"
#include "tracerd_etw.h"

struct kind {
	u8 provider[16];
	u32 id;
	u32 hook;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct kind);
	__type(value, u64);
} counts SEC(".maps");

SEC("etw")
int on_event(struct etw_context *ctx)
{
	struct kind kind = { .id = ctx->id, .hook = ctx->hook };
	u64 *count, one = 1;
	int i;

	for (i = 0; i < 16; i++)
		kind.provider[i] = ctx->provider[i];
	count = bpf_map_lookup_elem(&counts, &kind);
	if (count)
		++*count;
	else
		bpf_map_update_elem(&counts, &kind, &one, BPF_NOEXIST);
	return 0;
}
