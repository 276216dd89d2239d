// SPDX-License-Identifier: MIT
/* Events of a recording as other readers list them: by header kind, and by provider or, of a kernel event, by hook. */
#include "tracerd.bpf.h"
#include "tracerd_etw.h"

struct name {
	u64 guid_low;
	u64 guid_high;
	u32 hook;		/* ETW_NO_HOOK: known by its provider */
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 32);
	__type(key, u32);
	__type(value, u64);
} kinds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct name);
	__type(value, u64);
} providers SEC(".maps");

static ALWAYS_INLINE int by_hook(u32 kind)
{
	return kind <= ETW_COMPACT64 || kind == ETW_PERFINFO32 || kind == ETW_PERFINFO64;
}

SEC("etw")
int on_event(struct etw_context *ctx)
{
	struct name name = { .hook = ETW_NO_HOOK };
	u64 *count, one = 1;
	u32 kind = ctx->kind;

	count = bpf_map_lookup_elem(&kinds, &kind);
	if (count)
		++*count;
	if (by_hook(kind)) {
		name.hook = ctx->hook;
	} else {
		name.guid_low = *(u64 *)ctx->provider;
		name.guid_high = *(u64 *)(ctx->provider + 8);
	}
	count = bpf_map_lookup_elem(&providers, &name);
	if (count)
		++*count;
	else
		bpf_map_update_elem(&providers, &name, &one, BPF_NOEXIST);
	return 0;
}
