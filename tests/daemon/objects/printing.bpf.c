// SPDX-License-Identifier: MIT
/* A program that prints at every tick, for what becomes of what programs print. */
#include "tracerd.bpf.h"

SEC("interval/50ms")
int on_tick(struct interval_context *ctx)
{
	bpf_printk("tick %d", (u32)ctx->count);
	return 0;
}

char _license[] SEC("license") = "MIT";
