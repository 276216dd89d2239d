/* Names of processes for etw programs: most events have a process id only. Include this, and attach in the probe.toml
 *   on_process_start  etw:Microsoft-Windows-Kernel-Process:ProcessStart and :ProcessRundown
 *   on_process_stop   etw:Microsoft-Windows-Kernel-Process:ProcessStop
 *   on_process_class  etw-kernel:Process
 * A recording that has neither has no names; nothing else depends on them. */
#ifndef TRACERD_ETW_PROCESS_H
#define TRACERD_ETW_PROCESS_H

#include "tracerd_etw.h"

#define PROCESS_NAME 40
#define SYSTEM_PID 4

/* Key of what is counted by process: an id that is used again is another process. */
struct process_id {
	u32 pid;
	u32 reuse;			/* how many processes had the id before, as far as that was seen */
};

struct process_name {
	u64 started_ns;			/* unix time; 0: not known */
	u32 reuse;
	u32 ended;
	char name[PROCESS_NAME];	/* the executable's file name; empty: not known */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct process_name);
} process_names SEC(".maps");

static ALWAYS_INLINE struct process_id process_id_of(u32 pid)
{
	const struct process_name *known = bpf_map_lookup_elem(&process_names, &pid);
	struct process_id id = { .pid = pid, .reuse = known ? known->reuse : 0 };

	return id;
}

/* Copy a process's name, if it is known; else `to` stays as it is. */
static ALWAYS_INLINE void copy_process_name(char *to, u32 pid)
{
	const struct process_name *known = bpf_map_lookup_elem(&process_names, &pid);

	if (known && known->name[0])
		memcpy(to, known->name, PROCESS_NAME);
	else if (pid == SYSTEM_PID)
		memcpy(to, "System", 7);
}

/* One process is told more than once: by both providers, whose start times differ by what passes between them, and by
 * lists of those that run. */
static ALWAYS_INLINE bool is_another_process(const struct process_name *known, u64 started_ns, bool is_start)
{
	u64 second = 1000000000, before = known->started_ns;

	if (before && started_ns)
		return (before > started_ns ? before - started_ns : started_ns - before) >= second;
	return is_start;
}

/* A process was told by the kernel. It is another one if an end came between or its start is not that of the one before;
 * an event without a name, which is one that was cut, does not tell starts apart. */
static ALWAYS_INLINE void know_process(u32 pid, const struct process_name *told, bool is_start)
{
	struct process_name *known = bpf_map_lookup_elem(&process_names, &pid);

	if (!known) {
		bpf_map_update_elem(&process_names, &pid, told, BPF_ANY);
		return;
	}
	if (known->ended || (told->name[0] && is_another_process(known, told->started_ns, is_start))) {
		known->reuse++;
		known->ended = 0;
		known->started_ns = told->started_ns;
		memcpy(known->name, told->name, PROCESS_NAME);
		return;
	}
	if (!known->started_ns)
		known->started_ns = told->started_ns;
	if (told->name[0])
		memcpy(known->name, told->name, PROCESS_NAME);
}

static ALWAYS_INLINE void end_process(u32 pid)
{
	struct process_name *known = bpf_map_lookup_elem(&process_names, &pid), fresh = { .ended = 1 };

	if (known)
		known->ended = 1;
	else
		bpf_map_update_elem(&process_names, &pid, &fresh, BPF_ANY);
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStart")
int on_process_start(struct etw_context *ctx)
{
	struct process_name told = {};
	bool is_start = ctx->id == 1;
	u64 pid;

	if (bpf_etw_field_number(ctx, ETW_FIELD("ProcessID"), &pid, sizeof(pid)))
		return 0;
	ev_field_file(ctx, ETW_FIELD("ImageName"), told.name, PROCESS_NAME);
	told.started_ns = etw_unix_ns(ev_field_u64(ctx, ETW_FIELD("CreateTime")));
	if (!told.started_ns && is_start)
		told.started_ns = ctx->time_ns;
	know_process(pid, &told, is_start);
	return 0;
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStop")
int on_process_stop(struct etw_context *ctx)
{
	u64 pid;

	if (!bpf_etw_field_number(ctx, ETW_FIELD("ProcessID"), &pid, sizeof(pid)))
		end_process(pid);
	return 0;
}

/* The classic class: Start 1, End 2; DCStart 3 and DCEnd 4 list those that run when the recording begins and ends. */
SEC("etw-kernel/Process")
int on_process_class(struct etw_context *ctx)
{
	struct process_name told = {};
	u64 pid;
	u32 id;

	if (ctx->opcode < 1 || ctx->opcode > 4)
		return 0;
	if (bpf_etw_field_number(ctx, ETW_FIELD("ProcessId"), &pid, sizeof(pid)))
		return 0;
	id = pid;
	if (ctx->opcode == 2) {
		end_process(id);
		return 0;
	}
	if (ctx->opcode == 4 && bpf_map_lookup_elem(&process_names, &id))
		return 0;			/* the list at the end tells only of those that nothing told of */
	ev_field_file(ctx, ETW_FIELD("ImageFileName"), told.name, PROCESS_NAME);
	if (ctx->opcode == 1)
		told.started_ns = ctx->time_ns;
	know_process(id, &told, ctx->opcode == 1);
	return 0;
}

#endif
