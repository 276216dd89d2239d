/* An xdp program of Linux: sums interfaces up, drops what is too short for Ethernet. */
#include "tracerd.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, u64);
} seen SEC(".maps");

SEC("xdp")
int count(struct xdp_md *ctx)
{
    u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;
    u32 zero = 0;
    u64 *sum = bpf_map_lookup_elem(&seen, &zero);

    if (sum)
        *sum += ctx->ingress_ifindex;
    return data + 14 > end ? 1 : 2;
}
