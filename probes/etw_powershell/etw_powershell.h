// SPDX-License-Identifier: MIT
/* What etw_powershell keeps: of processes, scripts and commands, and script blocks while their parts come. */
#ifndef ETW_POWERSHELL_H
#define ETW_POWERSHELL_H

#include "tracerd_etw_process.h"

#define USER 48
#define PATH 128
#define COMMAND 64
#define TYPE 24
#define TEXT 512
#define ID 40				/* of a GUID: 36 characters */
#define RUN_SLOTS 40			/* 2^40 ns: 18 minutes */
#define VALUE 128			/* bytes of one in ContextInfo, at least as many as any of the above */
#define LONGEST_CONTEXT 32768		/* characters: an event is smaller than 64 KiB */

/* ContextInfo's last eight lines: Command Name, Command Type, Script Name, Command Path, Sequence Number, User,
 * Connected User, Shell ID. */
enum { LINE_COMMAND = 0, LINE_TYPE = 1, LINE_SCRIPT = 2, LINE_USER = 5, LAST_LINES = 8, LINES = 16 };

struct process {
	char name[PROCESS_NAME];
	char user[USER];		/* of its last command; empty: none was logged */
	u64 blocks;			/* script blocks compiled */
	u64 suspicious;			/* of them, found suspicious by PowerShell */
	u64 characters;			/* of their texts */
	u64 incomplete;			/* blocks whose last part did not come, or with parts missing */
	u64 runs;			/* script blocks started, if that is logged */
	u64 commands;			/* started */
	u64 failures;			/* errors of commands, engine, providers */
	u64 run_ns;
	u32 run[RUN_SLOTS];
};

struct script_key {
	char user[USER];
	char path[PATH];		/* empty: typed, or made by a program */
};

struct script {
	char name[PROCESS_NAME];	/* of the process that compiled it last */
	u64 blocks;
	u64 suspicious;
	u64 characters;
	u64 largest;
	u64 last_ns;			/* unix time */
};

struct command_key {
	char user[USER];
	char command[COMMAND];		/* empty: a script */
	char type[TYPE];		/* Cmdlet, Function, Script, Application … */
};

struct command {
	char name[PROCESS_NAME];
	char script[PATH];		/* that it was called in last; empty: none */
	u64 started;
	u64 logged;			/* with parameters (4103) */
	u64 last_ns;
};

/* A script block, while its parts come: PowerShell writes them one after the other, from one thread. */
struct block {
	u64 time_ns;			/* of its first part, on the clock of bpf_ktime_get_ns() */
	u64 characters;
	u32 pid;
	u32 tid;
	u32 parts;			/* that came */
	u32 total;
	u32 level;			/* the most severe of its parts */
	u32 severity;			/* the same as OpenTelemetry's SeverityNumber */
	u32 suspicious;
	u32 complete;
	char id[ID];
	char name[PROCESS_NAME];
	char user[USER];
	char path[PATH];
	char text[TEXT];		/* its begin */
};

struct thread_key {
	struct process_id process;
	u32 tid;
};

struct run_key {
	struct thread_key thread;
	char id[ID];
};

struct running {
	u64 started_ns;
	u64 depth;			/* a script block that calls itself is one run */
};

struct totals {
	u64 blocks;
	u64 parts;
	u64 suspicious;
	u64 incomplete;
	u64 commands;
	u64 dropped;			/* records that found no room in the ring */
	u64 unreadable;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct process_id);
	__type(value, struct process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct script_key);
	__type(value, struct script);
} scripts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct command_key);
	__type(value, struct command);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct thread_key);
	__type(value, struct block);
} unfinished SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct run_key);
	__type(value, struct running);
} running SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
	__type(value, struct block);
} blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

/* Where a block, a key or a list of values is put together: too large for the stack. */
struct draft {
	struct block block;
	struct script_key script;
	struct command_key command;
	u32 begins[LINES];
	char values[LAST_LINES][VALUE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct draft);
} drafts SEC(".maps");

const struct process no_process = {};
const struct script no_script = {};
const struct command no_command = {};

#endif
