/* Packet parsing: VLAN tags, IPv4 options, IPv6 extension headers, checksums, flags that correlate. */
#include "common.h"

struct eth { u8 dst[6], src[6]; u16 proto; } __attribute__((packed));
struct vlan { u16 tci, proto; };
struct ipv4 { u8 verlen, tos; u16 len, id, frag; u8 ttl, proto; u16 check; u32 src, dst; };
struct ipv6 { u32 flow; u16 len; u8 next, hops; u8 src[16], dst[16]; };
struct ports { u16 src, dst; };
struct flow { u32 src, dst; u16 sport, dport; u8 proto, pad[3]; };
struct count { u64 packets, bytes; };

struct { __uint(type, HASH); __uint(max_entries, 1024); __type(key, struct flow); __type(value, struct count); } flows SEC(".maps");
struct { __uint(type, PERCPU_ARRAY); __uint(max_entries, 256); __type(key, u32); __type(value, u64); } protos SEC(".maps");

#define swap16(x) __builtin_bswap16(x)

static __always_inline int ports_of(void *at, void *end, struct flow *flow)
{
    struct ports *p = at;
    if ((void *)(p + 1) > end)
        return -22;
    flow->sport = p->src;
    flow->dport = p->dst;
    return 0;
}

SEC("xdp") int parse(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct eth *eth = data;
    struct flow flow = {};
    if ((void *)(eth + 1) > end)
        return 2;
    u16 proto = eth->proto;
    void *at = eth + 1;
    for (int i = 0; i < 2; i++) {
        if (proto != swap16(0x8100) && proto != swap16(0x88a8))
            break;
        struct vlan *tag = at;
        if ((void *)(tag + 1) > end)
            return 2;
        proto = tag->proto;
        at = tag + 1;
    }
    if (proto == swap16(0x0800)) {
        struct ipv4 *ip = at;
        if ((void *)(ip + 1) > end)
            return 2;
        u32 length = (ip->verlen & 15) * 4;
        if (length < sizeof(*ip))
            return 2;
        flow.src = ip->src;
        flow.dst = ip->dst;
        flow.proto = ip->proto;
        at = (void *)ip + length;
        int error = ports_of(at, end, &flow);
        if (error)
            return 1;
    } else if (proto == swap16(0x86dd)) {
        struct ipv6 *ip = at;
        if ((void *)(ip + 1) > end)
            return 2;
        u8 next = ip->next;
        at = ip + 1;
#pragma clang loop unroll(disable)
        for (int i = 0; i < 6; i++) {
            u8 *extension = at;
            if (next != 0 && next != 43 && next != 60)
                break;
            if ((void *)(extension + 2) > end)
                return 2;
            next = extension[0];
            at = extension + (extension[1] + 1) * 8;
        }
        flow.proto = next;
        if (ports_of(at, end, &flow))
            return 2;
    } else {
        return 2;
    }
    u32 index = flow.proto;
    u64 *seen = bpf_map_lookup_elem(&protos, &index);
    if (seen)
        *seen += 1;
    struct count *count = bpf_map_lookup_elem(&flows, &flow);
    if (count) {
        __sync_fetch_and_add(&count->packets, 1);
        __sync_fetch_and_add(&count->bytes, end - data);
    } else {
        struct count first = { 1, end - data };
        bpf_map_update_elem(&flows, &flow, &first, 1);
    }
    return 2;
}

SEC("xdp") int checksum(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    u32 sum = 0;
    u16 *word = data;
#pragma clang loop unroll(disable)
    for (int i = 0; i < 750; i++) {
        if ((void *)(word + 1) > end)
            break;
        sum += *word++;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return sum + (sum >> 16) == 0xffff ? 1 : 2;
}

SEC("xdp") int checksum_indexed(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    u64 length = end - data, sum = 0;
    if (length > 1500)
        length = 1500;
#pragma clang loop unroll(disable)
    for (u64 i = 0; i < length; i++) {
        u8 *p = data + i;
        if ((void *)(p + 1) > end)
            return 1;
        sum += *p;
    }
    return sum & 1;
}

/* The bound is taken once; the result of the check is a flag tested later. */
SEC("xdp") int correlated(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ipv4 *ip = data + sizeof(struct eth);
    int error = (void *)(ip + 1) > end ? -22 : 0;
    volatile u32 noise = ctx->ingress_ifindex;
    if (error)
        return 1;
    return ip->ttl + noise > 3 ? 2 : 1;
}

SEC("xdp") int while_pointer(struct xdp_md *ctx)
{
    u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    u64 zeros = 0;
#pragma clang loop unroll(disable)
    while (p + 4 <= end) {
        zeros += p[0] == 0;
        p += 4;
    }
    return zeros > 10;
}

/* TLVs: a length byte moves the cursor. */
SEC("xdp") int options(struct xdp_md *ctx)
{
    u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    u32 found = 0;
#pragma clang loop unroll(disable)
    for (int i = 0; i < 40; i++) {
        if (p + 2 > end)
            break;
        u8 kind = p[0], length = p[1];
        if (kind == 0)
            break;
        if (kind == 1) {
            p++;
            continue;
        }
        if (length < 2)
            return 1;
        found += kind == 8;
        p += length;
    }
    return found;
}
