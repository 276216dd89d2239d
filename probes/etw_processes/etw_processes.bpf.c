// SPDX-License-Identifier: MIT
/* Processes of a Windows machine: what ran, who started it, with which command line, how long it lived, how it ended.
 *
 * Events: the provider Microsoft-Windows-Kernel-Process (ProcessStart 1, ProcessStop 2, ProcessRundown 15) and the
 * classic kernel class Process (Start, End, DCStart, DCEnd), which has command line and user. Fields are found by name,
 * so every version is read that has them. Where a recording has both, what both tell of a start or an end counts once.
 */
#include "tracerd_etw.h"

#define NAME 48
#define USER 64
#define COMMAND 192
#define LIFETIME_SLOTS 52		/* 2^52 ns: 52 days; what lived longer shares the last slot */
#define SAME_NS 1000000000ull		/* two events this near tell of one start, or of one end */

#define PROCESS_ID ETW_FIELD("ProcessID")
#define PROCESS_CREATED ETW_FIELD("CreateTime")
#define PROCESS_PARENT ETW_FIELD("ParentProcessID")
#define PROCESS_SESSION ETW_FIELD("SessionID")
#define PROCESS_IMAGE ETW_FIELD("ImageName")
#define PROCESS_EXITED ETW_FIELD("ExitTime")
#define PROCESS_EXIT_CODE ETW_FIELD("ExitCode")

#define CLASSIC_ID ETW_FIELD("ProcessId")
#define CLASSIC_PARENT ETW_FIELD("ParentId")
#define CLASSIC_SESSION ETW_FIELD("SessionId")
#define CLASSIC_EXIT_STATUS ETW_FIELD("ExitStatus")
#define CLASSIC_USER ETW_FIELD("UserSID")
#define CLASSIC_IMAGE ETW_FIELD("ImageFileName")
#define CLASSIC_COMMAND ETW_FIELD("CommandLine")

enum { CLASSIC_START = 1, CLASSIC_END = 2, CLASSIC_DC_START = 3, CLASSIC_DC_END = 4 };

struct process {
	u64 started_ns;			/* unix time; 0: before the recording, unknown when */
	u64 ended_ns;			/* 0: still running at its end */
	u64 lived_ns;			/* 0: not seen to start, or not to end */
	u32 parent;
	u32 session;
	u32 exit_code;
	u32 reserved;
	char image[NAME];		/* file name without its folder */
	char parent_image[NAME];	/* of the parent as it was then; empty: not seen */
	char grandparent_image[NAME];	/* of the parent's parent */
	char user[USER];		/* SID, of the classic class only */
	char command[COMMAND];		/* likewise; as much as fits */
};

struct lineage {
	char image[NAME];
	char parent_image[NAME];
};

struct lives {
	u64 starts;
	u64 ends;
	u64 failures;			/* ends with an exit code other than 0 */
	u64 lived_ns;			/* by those that were seen to start and end */
	u32 lifetime[LIFETIME_SLOTS];	/* the same, as a histogram */
};

struct totals {
	u64 starts;
	u64 ends;
	u64 running;			/* listed by the recorder as running already, or still */
	u64 unreadable;			/* process events of a version that is not known, or cut short */
	u64 refused;			/* processes and images that found no room in their table */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct lineage);
	__type(value, struct lives);
} images SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

/* Where a process is put together: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct process);
} drafts SEC(".maps");

const struct lives no_lives = {};

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

static ALWAYS_INLINE int unreadable(void)
{
	struct totals *sum = all();

	if (sum)
		sum->unreadable++;
	return 0;
}

static ALWAYS_INLINE void refused(void)
{
	struct totals *sum = all();

	if (sum)
		sum->refused++;
}

static ALWAYS_INLINE struct process *new_draft(void)
{
	u32 zero = 0;
	struct process *draft = bpf_map_lookup_elem(&drafts, &zero);

	if (draft)
		memset(draft, 0, sizeof(*draft));
	return draft;
}

static ALWAYS_INLINE bool near(u64 a_ns, u64 b_ns)
{
	return (a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns) < SAME_NS;
}

static ALWAYS_INLINE struct lives *lives_of(const struct process *process)
{
	const struct lineage *key = (const struct lineage *)process->image;
	struct lives *lives = bpf_map_lookup_elem(&images, key);

	if (lives)
		return lives;
	if (bpf_map_update_elem(&images, key, &no_lives, BPF_NOEXIST))
		refused();
	return bpf_map_lookup_elem(&images, key);
}

static ALWAYS_INLINE struct process *put(u32 pid, const struct process *draft)
{
	if (bpf_map_update_elem(&processes, &pid, draft, BPF_ANY))
		refused();
	return bpf_map_lookup_elem(&processes, &pid);
}

/* Whether a start or a listing tells of a process that is in the table: a pid may be used again. */
static ALWAYS_INLINE bool is_known(const struct process *known, const struct process *draft, bool is_start)
{
	if (known->started_ns && draft->started_ns)
		return near(known->started_ns, draft->started_ns);
	return !known->ended_ns && !is_start;
}

/* What the other provider's event says beyond what is known. */
static ALWAYS_INLINE void fill_in(struct process *known, const struct process *draft)
{
	if (!known->started_ns)
		known->started_ns = draft->started_ns;
	if (!known->user[0])
		memcpy(known->user, draft->user, USER);
	if (!known->command[0])
		memcpy(known->command, draft->command, COMMAND);
}

/* A parent that started after its child is another process with that pid. */
static ALWAYS_INLINE void name_parents(struct process *draft)
{
	u32 parent = draft->parent;
	struct process *known = bpf_map_lookup_elem(&processes, &parent);

	if (!known || (draft->started_ns && known->started_ns > draft->started_ns))
		return;
	memcpy(draft->parent_image, known->image, NAME);
	memcpy(draft->grandparent_image, known->parent_image, NAME);
}

/* Enter a process that starts or is listed; its draft is complete but for its parents' names. */
static ALWAYS_INLINE int enter(u32 pid, struct process *draft, bool is_start)
{
	struct process *known = bpf_map_lookup_elem(&processes, &pid);
	struct totals *sum = all();
	struct lives *lives;

	if (known && is_known(known, draft, is_start)) {
		fill_in(known, draft);
		return 0;
	}
	name_parents(draft);
	put(pid, draft);
	if (sum && is_start)
		sum->starts++;
	if (sum && !is_start)
		sum->running++;
	lives = is_start ? lives_of(draft) : NULL;
	if (lives)
		lives->starts++;
	return 0;
}

static ALWAYS_INLINE void note_end(struct process *process)
{
	struct lives *lives = lives_of(process);

	if (!lives)
		return;
	lives->ends++;
	if (process->exit_code)
		lives->failures++;
	if (!process->lived_ns)
		return;
	lives->lived_ns += process->lived_ns;
	log2_add(lives->lifetime, LIFETIME_SLOTS, process->lived_ns);
}

/* Note the end of a process. Its draft has what its end says of it: enough for one that was not seen to start. */
static ALWAYS_INLINE int leave(u32 pid, const struct process *draft)
{
	struct process *process = bpf_map_lookup_elem(&processes, &pid);
	struct totals *sum = all();

	if (process && process->ended_ns && near(process->ended_ns, draft->ended_ns))
		return 0;
	if (!process || process->ended_ns ||
	    (process->started_ns && draft->started_ns && !near(process->started_ns, draft->started_ns)))
		process = put(pid, draft);
	if (sum)
		sum->ends++;
	if (!process)
		return 0;
	fill_in(process, draft);
	process->ended_ns = draft->ended_ns;
	process->exit_code = draft->exit_code;
	if (process->started_ns && process->ended_ns > process->started_ns)
		process->lived_ns = process->ended_ns - process->started_ns;
	note_end(process);
	return 0;
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStart")
int on_start(struct etw_context *ctx)
{
	struct process *draft = new_draft();

	if (!draft || ev_field_file(ctx, PROCESS_IMAGE, draft->image, NAME) < 0)
		return unreadable();
	draft->started_ns = etw_unix_ns(ev_field_u64(ctx, PROCESS_CREATED));
	draft->parent = ev_field_u32(ctx, PROCESS_PARENT);
	draft->session = ev_field_u32(ctx, PROCESS_SESSION);
	return enter(ev_field_u32(ctx, PROCESS_ID), draft, ctx->id == 1);
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStop")
int on_stop(struct etw_context *ctx)
{
	struct process *draft = new_draft();

	if (!draft || !ev_has_field(ctx, PROCESS_EXIT_CODE))
		return unreadable();
	draft->started_ns = etw_unix_ns(ev_field_u64(ctx, PROCESS_CREATED));
	draft->ended_ns = etw_unix_ns(ev_field_u64(ctx, PROCESS_EXITED));
	draft->exit_code = ev_field_u32(ctx, PROCESS_EXIT_CODE);
	ev_field_file(ctx, PROCESS_IMAGE, draft->image, NAME);
	return leave(ev_field_u32(ctx, PROCESS_ID), draft);
}

SEC("etw-kernel/Process")
int on_classic(struct etw_context *ctx)
{
	u8 opcode = ctx->opcode;
	struct process *draft;
	u32 pid;

	if (opcode < CLASSIC_START || opcode > CLASSIC_DC_END)
		return 0;
	draft = new_draft();
	if (!draft || ev_field_file(ctx, CLASSIC_IMAGE, draft->image, NAME) < 0)
		return unreadable();
	pid = ev_field_u32(ctx, CLASSIC_ID);
	draft->parent = ev_field_u32(ctx, CLASSIC_PARENT);
	draft->session = ev_field_u32(ctx, CLASSIC_SESSION);
	ev_field_text(ctx, CLASSIC_USER, draft->user, USER);
	ev_field_text(ctx, CLASSIC_COMMAND, draft->command, COMMAND);
	if (opcode == CLASSIC_END) {
		draft->ended_ns = ctx->time_ns;
		draft->exit_code = ev_field_u32(ctx, CLASSIC_EXIT_STATUS);
		return leave(pid, draft);
	}
	draft->started_ns = opcode == CLASSIC_START ? ctx->time_ns : 0;
	return enter(pid, draft, opcode == CLASSIC_START);
}

char _license[] SEC("license") = "MIT";
