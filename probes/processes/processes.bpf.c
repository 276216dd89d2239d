// SPDX-License-Identifier: MIT
/* Process starts and exits: what ran, who started it, how long it lived. */
#include "tracerd.bpf.h"

/* Records of tracepoints sched:sched_process_fork, _exec and _exit, fixed parts. */
struct trace_fork {
	u64 common;
	u32 parent_comm_location;
	s32 parent_pid;
	u32 child_comm_location;
	s32 child_pid;
};

struct trace_exec {
	u64 common;
	u32 filename_location;
	s32 pid;
	s32 old_pid;
};

struct process {
	u64 started_ns;		/* 0: was running before tracing began */
	u64 ended_ns;		/* 0: still running */
	u32 parent;
	u32 uid;
	u64 execs;
	char comm[16];
};

struct totals {
	u64 forks;
	u64 execs;
	u64 exits;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

static ALWAYS_INLINE struct process *current_process(u32 pid)
{
	struct process unseen = {};
	struct process *process = bpf_map_lookup_elem(&processes, &pid);

	if (process)
		return process;
	unseen.uid = bpf_get_current_uid_gid();
	bpf_map_update_elem(&processes, &pid, &unseen, BPF_NOEXIST);
	return bpf_map_lookup_elem(&processes, &pid);
}

/* Threads are forks too: here a child is known by its thread id; a thread of an older process never execs under that
 * id, and is dropped when it exits (it is not its group's leader). */
SEC("tracepoint/sched/sched_process_fork")
int on_fork(struct trace_fork *ctx)
{
	struct process child = {};
	struct totals *sum = all();
	u32 pid = ctx->child_pid;

	child.started_ns = bpf_ktime_get_ns();
	child.parent = bpf_get_current_pid_tgid() >> 32;
	child.uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(child.comm, sizeof(child.comm));
	bpf_map_update_elem(&processes, &pid, &child, BPF_ANY);
	if (sum)
		sum->forks++;
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int on_exec(struct trace_exec *ctx)
{
	u32 pid = ctx->pid;
	struct process *process = current_process(pid);
	struct totals *sum = all();

	if (process) {
		process->execs++;
		bpf_get_current_comm(process->comm, sizeof(process->comm));
	}
	if (sum)
		sum->execs++;
	return 0;
}

SEC("tracepoint/sched/sched_process_exit")
int on_exit(void *ctx)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 pid = pid_tgid >> 32, tid = pid_tgid;
	struct process *process;
	struct totals *sum = all();

	if (pid != tid) {
		bpf_map_delete_elem(&processes, &tid);
		return 0;
	}
	process = current_process(pid);
	if (process) {
		process->ended_ns = bpf_ktime_get_ns();
		bpf_get_current_comm(process->comm, sizeof(process->comm));
	}
	if (sum)
		sum->exits++;
	return 0;
}

char _license[] SEC("license") = "MIT";
