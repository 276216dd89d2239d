// SPDX-License-Identifier: MIT
/* Copy 1024 bytes of the packet into a map's value, 8 at a time. */
#include "bench.h"

struct buffer {
	u64 words[PACKET_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct buffer);
} copies SEC(".maps");

SEC("xdp")
int copy(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	struct buffer *buffer;
	u32 key = 0;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	buffer = bpf_map_lookup_elem(&copies, &key);
	if (!buffer)
		return 1;
	for (u32 i = 0; i < PACKET_BYTES / 8; i++)
		buffer->words[i] = *(u64 *)(data + 8 * i);
	return buffer->words[7] ^ buffer->words[127];
}
