// SPDX-License-Identifier: MIT
/* Bytes, connections and retransmissions of a Windows machine, per process, remote address and port.
 *
 * Events: Microsoft-Windows-Kernel-Network (TCP 10 to 34, UDP 42 to 59) and the classic kernel classes TcpIp and UdpIp,
 * IPv4 and IPv6. All have the process in their payload: the header names whatever thread happened to run.
 */
#include "tracerd_etw_process.h"

#define NETWORK_PID ETW_FIELD("PID")
#define NETWORK_SIZE ETW_FIELD("size")
#define NETWORK_DADDR ETW_FIELD("daddr")
#define NETWORK_SADDR ETW_FIELD("saddr")
#define NETWORK_DPORT ETW_FIELD("dport")
#define NETWORK_SPORT ETW_FIELD("sport")
#define NETWORK_FAILURE_CODE ETW_FIELD("FailureCode")

enum { TCP = 6, UDP = 17 };

/* What happened, as opcodes of IPv4 have it. */
enum {
	SEND = 10, RECEIVE = 11, CONNECT = 12, DISCONNECT = 13, RETRANSMIT = 14, ACCEPT = 15, RECONNECT = 16, FAIL = 17,
	COPY = 18,
};

/* The manifest provider and the classic classes tell the same. Where a session has both, the first that comes is taken. */
enum teller { MANIFEST = 1, CLASSIC = 2 };

struct peer_key {
	u32 pid;
	u32 reuse;			/* how many processes had the id before */
	u8 address[16];			/* remote; IPv4 as ::ffff:a.b.c.d */
	u16 port;
	u16 protocol;
	u32 reserved;
};

struct peer {
	u64 sent_bytes;
	u64 received_bytes;
	u64 sends;
	u64 receives;
	u64 connects;
	u64 accepts;
	u64 disconnects;
	u64 reconnects;
	u64 retransmits;
	u64 retransmitted_bytes;
	char name[PROCESS_NAME];
};

struct failure_key {
	u32 protocol;
	u32 code;
};

struct failure {
	u64 count;
};

struct totals {
	u64 sent_bytes;
	u64 received_bytes;
	u64 failures;			/* connection attempts that failed; nothing tells whose */
	u64 unreadable;			/* events of a version that is not known, or cut short */
	u64 refused;			/* events of peers that found no room in the table: in the bytes above only */
	u64 told_twice;			/* events of the teller that is not taken */
	u64 teller;			/* enum teller; 0: none yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct peer_key);
	__type(value, struct peer);
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct failure_key);
	__type(value, struct failure);
} failures SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

const struct peer no_peer = {};

static ALWAYS_INLINE int note_failure(struct etw_context *ctx, u32 protocol, struct totals *sum)
{
	struct failure_key key = { .protocol = protocol, .code = ev_field_u32(ctx, NETWORK_FAILURE_CODE) };
	struct failure one = { .count = 1 };
	struct failure *failure = bpf_map_lookup_elem(&failures, &key);

	sum->failures++;
	if (failure)
		failure->count++;
	else if (bpf_map_update_elem(&failures, &key, &one, BPF_NOEXIST))
		sum->refused++;
	return 0;
}

/* The source of events is this machine's side, also where data is received; but datagrams that are received have the
 * machine as their destination (observed on Windows 10: github.com/winsiderss/systeminformer/issues/427). */
static ALWAYS_INLINE bool find_remote(struct etw_context *ctx, u32 action, struct peer_key *key)
{
	bool swapped = key->protocol == UDP && action == RECEIVE;
	struct etw_address remote;
	u64 pid, port;

	if (bpf_etw_field_number(ctx, NETWORK_PID, &pid, sizeof(pid)) ||
	    bpf_etw_field_number(ctx, swapped ? NETWORK_SPORT : NETWORK_DPORT, &port, sizeof(port)) ||
	    bpf_etw_field_address(ctx, swapped ? NETWORK_SADDR : NETWORK_DADDR, &remote, sizeof(remote)))
		return false;
	key->pid = pid;
	key->reuse = process_id_of(pid).reuse;
	key->port = port;
	memcpy(key->address, remote.address, 16);
	return true;
}

static ALWAYS_INLINE struct peer *peer_of(const struct peer_key *key)
{
	struct peer *peer = bpf_map_lookup_elem(&peers, key);

	if (peer)
		return peer;
	bpf_map_update_elem(&peers, key, &no_peer, BPF_NOEXIST);
	return bpf_map_lookup_elem(&peers, key);
}

static ALWAYS_INLINE void count(struct peer *peer, u32 action, u64 bytes)
{
	peer->sends += action == SEND;
	peer->receives += action == RECEIVE;
	peer->connects += action == CONNECT;
	peer->accepts += action == ACCEPT;
	peer->disconnects += action == DISCONNECT;
	peer->reconnects += action == RECONNECT;
	peer->retransmits += action == RETRANSMIT;
	peer->sent_bytes += action == SEND ? bytes : 0;
	peer->received_bytes += action == RECEIVE ? bytes : 0;
	peer->retransmitted_bytes += action == RETRANSMIT ? bytes : 0;
}

static ALWAYS_INLINE bool is_other(u32 teller, struct totals *sum)
{
	bool other = sum->teller && sum->teller != teller;

	sum->told_twice += other;
	return other;
}

static ALWAYS_INLINE int note(struct etw_context *ctx, u32 teller, u32 protocol, u32 action)
{
	u32 zero = 0;
	struct totals *sum = bpf_map_lookup_elem(&totals, &zero);
	struct peer_key key = { .protocol = protocol };
	struct peer *peer;
	u64 bytes;

	if (!sum || action < SEND || action >= COPY)	/* what is copied was received before */
		return 0;
	if (is_other(teller, sum))
		return 0;
	if (action == FAIL)
		return note_failure(ctx, protocol, sum);
	if (bpf_etw_field_number(ctx, NETWORK_SIZE, &bytes, sizeof(bytes)) || !find_remote(ctx, action, &key)) {
		sum->unreadable++;
		return 0;
	}
	sum->teller = teller;
	sum->sent_bytes += action == SEND ? bytes : 0;
	sum->received_bytes += action == RECEIVE ? bytes : 0;
	peer = peer_of(&key);
	if (!peer) {
		sum->refused++;
		return 0;
	}
	count(peer, action, bytes);
	copy_process_name(peer->name, key.pid);
	return 0;
}

/* IPv6's opcodes are 16 above IPv4's. */
static ALWAYS_INLINE u32 without_family(u32 opcode)
{
	return opcode >= 26 ? opcode - 16 : opcode;
}

/* Ids of TCP are the classic class's opcodes, those of UDP 32 above them. */
SEC("etw/Microsoft-Windows-Kernel-Network")
int on_network(struct etw_context *ctx)
{
	u32 id = ctx->id;

	return note(ctx, MANIFEST, id >= 42 ? UDP : TCP, without_family(id >= 42 ? id - 32 : id));
}

SEC("etw-kernel/TcpIp")
int on_tcp(struct etw_context *ctx)
{
	return note(ctx, CLASSIC, TCP, without_family(ctx->opcode));
}

SEC("etw-kernel/UdpIp")
int on_udp(struct etw_context *ctx)
{
	return note(ctx, CLASSIC, UDP, without_family(ctx->opcode));
}

char _license[] SEC("license") = "MIT";
