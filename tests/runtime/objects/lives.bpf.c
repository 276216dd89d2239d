// SPDX-License-Identifier: MIT
/* Process events as a program sees them: one row for each process, from its context, its command line and helpers. */
#include "tracerd.bpf.h"

struct life {
	u64 starts;
	u64 exits;
	u64 start_ns;
	u64 lifetime_ns;
	u32 parent;
	u32 known;
	s32 exit_code;
	u32 helper_pid;		/* as bpf_get_current_pid_tgid has it */
	u64 line_bytes;
	char line[8];
	char name[16];
	char user[16];
	char comm[16];		/* as bpf_get_current_comm has it */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct life);
} lives SEC(".maps");

static ALWAYS_INLINE struct life *life_of(u32 pid)
{
	struct life unseen = {};

	bpf_map_update_elem(&lives, &pid, &unseen, BPF_NOEXIST);
	return bpf_map_lookup_elem(&lives, &pid);
}

SEC("process/start")
int on_start(struct process_context *ctx)
{
	struct life *life = life_of(ctx->pid);
	const u8 *line = ctx->data;

	if (!life)
		return 0;
	life->starts++;
	life->start_ns = ctx->start_ns;
	life->parent = ctx->parent;
	life->known |= ctx->known;
	life->helper_pid = bpf_get_current_pid_tgid() >> 32;
	life->line_bytes = ctx->data_end - ctx->data;
	if (line + sizeof(life->line) <= ctx->data_end)
		__builtin_memcpy(life->line, line, sizeof(life->line));
	for (int at = 0; at < 15; at++) {
		life->name[at] = ctx->name[at];
		life->user[at] = ctx->user[at];
	}
	bpf_get_current_comm(life->comm, sizeof(life->comm));
	return 0;
}

SEC("process/exit")
int on_exit(struct process_context *ctx)
{
	struct life *life = life_of(ctx->pid);

	if (!life)
		return 0;
	life->exits++;
	life->known |= ctx->known;
	life->exit_code = ctx->exit_code;
	life->lifetime_ns = ctx->lifetime_ns;
	return 0;
}

char _license[] SEC("license") = "MIT";
