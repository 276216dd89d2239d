// SPDX-License-Identifier: MIT
/* Garbage collections of .NET runtimes on Windows: how many of which generation and why, how long they stopped the
 * process, how large its heap is, what it allocates.
 *
 * Events: Microsoft-Windows-DotNETRuntime, keyword GC (0x1), all published versions. A process may have several
 * runtimes, told apart by ClrInstanceID. */
#include "etw_gc.h"

#define RUNDOWN_FIRST_BYTE 0x1c		/* of a669021c-…; the runtime's provider is e13c0d23-… */

#define GC_COUNT ETW_FIELD("Count")
#define GC_DEPTH ETW_FIELD("Depth")
#define GC_REASON ETW_FIELD("Reason")
#define GC_TYPE ETW_FIELD("Type")
#define GC_CLRINSTANCEID ETW_FIELD("ClrInstanceID")
#define ALLOCATION_AMOUNT ETW_FIELD("AllocationAmount")
#define ALLOCATION_AMOUNT64 ETW_FIELD("AllocationAmount64")
#define ALLOCATION_KIND ETW_FIELD("AllocationKind")
#define ALLOCATION_TYPENAME ETW_FIELD("TypeName")

enum { SUSPEND_FOR_GC = 1, SUSPEND_FOR_GC_PREP = 6 };
enum { BACKGROUND = 1 };		/* GCTypeMap */

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

static ALWAYS_INLINE struct runtime_key key_of(struct etw_context *ctx)
{
	struct runtime_key key = {
		.process = process_id_of(ctx->pid), .instance = ev_field_u32(ctx, GC_CLRINSTANCEID)
	};
	const u32 *again = bpf_map_lookup_elem(&restarts, &key);

	if (again)
		key.restarts = *again;
	return key;
}

static ALWAYS_INLINE struct runtime *runtime_of(const struct runtime_key *key)
{
	struct runtime *runtime = bpf_map_lookup_elem(&runtimes, key);

	if (!runtime) {
		bpf_map_update_elem(&runtimes, key, &no_runtime, BPF_NOEXIST);
		runtime = bpf_map_lookup_elem(&runtimes, key);
	}
	if (runtime)
		copy_process_name(runtime->name, key->process.pid);
	return runtime;
}

static ALWAYS_INLINE void count_unmatched(struct runtime *runtime)
{
	struct totals *sum = all();

	runtime->unmatched++;
	if (sum)
		sum->unmatched++;
}

/* ---- names, where the kernel told none: the first word of the runtime's command line ----------------------------- */

static ALWAYS_INLINE void name_from_command_line(char *to, const char *line)
{
	char end = line[0] == '"' ? '"' : ' ';
	u32 start = line[0] == '"', at;

#pragma clang loop unroll(disable)
	for (at = start;; at++) {
		ETW_KEEP(at);
		if (at >= COMMAND_LINE || !line[at] || line[at] == end)
			break;
		if (line[at] == '\\' || line[at] == '/')
			start = at + 1;
	}
	if (at >= COMMAND_LINE - 1)
		return;				/* cut: the file name may be behind it */
#pragma clang loop unroll(disable)
	for (u32 i = 0;; i++) {
		ETW_KEEP(i);
		if (i >= PROCESS_NAME - 1)
			break;
		at = start + i;
		ETW_KEEP(at);
		if (at >= COMMAND_LINE || !line[at] || line[at] == end)
			break;
		to[i] = line[at];
	}
}

static ALWAYS_INLINE void name_runtime(struct etw_context *ctx, struct runtime *runtime)
{
	u32 zero = 0;
	char *line = bpf_map_lookup_elem(&lines, &zero);

	ev_field_file(ctx, ETW_FIELD("RuntimeDllPath"), runtime->dll, DLL);
	if (!line || runtime->name[0])
		return;
	ev_field_text(ctx, ETW_FIELD("CommandLine"), line, COMMAND_LINE);
	name_from_command_line(runtime->name, line);
}

/* A runtime that starts where one is known that did so, too, is another: its process's end was not told. */
static ALWAYS_INLINE void begin_anew(struct runtime_key *key)
{
	const struct runtime *known = bpf_map_lookup_elem(&runtimes, key);
	u32 again = key->restarts + 1;

	if (!known || !known->announced)
		return;
	key->restarts = 0;
	bpf_map_update_elem(&restarts, key, &again, BPF_ANY);
	key->restarts = again;
}

/* Of the runtime itself, before anything else; of the rundown provider: it ran when the recording began or ended. */
SEC("etw/Microsoft-Windows-DotNETRuntime/RuntimeInformationStart")
int on_runtime(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	bool starts = ctx->provider[0] != RUNDOWN_FIRST_BYTE;
	struct runtime *runtime;

	if (starts)
		begin_anew(&key);
	runtime = runtime_of(&key);
	if (!runtime)
		return 0;
	runtime->announced |= starts;
	name_runtime(ctx, runtime);
	return 0;
}

/* ---- pauses -------------------------------------------------------------------------------------------------- */

SEC("etw/Microsoft-Windows-DotNETRuntime/GCSuspendEEBegin")
int on_suspend_begin(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	struct runtime *runtime;
	u64 reason;

	if (bpf_etw_field_number(ctx, GC_REASON, &reason, sizeof(reason)))
		return unreadable();
	runtime = runtime_of(&key);
	if (!runtime)
		return 0;
	if (runtime->suspend_ns)
		count_unmatched(runtime);
	runtime->suspend_ns = bpf_ktime_get_ns();
	runtime->suspend_reason = reason;
	return 0;
}

static ALWAYS_INLINE bool stopped_for_gc(const struct runtime *runtime)
{
	return runtime->suspend_reason == SUSPEND_FOR_GC || runtime->suspend_reason == SUSPEND_FOR_GC_PREP;
}

SEC("etw/Microsoft-Windows-DotNETRuntime/GCSuspendEEEnd")
int on_suspended(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	struct runtime *runtime = bpf_map_lookup_elem(&runtimes, &key);

	if (runtime && runtime->suspend_ns && stopped_for_gc(runtime))
		runtime->stopping_ns += bpf_ktime_get_ns() - runtime->suspend_ns;
	return 0;
}

static ALWAYS_INLINE void count_pause(struct runtime *runtime, u64 elapsed)
{
	runtime->pauses++;
	runtime->paused_ns += elapsed;
	if (elapsed > runtime->longest_ns)
		runtime->longest_ns = elapsed;
	log2_add(runtime->pause, PAUSE_SLOTS, elapsed);
}

SEC("etw/Microsoft-Windows-DotNETRuntime/GCRestartEEEnd")
int on_restarted(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	struct runtime *runtime = runtime_of(&key);
	struct totals *sum = all();

	if (!runtime)
		return 0;
	if (!runtime->suspend_ns) {
		count_unmatched(runtime);
		return 0;
	}
	if (stopped_for_gc(runtime)) {
		count_pause(runtime, bpf_ktime_get_ns() - runtime->suspend_ns);
	} else {
		runtime->other_stops++;
		if (sum)
			sum->other_stops++;
	}
	runtime->suspend_ns = 0;
	return 0;
}

/* ---- collections --------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE u16 kind_of(struct etw_context *ctx)
{
	u64 kind;

	if (bpf_etw_field_number(ctx, GC_TYPE, &kind, sizeof(kind)) || kind >= KIND_NOT_SEEN)
		return KIND_NOT_SEEN;		/* GCStart version 0 does not say */
	return kind;
}

SEC("etw/Microsoft-Windows-DotNETRuntime/GCStart")
int on_gc_start(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	u16 kind = kind_of(ctx);
	struct runtime *runtime;
	struct collection *running;
	u64 number;
	u32 reason;

	if (bpf_etw_field_number(ctx, GC_COUNT, &number, sizeof(number)))
		return unreadable();
	runtime = runtime_of(&key);
	if (!runtime)
		return 0;
	reason = ev_field_u32(ctx, GC_REASON);
	running = kind == BACKGROUND ? &runtime->running[1] : &runtime->running[0];
	running->started_ns = bpf_ktime_get_ns();
	running->number = number;
	running->reason = reason < REASON_OTHER ? reason : REASON_OTHER;
	running->kind = kind;
	return 0;
}

/* Find the collection that ends, and end it; what was not seen to begin has neither reason, kind nor duration. */
static ALWAYS_INLINE struct collection take_running(struct runtime *runtime, u32 number)
{
	struct collection none = { .reason = REASON_NOT_SEEN, .kind = KIND_NOT_SEEN }, found;
	struct collection *running = &runtime->running[0];

	if (!running->started_ns || running->number != number)
		running = &runtime->running[1];
	if (!running->started_ns || running->number != number)
		return none;
	found = *running;
	running->started_ns = 0;
	return found;
}

static ALWAYS_INLINE struct why *why_of(const struct why_key *key)
{
	struct why *why = bpf_map_lookup_elem(&collections, key);

	if (!why) {
		bpf_map_update_elem(&collections, key, &no_why, BPF_NOEXIST);
		why = bpf_map_lookup_elem(&collections, key);
	}
	return why;
}

static ALWAYS_INLINE void count_why(const struct runtime_key *runtime, const struct runtime *of, u32 generation,
				    const struct collection *ended)
{
	struct why_key key = { .runtime = *runtime, .generation = generation };
	u32 reason = ended->reason, kind = ended->kind;
	u64 elapsed = ended->started_ns ? bpf_ktime_get_ns() - ended->started_ns : 0;
	struct why *why;

	ETW_KEEP(reason);
	ETW_KEEP(kind);
	if (reason < REASONS)
		memcpy(key.reason, reasons[reason], WORD);
	if (kind < KINDS)
		memcpy(key.kind, kinds[kind], WORD);
	why = why_of(&key);
	if (!why)
		return;
	memcpy(why->name, of->name, PROCESS_NAME);
	why->count++;
	why->total_ns += elapsed;
	if (elapsed > why->longest_ns)
		why->longest_ns = elapsed;
}

SEC("etw/Microsoft-Windows-DotNETRuntime/GCEnd")
int on_gc_end(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	struct collection ended;
	struct runtime *runtime;
	struct totals *sum = all();
	u64 generation, number;

	if (bpf_etw_field_number(ctx, GC_COUNT, &number, sizeof(number)) ||
	    bpf_etw_field_number(ctx, GC_DEPTH, &generation, sizeof(generation)))
		return unreadable();
	runtime = runtime_of(&key);
	if (!runtime)
		return 0;
	ended = take_running(runtime, number);
	if (generation == 0)
		runtime->gen0++;
	else if (generation == 1)
		runtime->gen1++;
	else
		runtime->gen2++;
	if (ended.kind == BACKGROUND)
		runtime->background++;
	if (sum)
		sum->collections++;
	count_why(&key, runtime, generation, &ended);
	return 0;
}

SEC("etw/Microsoft-Windows-DotNETRuntime/GCHeapStats")
int on_heap(struct etw_context *ctx)
{
	struct runtime_key key = key_of(ctx);
	struct runtime *runtime;

	if (!ev_has_field(ctx, ETW_FIELD("GCHandleCount")))
		return unreadable();
	runtime = runtime_of(&key);
	if (!runtime)
		return 0;
	runtime->gen0_bytes = ev_field_u64(ctx, ETW_FIELD("GenerationSize0"));
	runtime->gen1_bytes = ev_field_u64(ctx, ETW_FIELD("GenerationSize1"));
	runtime->gen2_bytes = ev_field_u64(ctx, ETW_FIELD("GenerationSize2"));
	runtime->loh_bytes = ev_field_u64(ctx, ETW_FIELD("GenerationSize3"));
	runtime->poh_bytes = ev_field_u64(ctx, ETW_FIELD("GenerationSize4"));
	runtime->pinned = ev_field_u32(ctx, ETW_FIELD("PinnedObjectCount"));
	runtime->handles = ev_field_u32(ctx, ETW_FIELD("GCHandleCount"));
	runtime->heap_bytes = runtime->gen0_bytes + runtime->gen1_bytes + runtime->gen2_bytes + runtime->loh_bytes +
			      runtime->poh_bytes;
	if (runtime->heap_bytes > runtime->peak_bytes)
		runtime->peak_bytes = runtime->heap_bytes;
	return 0;
}

/* ---- allocations: one event for each 100 KB or so, with the type of the object that crossed the line ------------- */

static ALWAYS_INLINE struct type *type_of(const struct type_key *key)
{
	struct type *type = bpf_map_lookup_elem(&types, key);

	if (!type) {
		bpf_map_update_elem(&types, key, &no_type, BPF_NOEXIST);
		type = bpf_map_lookup_elem(&types, key);
	}
	return type;
}

SEC("etw/Microsoft-Windows-DotNETRuntime/GCAllocationTick")
int on_allocation(struct etw_context *ctx)
{
	struct type_key key = { .runtime = key_of(ctx) };
	struct totals *sum = all();
	struct runtime *runtime;
	struct type *type;
	u64 bytes;

	if (bpf_etw_field_number(ctx, ALLOCATION_AMOUNT64, &bytes, sizeof(bytes)) &&
	    bpf_etw_field_number(ctx, ALLOCATION_AMOUNT, &bytes, sizeof(bytes)))
		return unreadable();
	runtime = runtime_of(&key.runtime);
	if (!runtime)
		return 0;
	runtime->allocated_bytes += bytes;
	if (sum)
		sum->allocation_ticks++;
	ev_field_text(ctx, ALLOCATION_TYPENAME, key.type, TYPE_NAME);
	type = type_of(&key);
	if (!type)
		return 0;
	memcpy(type->name, runtime->name, PROCESS_NAME);
	type->samples++;
	type->bytes += bytes;
	type->large += !!ev_field_u32(ctx, ALLOCATION_KIND);
	return 0;
}

char _license[] SEC("license") = "MIT";
