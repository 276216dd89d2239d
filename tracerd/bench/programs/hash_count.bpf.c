// SPDX-License-Identifier: MIT
/* Count 16 keys of the packet in a hash map, as a probe counts events by process. */
#include "bench.h"

#define KEYS 16

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

SEC("xdp")
int hash_count(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	u64 one = 1, *count;
	u32 found = 0;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	for (u32 i = 0; i < KEYS; i++) {
		u32 key = *(u32 *)(data + 64 * i);

		count = bpf_map_lookup_elem(&counts, &key);
		if (count) {
			*count += 1;
			found++;
		} else {
			bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
		}
	}
	return found;
}
