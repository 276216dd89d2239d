// SPDX-License-Identifier: MIT
/* Take 16 small frames apart: Ethernet, an optional VLAN tag, IPv4 or IPv6, ports of TCP and UDP. */
#include "bench.h"

#define FRAME_BYTES 64
#define FRAMES (PACKET_BYTES / FRAME_BYTES)

#define SWAP16(x) ((u16)((x) << 8 | (x) >> 8))
#define TYPE_VLAN SWAP16(0x8100)
#define TYPE_IPV4 SWAP16(0x0800)
#define TYPE_IPV6 SWAP16(0x86dd)
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

struct ethernet {
	u8 to[6], from[6];
	u16 type;
} __attribute__((packed));

struct vlan {
	u16 tag, type;
} __attribute__((packed));

struct ipv4 {
	u8 version_length, service;
	u16 length, id, fragment;
	u8 hops, protocol;
	u16 checksum;
	u32 from, to;
} __attribute__((packed));

struct ipv6 {
	u32 flow;
	u16 length;
	u8 protocol, hops;
	u32 from[4], to[4];
} __attribute__((packed));

struct ports {
	u16 from, to;
} __attribute__((packed));

/* A number that depends on the addresses, the protocol and the ports of one frame. */
static ALWAYS_INLINE u32 flow_of(u8 *frame, u8 *end)
{
	struct ethernet *ethernet = (void *)frame;
	struct ports *ports;
	u8 *next = frame + sizeof(*ethernet);
	u32 flow = 0;
	u8 protocol;
	u16 type;

	if (next > end)
		return 0;
	type = ethernet->type;
	if (type == TYPE_VLAN) {
		struct vlan *vlan = (void *)next;

		next += sizeof(*vlan);
		if (next > end)
			return 1;
		type = vlan->type;
		flow = vlan->tag;
	}
	if (type == TYPE_IPV4) {
		struct ipv4 *ip = (void *)next;

		if (next + sizeof(*ip) > end)
			return 2;
		protocol = ip->protocol;
		flow += ip->from ^ ip->to;
		next += (ip->version_length & 15) * 4;
	} else if (type == TYPE_IPV6) {
		struct ipv6 *ip = (void *)next;

		next += sizeof(*ip);
		if (next > end)
			return 3;
		protocol = ip->protocol;
		flow += ip->from[3] ^ ip->to[3];
	} else {
		return 4;
	}
	if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
		return 5;
	ports = (void *)next;
	if (next + sizeof(*ports) > end)
		return 6;
	return flow * 31 + protocol + (ports->from << 16 | ports->to);
}

SEC("xdp")
int packet_parse(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	u8 *end = packet_end(ctx);
	u32 sum = 0;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	for (u32 i = 0; i < FRAMES; i++)
		sum = sum * 33 + flow_of(data + i * FRAME_BYTES, end);
	return sum;
}
