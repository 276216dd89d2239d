// SPDX-License-Identifier: MIT
/* Processes that come and go: what is started over and over, by whom, how short it lives, how it ends. */
#include "tracerd.bpf.h"

#define NAME 32
#define LIFETIME_SLOTS 48		/* log2 of ns: 2^48 ns are 3 days */
#define COMMAND 96

struct program_key {
	char name[NAME];
	char parent[NAME];		/* "" where it is not known */
};

struct program {
	u64 starts;
	u64 exits;
	u64 failures;			/* exits whose code is known and not 0 */
	u64 unknown;			/* exits whose code is not known: ended by a signal, or polled */
	u64 last_ns;			/* unix time of the last start */
	u32 last_pid;
	s32 last_code;			/* of the last failure */
	char command[COMMAND];		/* of the last start: as much as fits, blanks between arguments */
	u32 lifetime[LIFETIME_SLOTS];	/* of those that ended, also of those that began before tracing */
};

struct running {
	char name[NAME];
	char parent[NAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct program_key);
	__type(value, struct program);
} programs SEC(".maps");

/* Every process that is known to run: names for the children of those that began before. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct running);
} running SEC(".maps");

const struct program no_program = {};

static ALWAYS_INLINE struct program *program_of(const struct program_key *key)
{
	struct program *found = bpf_map_lookup_elem(&programs, key);

	if (found)
		return found;
	bpf_map_update_elem(&programs, key, &no_program, BPF_NOEXIST);
	return bpf_map_lookup_elem(&programs, key);
}

static ALWAYS_INLINE void copy_command(struct process_context *ctx, char *to)
{
	const u8 *at = ctx->data;
	u32 i;

	for (i = 0; i < COMMAND - 1; i++) {
		if (at + i + 1 > ctx->data_end)
			break;
		to[i] = at[i] ? at[i] : ' ';
	}
	to[i] = 0;
}

SEC("process/sample")
int on_sample(struct process_context *ctx)
{
	struct running now = {};
	u32 pid = ctx->pid;

	if (ctx->kind == PROCESS_EXIT)
		bpf_map_delete_elem(&running, &pid);
	if (ctx->kind == PROCESS_EXIT || bpf_map_lookup_elem(&running, &pid))
		return 0;
	__builtin_memcpy(now.name, ctx->name, NAME);
	bpf_map_update_elem(&running, &pid, &now, BPF_NOEXIST);
	return 0;
}

SEC("process/start")
int on_start(struct process_context *ctx)
{
	u32 pid = ctx->pid, parent = ctx->parent;
	struct running *begetter = bpf_map_lookup_elem(&running, &parent);
	struct program_key key = {};
	struct program *program;

	__builtin_memcpy(key.name, ctx->name, NAME);
	if (begetter)
		__builtin_memcpy(key.parent, begetter->name, NAME);
	bpf_map_update_elem(&running, &pid, &key, BPF_ANY);
	program = program_of(&key);
	if (!program)
		return 0;
	program->starts++;
	program->last_ns = ctx->time_ns;
	program->last_pid = pid;
	copy_command(ctx, program->command);
	return 0;
}

SEC("process/exit")
int on_exit(struct process_context *ctx)
{
	u32 pid = ctx->pid, slot = log2_slot(ctx->lifetime_ns);
	struct running *was = bpf_map_lookup_elem(&running, &pid);
	struct program_key key = {};
	struct program *program;

	if (was)
		__builtin_memcpy(&key, was, sizeof(key));
	else
		__builtin_memcpy(key.name, ctx->name, NAME);
	bpf_map_delete_elem(&running, &pid);
	program = program_of(&key);
	if (!program)
		return 0;
	program->exits++;
	if (!(ctx->known & KNOWN_EXIT_CODE)) {
		program->unknown++;
	} else if (ctx->exit_code) {
		program->failures++;
		program->last_code = ctx->exit_code;
	}
	if (ctx->known & KNOWN_BEGIN)
		program->lifetime[slot < LIFETIME_SLOTS ? slot : LIFETIME_SLOTS - 1]++;
	return 0;
}

char _license[] SEC("license") = "MIT";
