// SPDX-License-Identifier: MIT
/* Connections: which are there, whose they are, how many come and go, how long they live. */
#include "tracerd.bpf.h"

#define NAME 32
#define LIFETIME_SLOTS 48		/* log2 of ns: 2^48 ns are 3 days */

struct endpoints {
	u8 local[16];			/* IPv4 as ::ffff:a.b.c.d */
	u8 remote[16];
	u32 local_port;
	u32 remote_port;
	u32 protocol;
	u32 pid;
};

struct connection {
	u64 opened_ns;			/* unix time; 0: was open when tracing began */
	u32 state;
	u32 uid;
	char name[NAME];
};

struct service_key {			/* a listener and those who connect to it, or a client and whom it calls */
	char name[NAME];
	u32 port;
	u32 protocol;
	u32 served;			/* 1: to this machine's port, 0: to a remote one */
};

struct service {
	u64 open;
	u64 opened;			/* seen to begin */
	u64 closed;
	u32 lifetime[LIFETIME_SLOTS];	/* of closed ones that were seen to begin */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct endpoints);
	__type(value, struct connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

/* Ports that something listens on: what comes to them is served, all else is called. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u32);
} listening SEC(".maps");

const struct service no_service = {};

static ALWAYS_INLINE void endpoints_of(struct net_context *ctx, struct endpoints *key)
{
	copy_address(key->local, ctx->local, ctx->family);
	copy_address(key->remote, ctx->remote, ctx->family);
	key->local_port = ctx->local_port;
	key->remote_port = ctx->remote_port;
	key->protocol = ctx->protocol;
	key->pid = ctx->pid;
}

static ALWAYS_INLINE struct service *service_of(struct net_context *ctx)
{
	u32 port = ctx->local_port;
	struct service_key key = {};
	struct service *found;

	key.served = bpf_map_lookup_elem(&listening, &port) != 0;
	key.port = key.served ? port : ctx->remote_port;
	key.protocol = ctx->protocol;
	__builtin_memcpy(key.name, ctx->name, NAME);
	found = bpf_map_lookup_elem(&services, &key);
	if (found)
		return found;
	bpf_map_update_elem(&services, &key, &no_service, BPF_NOEXIST);
	return bpf_map_lookup_elem(&services, &key);
}

static ALWAYS_INLINE int listens(struct net_context *ctx)
{
	return ctx->protocol == NET_TCP && ctx->state == NET_LISTEN;
}

SEC("net/open")
int on_open(struct net_context *ctx)
{
	struct connection connection = {};
	struct endpoints key = {};
	u32 port = ctx->local_port, one = 1;
	struct service *service;

	endpoints_of(ctx, &key);
	if (ctx->known & KNOWN_BEGIN)
		connection.opened_ns = ctx->opened_ns;
	connection.state = ctx->state;
	connection.uid = ctx->uid;
	__builtin_memcpy(connection.name, ctx->name, NAME);
	bpf_map_update_elem(&connections, &key, &connection, BPF_ANY);
	if (listens(ctx)) {
		bpf_map_update_elem(&listening, &port, &one, BPF_ANY);
		return 0;
	}
	if (!ctx->remote_port)
		return 0;
	service = service_of(ctx);
	if (service) {
		service->open++;
		service->opened += !!(ctx->known & KNOWN_BEGIN);
	}
	return 0;
}

SEC("net/close")
int on_close(struct net_context *ctx)
{
	u32 port = ctx->local_port, slot;
	struct endpoints key = {};
	struct service *service;

	endpoints_of(ctx, &key);
	bpf_map_delete_elem(&connections, &key);
	if (listens(ctx)) {
		bpf_map_delete_elem(&listening, &port);
		return 0;
	}
	if (!ctx->remote_port)
		return 0;
	service = service_of(ctx);
	if (!service || !service->open)
		return 0;
	service->open--;
	service->closed++;
	slot = log2_slot(ctx->lifetime_ns);
	if (ctx->known & KNOWN_BEGIN)
		service->lifetime[slot < LIFETIME_SLOTS ? slot : LIFETIME_SLOTS - 1]++;
	return 0;
}

char _license[] SEC("license") = "MIT";
