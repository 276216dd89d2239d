// SPDX-License-Identifier: MIT
/* Every process as it starts and as it ends: one record each, to be watched, sent as log records and as spans. */
#include "tracerd.bpf.h"

#define NAME 32
#define COMMAND 128

enum kind { started, ended };

struct process_record {
	enum kind kind;
	u32 pid;
	u32 parent;
	u32 uid;
	s32 exit_code;			/* of an end; 0 where it is not known */
	u16 exit_known;			/* 1: somebody told the exit code */
	u16 failed;			/* 1: it ended with a code other than 0 */
	u64 begin_ns;			/* when it began, on the clock of bpf_ktime_get_ns() */
	u64 time_ns;			/* when the event was */
	u64 lifetime_ns;		/* at the event */
	char name[NAME];
	char command[COMMAND];		/* of a start: as much as fits, blanks between arguments */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct process_record);
} processes SEC(".maps");

struct counts {
	u64 starts;
	u64 ends;
	u64 failures;
	u64 dropped;			/* records that found no room */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counts);
} counts SEC(".maps");

static ALWAYS_INLINE struct counts *counted(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

static ALWAYS_INLINE struct process_record *record_of(struct process_context *ctx, enum kind kind)
{
	struct process_record *record = bpf_ringbuf_reserve(&processes, sizeof(*record), 0);
	struct counts *all = counted();

	if (!record) {
		if (all)
			all->dropped++;
		return NULL;
	}
	record->kind = kind;
	record->pid = ctx->pid;
	record->parent = ctx->parent;
	record->uid = ctx->uid;
	record->exit_code = 0;
	record->exit_known = 0;
	record->failed = 0;
	record->time_ns = bpf_ktime_get_ns();
	record->begin_ns = record->time_ns - ctx->lifetime_ns;
	record->lifetime_ns = ctx->lifetime_ns;
	__builtin_memcpy(record->name, ctx->name, NAME);
	__builtin_memset(record->command, 0, COMMAND);
	return record;
}

static ALWAYS_INLINE void copy_command(struct process_context *ctx, char *to)
{
	const u8 *at = ctx->data;
	u32 i;

	for (i = 0; i < COMMAND - 1; i++) {
		if (at + i + 2 > ctx->data_end)		/* the last byte ends the last argument */
			break;
		to[i] = at[i] ? at[i] : ' ';
	}
}

SEC("process/start")
int on_start(struct process_context *ctx)
{
	struct process_record *record = record_of(ctx, started);
	struct counts *all = counted();

	if (all)
		all->starts++;
	if (!record)
		return 0;
	copy_command(ctx, record->command);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("process/exit")
int on_exit(struct process_context *ctx)
{
	struct process_record *record = record_of(ctx, ended);
	struct counts *all = counted();
	u32 known = !!(ctx->known & KNOWN_EXIT_CODE), failed = known && ctx->exit_code;

	if (all) {
		all->ends++;
		all->failures += failed;
	}
	if (!record)
		return 0;
	record->exit_code = known ? ctx->exit_code : 0;
	record->exit_known = known;
	record->failed = failed;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

char _license[] SEC("license") = "MIT";
