// SPDX-License-Identifier: MIT
/* Is a 16-bit number prime? Trial division: 64-bit modulo by a register, and a branch that is never taken. */
#include "bench.h"

#define LIMIT 256

SEC("xdp")
int prime(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	u64 number;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	number = *(u16 *)data;
	for (u64 divisor = 2; divisor < LIMIT; divisor++) {
		if (divisor * divisor > number)
			break;
		if (number % divisor == 0)
			return divisor;
	}
	return number;
}
