// SPDX-License-Identifier: MIT
/* 250 rounds of a hash function's mixing, as load balancers and flow tables do it: 32-bit arithmetic alone. */
#include "bench.h"

#define ROUNDS 250
#define ROTATE(x, by) ((x) << (by) | (x) >> (32 - (by)))

SEC("xdp")
int alu_loop(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	u32 a, b, c;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	a = *(u32 *)data;
	b = *(u32 *)(data + 4);
	c = *(u32 *)(data + 8);
	for (u32 i = 0; i < ROUNDS; i++) {
		a = (a - c) ^ ROTATE(c, 4);
		c += b;
		b = (b - a) ^ ROTATE(a, 6);
		a += c;
		c = (c - b) ^ ROTATE(b, 8);
		b += a + i;
	}
	return a ^ b ^ c;
}
