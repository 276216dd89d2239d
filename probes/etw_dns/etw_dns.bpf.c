// SPDX-License-Identifier: MIT
/* DNS of a Windows machine: which process asks for which name, how long answers take, what fails and why.
 *
 * Events of Microsoft-Windows-DNS-Client: QueryCalled (3006) and QueryCompleted (3008) of whoever asks, matched by
 * process, name and type; QuerySentToServer (3010) and ResponseFromServer (3011) of the DNS client service, per server.
 */
#include "tracerd_etw_process.h"

#define QUERY_NAME 128
#define SERVER 48
#define LATENCY_SLOTS 40		/* 2^40 ns: 18 minutes; longer ones share the last slot */

#define DNS_NAME ETW_FIELD("QueryName")
#define DNS_TYPE ETW_FIELD("QueryType")
#define DNS_STATUS ETW_FIELD("QueryStatus")
#define DNS_SERVER ETW_FIELD("DnsServerIpAddress")
#define DNS_RESPONSE_STATUS ETW_FIELD("ResponseStatus")

enum { RESPONSE_FROM_SERVER = 3011 };

/* winerror.h. That a name has no records of a type is an answer, that one is still to come no failure. */
enum { SUCCESS = 0, DNS_INFO_NO_RECORDS = 9501, DNS_REQUEST_PENDING = 9506 };

#define NO_LATENCY (~0ull)

struct query_key {
	char name[QUERY_NAME];		/* in small letters */
	u32 pid;
	u32 reuse;			/* how many processes had the id before */
	u32 type;
	u32 reserved;
};

struct queries {
	u64 count;			/* asked */
	u64 completed;
	u64 failures;			/* completed with an error; that a name has no such records is an answer */
	u64 empty;			/* no such records */
	u64 total_ns;			/* of those whose begin and end were matched */
	u32 last_failure;
	u32 reserved;
	char process[PROCESS_NAME];
	u32 latency[LATENCY_SLOTS];
};

/* Queries that were asked and are not completed. While a process asks the same twice, nothing tells which end belongs
 * to which begin: then there is no latency. */
struct pending {
	u64 begin_ns;
	u32 open;
	u32 overlapped;
};

struct status_key {
	u32 status;
	u32 type;
};

struct statuses {
	u64 count;
};

struct server_key {
	char server[SERVER];
};

struct server {
	u64 sent;
	u64 responses;
	u64 failures;
	u32 last_failure;
	u32 reserved;
};

struct totals {
	u64 queries;
	u64 completed;
	u64 failures;
	u64 open;			/* asked and not completed, as far as they found room */
	u64 unmatched;			/* ends of queries that were not seen to begin */
	u64 overlapped;			/* ends without latency: the same was asked twice at a time */
	u64 unreadable;			/* events of a version that is not known, or cut short */
	u64 refused;			/* queries, statuses and servers that found no room in their table */
	u64 dropped;			/* records of failures that found no room in the ring */
};

struct failure_record {
	u64 time_ns;			/* on the clock of bpf_ktime_get_ns() */
	u64 latency_ns;			/* 0: not known */
	u32 pid;
	u32 type;
	u32 status;
	u32 reserved;
	char name[QUERY_NAME];
	char process[PROCESS_NAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct query_key);
	__type(value, struct queries);
} queries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct query_key);
	__type(value, struct pending);
} pending SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct status_key);
	__type(value, struct statuses);
} statuses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct server_key);
	__type(value, struct server);
} servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct failure_record);
} failures SEC(".maps");

const struct queries no_queries = {};
const struct server no_server = {};

/* Turn the letters A to Z of eight bytes into small ones. A byte's top bit, set where it is at least 'A' and not where
 * it is above 'Z', tells which; bytes of other characters have theirs set already. */
static ALWAYS_INLINE u64 small_letters(u64 bytes)
{
	const u64 each = 0x0101010101010101ull, top = each << 7, low = bytes & ~top;
	u64 from_a = low + each * (128 - 'A'), above_z = low + each * (127 - 'Z');

	return bytes | ((from_a & ~above_z & ~bytes & top) >> 2);
}

static ALWAYS_INLINE void lower_name(struct query_key *key)
{
	u64 *words = (u64 *)key->name;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < QUERY_NAME / 8; i++)
		words[i] = small_letters(words[i]);
}

/* Names are the same in letters of either case. */
static ALWAYS_INLINE bool read_key(struct etw_context *ctx, struct query_key *key)
{
	u64 type;

	if (ev_field_text(ctx, DNS_NAME, key->name, QUERY_NAME) < 0 ||
	    bpf_etw_field_number(ctx, DNS_TYPE, &type, sizeof(type)))
		return false;
	lower_name(key);
	key->type = type;
	key->pid = ctx->pid;
	key->reuse = process_id_of(ctx->pid).reuse;
	return true;
}

static ALWAYS_INLINE struct queries *queries_of(const struct query_key *key, struct totals *sum)
{
	struct queries *found = bpf_map_lookup_elem(&queries, key);

	if (found)
		return found;
	if (bpf_map_update_elem(&queries, key, &no_queries, BPF_NOEXIST))
		sum->refused++;
	return bpf_map_lookup_elem(&queries, key);
}

static ALWAYS_INLINE bool is_failure(u32 status)
{
	return status != SUCCESS && status != DNS_INFO_NO_RECORDS && status != DNS_REQUEST_PENDING;
}

static ALWAYS_INLINE void begin(const struct query_key *key, struct totals *sum)
{
	struct pending first = { .begin_ns = bpf_ktime_get_ns(), .open = 1 };
	struct pending *open = bpf_map_lookup_elem(&pending, key);

	if (open) {
		open->open++;
		open->overlapped = 1;
	} else if (bpf_map_update_elem(&pending, key, &first, BPF_NOEXIST)) {
		sum->refused++;
		return;
	}
	sum->open++;
}

/* Match an end with its begin; returns the time between, or NO_LATENCY. */
static ALWAYS_INLINE u64 end(const struct query_key *key, struct totals *sum)
{
	struct pending *open = bpf_map_lookup_elem(&pending, key);
	u64 latency;

	if (!open) {
		sum->unmatched++;
		return NO_LATENCY;
	}
	latency = open->overlapped ? NO_LATENCY : bpf_ktime_get_ns() - open->begin_ns;
	sum->overlapped += open->overlapped;
	sum->open--;
	open->open--;
	if (!open->open)
		bpf_map_delete_elem(&pending, key);
	return latency;
}

static ALWAYS_INLINE void count_status(u32 status, u32 type, struct totals *sum)
{
	struct status_key key = { .status = status, .type = type };
	struct statuses one = { .count = 1 };
	struct statuses *found = bpf_map_lookup_elem(&statuses, &key);

	if (found)
		found->count++;
	else if (bpf_map_update_elem(&statuses, &key, &one, BPF_NOEXIST))
		sum->refused++;
}

static ALWAYS_INLINE void record_failure(const struct query_key *key, u32 status, u64 latency, struct totals *sum)
{
	struct failure_record *record = bpf_ringbuf_reserve(&failures, sizeof(*record), 0);

	sum->failures++;
	if (!record) {
		sum->dropped++;
		return;
	}
	record->time_ns = bpf_ktime_get_ns();
	record->latency_ns = latency == NO_LATENCY ? 0 : latency;
	record->pid = key->pid;
	record->type = key->type;
	record->status = status;
	record->reserved = 0;
	memcpy(record->name, key->name, QUERY_NAME);
	memset(record->process, 0, PROCESS_NAME);
	copy_process_name(record->process, key->pid);
	bpf_ringbuf_submit(record, 0);
}

static ALWAYS_INLINE void completed(struct queries *found, u32 status, u64 latency)
{
	found->completed++;
	found->empty += status == DNS_INFO_NO_RECORDS;
	if (is_failure(status)) {
		found->failures++;
		found->last_failure = status;
	}
	if (latency == NO_LATENCY)
		return;
	found->total_ns += latency;
	log2_add(found->latency, LATENCY_SLOTS, latency);
}

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

SEC("etw/Microsoft-Windows-DNS-Client/QueryCalled")
int on_query(struct etw_context *ctx)
{
	struct query_key key = {};
	struct totals *sum = all();
	struct queries *found;

	if (!sum)
		return 0;
	if (!read_key(ctx, &key)) {
		sum->unreadable++;
		return 0;
	}
	sum->queries++;
	begin(&key, sum);
	found = queries_of(&key, sum);
	if (!found)
		return 0;
	found->count++;
	copy_process_name(found->process, key.pid);
	return 0;
}

SEC("etw/Microsoft-Windows-DNS-Client/QueryCompleted")
int on_answer(struct etw_context *ctx)
{
	struct query_key key = {};
	struct totals *sum = all();
	struct queries *found;
	u64 status, latency;

	if (!sum)
		return 0;
	if (!read_key(ctx, &key) || bpf_etw_field_number(ctx, DNS_STATUS, &status, sizeof(status))) {
		sum->unreadable++;
		return 0;
	}
	sum->completed++;
	latency = end(&key, sum);
	count_status(status, key.type, sum);
	if (is_failure(status))
		record_failure(&key, status, latency, sum);
	found = queries_of(&key, sum);
	if (!found)
		return 0;
	completed(found, status, latency);
	copy_process_name(found->process, key.pid);
	return 0;
}

static ALWAYS_INLINE struct server *server_of(const struct server_key *key, struct totals *sum)
{
	struct server *found = bpf_map_lookup_elem(&servers, key);

	if (found)
		return found;
	if (bpf_map_update_elem(&servers, key, &no_server, BPF_NOEXIST))
		sum->refused++;
	return bpf_map_lookup_elem(&servers, key);
}

SEC("etw/Microsoft-Windows-DNS-Client/ResponseFromServer")
int on_server(struct etw_context *ctx)
{
	struct server_key key = {};
	struct totals *sum = all();
	bool answered = ctx->id == RESPONSE_FROM_SERVER;
	struct server *server;
	u64 status = 0;

	if (!sum)
		return 0;
	if (ev_field_text(ctx, DNS_SERVER, key.server, SERVER) < 0 ||
	    (answered && bpf_etw_field_number(ctx, DNS_RESPONSE_STATUS, &status, sizeof(status)))) {
		sum->unreadable++;
		return 0;
	}
	server = server_of(&key, sum);
	if (!server)
		return 0;
	server->sent += !answered;
	server->responses += answered;
	if (is_failure(status)) {
		server->failures++;
		server->last_failure = status;
	}
	return 0;
}

char _license[] SEC("license") = "MIT";
