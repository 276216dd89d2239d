// SPDX-License-Identifier: MIT
/* What etw_gc keeps: a runtime's pauses and heap, its collections by reason, its allocations by type. */
#ifndef ETW_GC_H
#define ETW_GC_H

#include "tracerd_etw_process.h"

#define PAUSE_SLOTS 36			/* 2^36 ns: 69 s */
#define WORD 24
#define TYPE_NAME 96
#define COMMAND_LINE 256
#define DLL 32

struct runtime_key {
	struct process_id process;
	u32 instance;			/* ClrInstanceID; 0 before .NET Framework 4 */
	u32 restarts;			/* runtimes that said they start under one process id, with no end of a process seen */
};

struct collection {			/* under way */
	u64 started_ns;			/* 0: none */
	u32 number;
	u16 reason;			/* place in `reasons` */
	u16 kind;			/* place in `kinds` */
};

struct runtime {
	char name[PROCESS_NAME];
	u64 gen0;
	u64 gen1;
	u64 gen2;
	u64 background;			/* of gen2: run beside the program */
	u64 pauses;
	u64 paused_ns;
	u64 longest_ns;
	u64 stopping_ns;		/* of paused_ns: until all threads had stopped */
	u64 unmatched;			/* suspensions of which only begin or end was seen */
	u64 other_stops;		/* for a debugger, a shutdown … */
	u64 heap_bytes;			/* after the last collection */
	u64 peak_bytes;
	u64 gen0_bytes;
	u64 gen1_bytes;
	u64 gen2_bytes;
	u64 loh_bytes;			/* large objects */
	u64 poh_bytes;			/* pinned objects; .NET 5 and later */
	u64 pinned;
	u64 handles;
	u64 allocated_bytes;
	u64 suspend_ns;			/* begin of the suspension that is under way; 0: none */
	u32 suspend_reason;
	u32 announced;			/* it said that it starts */
	struct collection running[2];	/* a background one and one beside it, or one alone */
	char dll[DLL];			/* the runtime's file: clr.dll, coreclr.dll; of a bundled one, the program's */
	u32 pause[PAUSE_SLOTS];
};

struct why_key {
	struct runtime_key runtime;
	u32 generation;
	u32 reserved;
	char reason[WORD];
	char kind[WORD];
};

struct why {
	char name[PROCESS_NAME];
	u64 count;
	u64 total_ns;			/* of those that were seen to begin */
	u64 longest_ns;
};

struct type_key {
	struct runtime_key runtime;
	char type[TYPE_NAME];		/* cut; empty: the event has none */
};

struct type {
	char name[PROCESS_NAME];
	u64 samples;			/* allocation ticks */
	u64 bytes;
	u64 large;			/* of samples: large or pinned objects */
};

struct totals {
	u64 collections;
	u64 allocation_ticks;
	u64 unmatched;
	u64 other_stops;
	u64 unreadable;			/* events that say less than what they are counted by */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct runtime_key);
	__type(value, struct runtime);
} runtimes SEC(".maps");

/* How often a runtime of this process and instance started anew. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct runtime_key);
	__type(value, u32);
} restarts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct why_key);
	__type(value, struct why);
} collections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct type_key);
	__type(value, struct type);
} types SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, char[COMMAND_LINE]);
} lines SEC(".maps");

const struct runtime no_runtime = {};
const struct why no_why = {};
const struct type no_type = {};

/* GCReasonMap and the runtime's gcinterface.h (gc_reason), without "reason_". */
#define REASONS 20
const char reasons[REASONS][WORD] = {
	"AllocSmall", "Induced", "LowMemory", "Empty", "AllocLarge", "OutOfSpaceSOH", "OutOfSpaceLOH", "InducedNoForce",
	"Stress", "InducedLowMemory", "InducedCompacting", "LowMemoryHost", "PMFullGC", "LowMemoryHostBlocking",
	"BgcTuningSOH", "BgcTuningLOH", "BgcStepping", "InducedAggressive", "other", "",
};
#define KINDS 4
const char kinds[KINDS][WORD] = { "blocking", "background", "foreground", "" };

enum { REASON_OTHER = REASONS - 2, REASON_NOT_SEEN = REASONS - 1, KIND_NOT_SEEN = KINDS - 1 };

#endif
