// SPDX-License-Identifier: MIT
/* Reads one byte more than it has checked: the verifier must name the instruction, this file's line and the bound. */
#include "tracerd.bpf.h"

SEC("xdp")
int past_the_end(struct xdp_md *ctx)
{
	u8 *bytes = (u8 *)(unsigned long)ctx->data;
	u8 *end = (u8 *)(unsigned long)ctx->data_end;

	if (bytes + 14 > end)
		return 0;
	return bytes[14];
}
