// SPDX-License-Identifier: MIT
/* Nothing: what calling a program costs by itself. */
#include "bench.h"

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return 2;
}
