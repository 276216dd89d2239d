/* Counts frames by EtherType, drops what is no IP, and says so. */
#include "windows.h"

#define XDP_PASS 1
#define XDP_DROP 2

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __type(key, uint32_t);
    __type(value, uint64_t);
    __uint(max_entries, 256);
} types SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, uint32_t);
    __type(value, uint64_t);
    __uint(max_entries, 4);
} totals SEC(".maps");

static void add(uint32_t index, uint64_t amount)
{
    uint64_t *total = bpf_map_lookup_elem(&totals, &index);

    if (total)
        __sync_fetch_and_add(total, amount);
}

SEC("xdp")
int CountFrames(xdp_md_t *ctx)
{
    uint8_t *data = ctx->data, *end = ctx->data_end;
    uint64_t one = 1, *seen;
    uint32_t type;

    add(0, 1);
    add(1, end - data);
    add(2, ctx->ingress_ifindex);
    add(3, (uint8_t *)ctx->data_meta - data);
    if (data + 14 > end)
        return XDP_DROP;
    type = data[12] << 8 | data[13];
    seen = bpf_map_lookup_elem(&types, &type);
    if (seen)
        *seen += 1;
    else
        bpf_map_update_elem(&types, &type, &one, 0);
    return type == 0x0800 || type == 0x86dd ? XDP_PASS : XDP_DROP;
}
