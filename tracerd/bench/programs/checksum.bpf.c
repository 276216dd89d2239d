// SPDX-License-Identifier: MIT
/* The internet checksum (RFC 1071) of 1024 bytes, 16 bits at a time. */
#include "bench.h"

SEC("xdp")
int checksum(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	u32 sum = 0;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	for (u32 i = 0; i < PACKET_BYTES; i += 2)
		sum += *(u16 *)(data + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}
