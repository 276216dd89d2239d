/* What the benchmark programs share: the packet and its limits.
 *
 * Every program is an XDP program, so that the same bytecode runs in the kernel by BPF_PROG_TEST_RUN. Each returns a
 * number that depends on all of its work: the engines must agree on it, and nothing can be optimised away.
 */
#ifndef TRACERD_BENCH_H
#define TRACERD_BENCH_H

#include "tracerd.bpf.h"

#define PACKET_BYTES 1024

static ALWAYS_INLINE u8 *packet(struct xdp_md *ctx)
{
	return (u8 *)(unsigned long)ctx->data;
}

static ALWAYS_INLINE u8 *packet_end(struct xdp_md *ctx)
{
	return (u8 *)(unsigned long)ctx->data_end;
}

char _license[] SEC("license") = "Dual MIT/GPL";

#endif
