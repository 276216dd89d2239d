// SPDX-License-Identifier: MIT
/* Process starts and ends of a Windows machine: what ran, who started it, how long it lived, how it ended.
 *
 * Events: the manifest provider Microsoft-Windows-Kernel-Process (ProcessStart 1, ProcessStop 2, ProcessRundown 15),
 * all published versions; and the classic Process class (Start, End, DCStart, DCEnd), versions 1 to 4.
 */
#include "tracerd_etw.h"

#define NAME 48
#define LONGEST_PATH 320

struct process {
	u64 started_ns;			/* unix time; 0: before the recording, unknown when */
	u64 ended_ns;			/* 0: still running at its end */
	u32 parent;
	u32 session;
	u32 exit_code;
	u32 reserved;
	char image[NAME];		/* file name without its folder */
	char parent_image[NAME];	/* of the parent as it was then; empty: not seen */
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
};

struct totals {
	u64 starts;
	u64 ends;
	u64 running;			/* listed by the recorder as running already, or still */
	u64 unreadable;			/* process events of a layout that is not known */
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

/* Where a process is put together: too large to build on the stack twice. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct process);
} drafts SEC(".maps");

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

static ALWAYS_INLINE void unreadable(void)
{
	struct totals *sum = all();

	if (sum)
		sum->unreadable++;
}

static ALWAYS_INLINE struct process *new_draft(void)
{
	u32 zero = 0;
	struct process *draft = bpf_map_lookup_elem(&drafts, &zero);

	if (draft)
		__builtin_memset(draft, 0, sizeof(*draft));
	return draft;
}

/* Read the character at `text`, 0 behind the end of the payload. Width is 1 (ANSI) or 2 (UTF-16). */
static ALWAYS_INLINE u32 character(const u8 *text, const u8 *end, u32 width)
{
	if (text + width > end)
		return 0;
	return width == 2 ? etw_u16(text) : *text;
}

/* Copy up to NAME - 1 characters; what is not ASCII becomes '?'. `to` is zero before. */
static ALWAYS_INLINE void copy_text(const u8 *text, const u8 *end, u32 width, char *to)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0;; i++) {
		u32 c;

		ETW_KEEP(i);
		if (i >= NAME - 1)
			break;
		c = character(text + i * width, end, width);
		if (!c)
			break;
		to[i] = c < 128 ? c : '?';
	}
}

/* Copy the part of a path behind its last backslash. */
static ALWAYS_INLINE void copy_file_name(const u8 *path, const u8 *end, u32 width, char *to)
{
	u32 start = 0;

#pragma clang loop unroll(disable)
	for (u32 i = 0;; i++) {
		u32 c;

		ETW_KEEP(i);
		if (i >= LONGEST_PATH)
			break;
		c = character(path + i * width, end, width);
		if (!c)
			break;
		if (c == '\\')
			start = i + 1;
	}
	ETW_KEEP(start);
	copy_text(path + (start & 511) * width, end, width, to);
}

static ALWAYS_INLINE struct lives *lives_of(const struct process *process)
{
	struct lives none = {};
	const struct lineage *key = (const struct lineage *)process->image;
	struct lives *lives = bpf_map_lookup_elem(&images, key);

	if (lives)
		return lives;
	bpf_map_update_elem(&images, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&images, key);
}

/* Enter a process whose draft is complete but for its parent's name. */
static ALWAYS_INLINE void enter(u32 pid, struct process *draft, int is_start)
{
	u32 parent = draft->parent;
	struct process *known = bpf_map_lookup_elem(&processes, &parent);
	struct totals *sum = all();
	struct lives *lives;

	if (known)
		__builtin_memcpy(draft->parent_image, known->image, NAME);
	bpf_map_update_elem(&processes, &pid, draft, BPF_ANY);
	if (sum && is_start)
		sum->starts++;
	if (sum && !is_start)
		sum->running++;
	lives = is_start ? lives_of(draft) : 0;
	if (lives)
		lives->starts++;
}

/* Note the end of a process that is in the table. */
static ALWAYS_INLINE void leave(struct process *process, u64 time_ns, u32 exit_code)
{
	struct totals *sum = all();
	struct lives *lives = lives_of(process);

	process->ended_ns = time_ns;
	process->exit_code = exit_code;
	if (sum)
		sum->ends++;
	if (!lives)
		return;
	lives->ends++;
	if (exit_code)
		lives->failures++;
	if (process->started_ns && time_ns > process->started_ns)
		lives->lived_ns += time_ns - process->started_ns;
}

/* ProcessStart version 0: u32 pid, u64 create time, u32 parent, u32 session, image; 1 and 2: u32 flags before image.
 * From 3 (rundown: 1) on: u32 pid, u64 sequence, u64 create time, u32 parent, u64 sequence, u32 session, u32 flags,
 * u32 elevation type, u32 elevated, SID label, image. */
static ALWAYS_INLINE const u8 *read_start(struct etw_context *ctx, int with_sequence, u32 *pid, struct process *draft)
{
	const u8 *data = ctx->data, *end = ctx->data_end;

	if (!with_sequence) {
		if (data + 24 > end)
			return 0;
		*pid = etw_u32(data);
		draft->started_ns = etw_unix_ns(etw_u64(data + 4));
		draft->parent = etw_u32(data + 12);
		draft->session = etw_u32(data + 16);
		return ctx->id == 1 && ctx->version == 0 ? data + 20 : data + 24;
	}
	if (data + 56 > end)
		return 0;
	*pid = etw_u32(data);
	draft->started_ns = etw_unix_ns(etw_u64(data + 12));
	draft->parent = etw_u32(data + 20);
	draft->session = etw_u32(data + 32);
	return data + 48 + etw_sid_size(data[49]);
}

SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStart")
int on_start(struct etw_context *ctx)
{
	int is_start = ctx->id == 1;
	int with_sequence = ctx->version >= (is_start ? 3 : 1);
	struct process *draft = new_draft();
	const u8 *image;
	u32 pid = 0;

	if (!draft)
		return 0;
	image = read_start(ctx, with_sequence, &pid, draft);
	if (!image) {
		unreadable();
		return 0;
	}
	copy_file_name(image, ctx->data_end, 2, draft->image);
	enter(pid, draft, is_start);
	return 0;
}

/* Enter a process that was running before the recording and is known by its end only. */
static ALWAYS_INLINE struct process *enter_late(u32 pid, struct process *draft)
{
	bpf_map_update_elem(&processes, &pid, draft, BPF_ANY);
	return bpf_map_lookup_elem(&processes, &pid);
}

/* ProcessStop: u32 pid, [from version 2 on: u64 sequence,] u64 create time, u64 exit time, u32 exit code, u32 elevation,
 * u32 handles, u64 commit charge, u64 peak, [from 1 on: u64 cycles, 5 x u32 input and output,] ANSI image without path. */
SEC("etw/Microsoft-Windows-Kernel-Process/ProcessStop")
int on_stop(struct etw_context *ctx)
{
	const u8 *data = ctx->data, *end = ctx->data_end;
	u32 shift = ctx->version >= 2 ? 8 : 0;
	u32 image = ctx->version == 0 ? 48 : 76 + shift;
	struct process *draft = new_draft();
	struct process *process;
	u32 pid, exit_code;
	u64 ended;

	if (!draft)
		return 0;
	if (data + 48 > end) {
		unreadable();
		return 0;
	}
	pid = etw_u32(data);
	draft->started_ns = etw_unix_ns(etw_u64(data + 4 + shift));
	ended = etw_unix_ns(etw_u64(data + 12 + shift));
	exit_code = etw_u32(data + 20 + shift);
	copy_text(data + image, end, 1, draft->image);
	process = bpf_map_lookup_elem(&processes, &pid);
	if (!process)
		process = enter_late(pid, draft);
	if (process)
		leave(process, ended, exit_code);
	return 0;
}

/* Bytes up to the user in a classic event: pointer, u32 pid, u32 parent, u32 session, s32 exit status, [from version 3
 * on: pointer,] [4: u32 flags]. The user is two pointers and a SID, or a u32 0; an ANSI image follows it. */
static ALWAYS_INLINE u32 user_offset(u32 version, u32 pointer)
{
	return pointer + 16 + (version >= 3 ? pointer : 0) + (version >= 4 ? 4 : 0);
}

/* Where the image name starts behind a SID, if pointers are that wide; 0 if there is no SID at its place. */
static ALWAYS_INLINE u32 image_after_sid(const u8 *data, const u8 *end, u32 version, u32 pointer)
{
	u32 sid = user_offset(version, pointer) + 2 * pointer;

	if (data + sid + 8 > end || data[sid] != 1 || data[sid + 1] > 15 || etw_u32(data + sid + 2) != 0)
		return 0;
	return sid + etw_sid_size(data[sid + 1]);
}

static ALWAYS_INLINE u32 image_without_sid(const u8 *data, const u8 *end, u32 version, u32 pointer)
{
	u32 user = user_offset(version, pointer);

	return data + user + 4 <= end && etw_u32(data + user) == 0 ? user + 4 : 0;
}

SEC("etw-kernel/Process")
int on_classic(struct etw_context *ctx)
{
	const u8 *data = ctx->data, *end = ctx->data_end;
	u32 version = ctx->version, opcode = ctx->opcode, pointer = ctx->pointer_size == 8 ? 8 : 4;
	u32 image = 0, pid;
	struct process *draft = new_draft();
	struct process *process;

	if (!draft || opcode < 1 || opcode > 4)
		return 0;
	if (version >= 1 && version <= 4) {
		image = image_after_sid(data, end, version, pointer);
		if (!image && image_after_sid(data, end, version, 12 - pointer)) {
			pointer = 12 - pointer;		/* a 32-bit writer of 64-bit events, or the other way round */
			image = image_after_sid(data, end, version, pointer);
		}
		if (!image)
			image = image_without_sid(data, end, version, pointer);
	}
	if (!image || data + pointer + 16 > end) {
		unreadable();
		return 0;
	}
	pid = etw_u32(data + pointer);
	draft->parent = etw_u32(data + pointer + 4);
	draft->session = etw_u32(data + pointer + 8);
	copy_file_name(data + image, end, 1, draft->image);
	if (opcode == 2) {
		process = bpf_map_lookup_elem(&processes, &pid);
		if (!process)
			process = enter_late(pid, draft);
		if (process)
			leave(process, ctx->time_ns, etw_u32(data + pointer + 12));
		return 0;
	}
	draft->started_ns = opcode == 1 ? ctx->time_ns : 0;
	if (opcode != 4 || !bpf_map_lookup_elem(&processes, &pid))	/* the list at the end adds only what is new */
		enter(pid, draft, opcode == 1);
	return 0;
}

char _license[] SEC("license") = "MIT";
