/* Names of a Windows machine's processes, for programs about something else that only has their ids.
 * Attach `on_process` to  etw:Microsoft-Windows-Kernel-Process:ProcessStart and :ProcessRundown  and to
 * etw-kernel:Process:Start and :DCStart.  What a program counts before it hears of a process has no name. */
#ifndef TRACERD_ETW_NAMES_H
#define TRACERD_ETW_NAMES_H

#include "tracerd_etw.h"

#define ETW_NAME 32
#define ETW_SYSTEM_PID 4

struct etw_process {
	u64 started_ns;			/* unix time; 0: not known */
	u32 life;			/* how many processes with this id there were before it */
	u32 reserved;
	char name[ETW_NAME];		/* of its image, without the folder */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct etw_process);
} process_names SEC(".maps");

/* Two events tell of one process: of both providers, or a listing of what is known. Start times differ by what passes
 * between them. */
static ALWAYS_INLINE bool etw_is_same_process(const struct etw_process *known, u64 started_ns, bool is_start)
{
	u64 second = 1000000000, before = known->started_ns;

	if (before && started_ns)
		return (before > started_ns ? before - started_ns : started_ns - before) < second;
	return !is_start;
}

static ALWAYS_INLINE void etw_note_process(u32 pid, struct etw_process *found, bool is_start)
{
	struct etw_process *known = bpf_map_lookup_elem(&process_names, &pid);

	if (known) {
		found->life = known->life + !etw_is_same_process(known, found->started_ns, is_start);
		if (!found->started_ns && found->life == known->life)
			found->started_ns = known->started_ns;
	}
	bpf_map_update_elem(&process_names, &pid, found, BPF_ANY);
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStart")
int on_process(struct etw_context *ctx)
{
	struct etw_process found = {};
	u64 pid;

	if (ctx->hook == ETW_NO_HOOK) {
		if (bpf_etw_field_number(ctx, ETW_FIELD("ProcessID"), &pid, sizeof(pid)))
			return 0;
		ev_field_file(ctx, ETW_FIELD("ImageName"), found.name, ETW_NAME);
		found.started_ns = etw_unix_ns(ev_field_u64(ctx, ETW_FIELD("CreateTime")));
		etw_note_process(pid, &found, ctx->id == 1);
		return 0;
	}
	if (bpf_etw_field_number(ctx, ETW_FIELD("ProcessId"), &pid, sizeof(pid)))
		return 0;
	ev_field_file(ctx, ETW_FIELD("ImageFileName"), found.name, ETW_NAME);
	if (ctx->opcode == 1)
		found.started_ns = ctx->time_ns;
	etw_note_process(pid, &found, ctx->opcode == 1);
	return 0;
}

/* Put the process's name, if it is known, and return which of the processes with this id it is. */
static ALWAYS_INLINE u32 etw_life_of(u32 pid)
{
	const struct etw_process *known = bpf_map_lookup_elem(&process_names, &pid);

	return known ? known->life : 0;
}

static ALWAYS_INLINE void etw_name_process(u32 pid, char *name)
{
	const struct etw_process *known = bpf_map_lookup_elem(&process_names, &pid);

	if (known)
		memcpy(name, known->name, ETW_NAME);
	else if (pid == ETW_SYSTEM_PID)
		memcpy(name, "System", 7);
}

#endif
