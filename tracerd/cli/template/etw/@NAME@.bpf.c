// SPDX-License-Identifier: MIT
/* @EVENT@ of @PROVIDER@: which processes have it, how often, and what the last one said.
 *
 * on_event is run on each event that probe.toml attaches it to, live or of a recording. Change it, then: tracerd build
 * @HEADER@ has the event's fields, tracerd_etw.h the functions that read them.
 */
#include "@HEADER@"

struct seen {
	u64 count;
	u64 last_ns;			/* unix time */
	@MEMBER@
};

/* One row for every process, by its id in the event's header. `tracerd replay` shows it as probe.toml says. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct seen);
} seen_by_process SEC(".maps");

SEC("@SECTION@")
int on_event(struct etw_context *ctx)
{
	struct seen first = {}, *seen;
	u32 pid = ctx->pid;

	seen = bpf_map_lookup_elem(&seen_by_process, &pid);
	if (!seen) {
		bpf_map_update_elem(&seen_by_process, &pid, &first, BPF_NOEXIST);
		seen = bpf_map_lookup_elem(&seen_by_process, &pid);
	}
	if (!seen)			/* the map is full */
		return 0;
	seen->count++;
	seen->last_ns = ctx->time_ns;
	@READ@
	return 0;
}

char _license[] SEC("license") = "MIT";
