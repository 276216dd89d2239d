// SPDX-License-Identifier: MIT
/* Which programs are started on this machine, how often, and how long they live.
 *
 * Each function below is run on every event that probe.toml attaches it to. Change it, then: tracerd build
 */
#include "tracerd.bpf.h"

struct name {
	char text[32];
};

struct lives {
	u64 starts;
	u64 exits;
	u32 lifetime[LOG2_SLOTS];	/* slot i: how many lived 2^i to 2^(i+1) ns */
};

/* One row for every name. `tracerd run` shows it as the [[view]] of probe.toml says. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct name);
	__type(value, struct lives);
} lives SEC(".maps");

/* What a new row begins with: too large for the stack of a program, which has 512 bytes. */
const struct lives unseen = {};

/* Return the row of a process's name. A lookup may find nothing, even here: the verifier wants that looked at. */
static ALWAYS_INLINE struct lives *lives_of(const struct process_context *process)
{
	struct name name;
	struct lives *found;

	memcpy(name.text, process->name, sizeof(name.text));
	found = bpf_map_lookup_elem(&lives, &name);
	if (found)
		return found;
	bpf_map_update_elem(&lives, &name, &unseen, BPF_NOEXIST);
	return bpf_map_lookup_elem(&lives, &name);
}

SEC("process/start")
int on_start(struct process_context *process)
{
	struct lives *lives = lives_of(process);

	if (lives)
		lives->starts++;
	return 0;
}

SEC("process/exit")
int on_exit(struct process_context *process)
{
	struct lives *lives = lives_of(process);

	if (!lives)
		return 0;
	lives->exits++;
	log2_add(lives->lifetime, LOG2_SLOTS, process->lifetime_ns);
	return 0;
}

char _license[] SEC("license") = "MIT";
