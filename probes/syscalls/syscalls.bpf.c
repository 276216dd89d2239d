// SPDX-License-Identifier: MIT
/* Count, errors and latency of every system call, per process and syscall.
 *
 * A call is counted when it is entered; its latency and its error when it returns. Entry and exit are matched by
 * thread, so a call that was under way when tracing began is left out, and one that never returns has no latency.
 */
#include "tracerd.bpf.h"

#define LATENCY_SLOTS 40		/* 2^40 ns: 18 minutes; longer calls share the last slot */
#define MAX_ERRNO 4095

struct call_key {
	u32 pid;
	u32 syscall;
};

struct call_stats {
	u64 count;
	u64 errors;
	u64 total_ns;
	char comm[16];
	u32 latency[LATENCY_SLOTS];
};

struct started {
	u64 time_ns;
	u64 syscall;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct call_key);
	__type(value, struct call_stats);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, struct started);
} in_flight SEC(".maps");

/* One zeroed value to insert: a struct call_stats is too large to build on the stack for every new key. */
const struct call_stats empty = {};

static ALWAYS_INLINE struct call_stats *stats_of(const struct call_key *key)
{
	struct call_stats *stats = bpf_map_lookup_elem(&calls, key);

	if (stats)
		return stats;
	bpf_map_update_elem(&calls, key, &empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&calls, key);
}

SEC("tracepoint/raw_syscalls/sys_enter")
int on_enter(struct trace_sys_enter *ctx)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct call_key key = { .pid = pid_tgid >> 32, .syscall = ctx->id };
	struct started started = { .time_ns = bpf_ktime_get_ns(), .syscall = ctx->id };
	struct call_stats *stats = stats_of(&key);
	u32 tid = pid_tgid;

	if (stats) {
		stats->count++;
		bpf_get_current_comm(stats->comm, sizeof(stats->comm));
	}
	bpf_map_update_elem(&in_flight, &tid, &started, BPF_ANY);
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int on_exit(struct trace_sys_exit *ctx)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct call_key key = { .pid = pid_tgid >> 32 };
	struct call_stats *stats;
	struct started *started;
	u32 tid = pid_tgid;
	u64 elapsed;
	u32 slot;

	started = bpf_map_lookup_elem(&in_flight, &tid);
	if (!started)
		return 0;
	key.syscall = started->syscall;
	elapsed = bpf_ktime_get_ns() - started->time_ns;
	bpf_map_delete_elem(&in_flight, &tid);

	stats = stats_of(&key);
	if (!stats)
		return 0;
	stats->total_ns += elapsed;
	if (ctx->ret < 0 && ctx->ret >= -MAX_ERRNO)
		stats->errors++;
	slot = log2_slot(elapsed);
	if (slot >= LATENCY_SLOTS)
		slot = LATENCY_SLOTS - 1;
	stats->latency[slot]++;
	return 0;
}

SEC("tracepoint/sched/sched_process_exit")
int on_thread_exit(void *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&in_flight, &tid);
	return 0;
}

char _license[] SEC("license") = "MIT";
