// SPDX-License-Identifier: MIT
/* A small machine that runs the packet's bytes as its program: a branch at every step, and sixteen ways to go. */
#include "bench.h"

#define STEPS 256

SEC("xdp")
int machine(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	u32 a = 1, b = 2;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	for (u32 i = 0; i < STEPS; i++) {
		u8 byte = data[i];

		switch (byte & 15) {
		case 0: a += b; break;
		case 1: b += a; break;
		case 2: a ^= b << 3; break;
		case 3: b ^= a >> 5; break;
		case 4: a = a * 5 + 1; break;
		case 5: b = b * 9 + 7; break;
		case 6: a -= byte; break;
		case 7: b -= byte; break;
		case 8: a = a << 7 | a >> 25; break;
		case 9: b = b << 11 | b >> 21; break;
		case 10: a |= 0x11; break;
		case 11: b &= ~0x101; break;
		case 12: a = ~a; break;
		case 13: b = -b; break;
		case 14: a ^= byte; break;
		default: b += byte; break;
		}
	}
	return a ^ b;
}
