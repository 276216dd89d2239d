// SPDX-License-Identifier: MIT
/* PowerShell on Windows: script blocks as they are compiled and run, commands, by process and user.
 *
 * Events: Microsoft-Windows-PowerShell. A script block (4104) may come in several parts; they are put together to one block
 * with its size and the begin of its text. PowerShell itself logs a block at level Warning if it finds it suspicious.
 * Commands (4103, 7937) say whose they are in a text of lines, ContextInfo, that is read from its end: what is before is
 * a command line and may hold anything. */
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

#define BLOCK_NUMBER ETW_FIELD("MessageNumber")
#define BLOCK_TOTAL ETW_FIELD("MessageTotal")
#define BLOCK_TEXT ETW_FIELD("ScriptBlockText")
#define BLOCK_ID ETW_FIELD("ScriptBlockId")
#define BLOCK_PATH ETW_FIELD("Path")

enum { LEVEL_WARNING = 3, TASK_COMMAND_START = 102 };
enum { COMMAND_HEALTH = 4100, PROVIDER_HEALTH = 4102, PIPELINE_DETAIL = 4103, COMMAND_LIFECYCLE = 7937 };

/* ContextInfo's last eight lines: Command Name, Command Type, Script Name, Command Path, Sequence Number, User, Connected
 * User, Shell ID. */
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

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

static ALWAYS_INLINE struct draft *new_draft(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&drafts, &zero);
}

static ALWAYS_INLINE int unreadable(void)
{
	struct totals *sum = all();

	if (sum)
		sum->unreadable++;
	return 0;
}

static ALWAYS_INLINE struct process *process_of(struct etw_context *ctx)
{
	struct process_id id = process_id_of(ctx->pid);
	struct process *process = bpf_map_lookup_elem(&processes, &id);

	if (!process) {
		bpf_map_update_elem(&processes, &id, &no_process, BPF_NOEXIST);
		process = bpf_map_lookup_elem(&processes, &id);
	}
	if (process)
		copy_process_name(process->name, ctx->pid);
	return process;
}

/* ---- script blocks ------------------------------------------------------------------------------------------- */

/* OpenTelemetry's SeverityNumber of an event's level: critical, error, warning, information, verbose. */
static ALWAYS_INLINE u32 severity_of(u32 level)
{
	return level == 1 ? 21 : level == 2 ? 17 : level == 3 ? 13 : level == 5 ? 5 : 9;
}

static ALWAYS_INLINE void send(const struct block *block)
{
	struct totals *sum = all();

	if (bpf_ringbuf_output(&blocks, (void *)block, sizeof(*block), 0) && sum)
		sum->dropped++;
}

static ALWAYS_INLINE struct script *script_of(const struct script_key *key)
{
	struct script *script = bpf_map_lookup_elem(&scripts, key);

	if (!script) {
		bpf_map_update_elem(&scripts, key, &no_script, BPF_NOEXIST);
		script = bpf_map_lookup_elem(&scripts, key);
	}
	return script;
}

static ALWAYS_INLINE void count_script(struct draft *draft, const struct block *block, u64 unix_ns)
{
	struct script *script;

	memcpy(draft->script.user, block->user, USER);
	memcpy(draft->script.path, block->path, PATH);
	script = script_of(&draft->script);
	if (!script)
		return;
	memcpy(script->name, block->name, PROCESS_NAME);
	script->blocks++;
	script->suspicious += block->suspicious;
	script->characters += block->characters;
	if (block->characters > script->largest)
		script->largest = block->characters;
	script->last_ns = unix_ns;
}

/* Count a block whose last part has come, and send it. */
static ALWAYS_INLINE void finish(struct etw_context *ctx, struct draft *draft, struct block *block,
				 struct process *process)
{
	struct totals *sum = all();

	block->suspicious = block->level && block->level <= LEVEL_WARNING;
	block->severity = severity_of(block->level);
	block->complete = block->parts == block->total;
	process->blocks++;
	process->suspicious += block->suspicious;
	process->characters += block->characters;
	process->incomplete += !block->complete;
	if (sum) {
		sum->blocks++;
		sum->suspicious += block->suspicious;
		sum->incomplete += !block->complete;
	}
	count_script(draft, block, ctx->time_ns);
	send(block);
}

static ALWAYS_INLINE void give_up(struct process *process)
{
	struct totals *sum = all();

	process->incomplete++;
	if (sum)
		sum->incomplete++;
}

/* A UTF-16 text's characters: the payload's bytes, whatever room there is for them here. */
static ALWAYS_INLINE u64 characters_of(struct etw_context *ctx)
{
	u8 first;
	long bytes = bpf_etw_field_bytes(ctx, BLOCK_TEXT, &first, sizeof(first));

	return bytes > 0 ? (u64)bytes / 2 : 0;
}

static ALWAYS_INLINE void begin(struct etw_context *ctx, struct block *block, struct process *process, u32 total)
{
	block->time_ns = bpf_ktime_get_ns();
	block->characters = 0;
	block->pid = ctx->pid;
	block->tid = ctx->tid;
	block->parts = 0;
	block->total = total ? total : 1;
	block->level = ctx->level;
	block->severity = 0;
	block->suspicious = 0;
	block->complete = 0;
	memcpy(block->name, process->name, PROCESS_NAME);
	memcpy(block->user, process->user, USER);
	ev_field_text(ctx, BLOCK_ID, block->id, ID);
	ev_field_text(ctx, BLOCK_PATH, block->path, PATH);
	ev_field_text(ctx, BLOCK_TEXT, block->text, TEXT);
}

static ALWAYS_INLINE void add_part(struct etw_context *ctx, struct block *block)
{
	block->parts++;
	block->characters += characters_of(ctx);
	if (ctx->level && (!block->level || ctx->level < block->level))
		block->level = ctx->level;
}

static ALWAYS_INLINE bool same_id(struct etw_context *ctx, const struct block *block)
{
	char id[ID];
	u64 different = 0;

	ev_field_text(ctx, BLOCK_ID, id, ID);
	for (u32 i = 0; i < ID / 8; i++)
		different |= ((const u64 *)id)[i] ^ ((const u64 *)block->id)[i];
	return !different;
}

SEC("etw/Microsoft-Windows-PowerShell/ScriptBlock_Compile_Detail")
int on_block(struct etw_context *ctx)
{
	struct thread_key thread = { .process = process_id_of(ctx->pid), .tid = ctx->tid };
	struct block *known = bpf_map_lookup_elem(&unfinished, &thread);
	struct draft *draft = new_draft();
	struct process *process;
	struct totals *sum = all();
	u64 number, total;

	if (!draft || bpf_etw_field_number(ctx, BLOCK_NUMBER, &number, sizeof(number)) ||
	    bpf_etw_field_number(ctx, BLOCK_TOTAL, &total, sizeof(total)) || !ev_has_field(ctx, BLOCK_ID))
		return unreadable();
	process = process_of(ctx);
	if (!process)
		return 0;
	if (sum)
		sum->parts++;
	if (known && (number <= 1 || !same_id(ctx, known))) {
		give_up(process);
		bpf_map_delete_elem(&unfinished, &thread);
		known = NULL;
	}
	if (known) {
		add_part(ctx, known);
		if (number >= total) {
			finish(ctx, draft, known, process);
			bpf_map_delete_elem(&unfinished, &thread);
		}
		return 0;
	}
	begin(ctx, &draft->block, process, total);
	add_part(ctx, &draft->block);
	if (number >= total || bpf_map_update_elem(&unfinished, &thread, &draft->block, BPF_ANY))
		finish(ctx, draft, &draft->block, process);
	return 0;
}

SEC("etw/Microsoft-Windows-PowerShell/ScriptBlock_Invoke_Start_Detail")
int on_run(struct etw_context *ctx)
{
	struct run_key key = { .thread = { .process = process_id_of(ctx->pid), .tid = ctx->tid } };
	struct running first = { .started_ns = bpf_ktime_get_ns(), .depth = 1 }, *known;
	struct process *process;

	if (ev_field_text(ctx, BLOCK_ID, key.id, ID) <= 1)
		return unreadable();
	process = process_of(ctx);
	if (process)
		process->runs++;
	known = bpf_map_lookup_elem(&running, &key);
	if (known)
		known->depth++;
	else
		bpf_map_update_elem(&running, &key, &first, BPF_ANY);
	return 0;
}

SEC("etw/Microsoft-Windows-PowerShell/ScriptBlock_Invoke_Complete_Detail")
int on_ran(struct etw_context *ctx)
{
	struct run_key key = { .thread = { .process = process_id_of(ctx->pid), .tid = ctx->tid } };
	struct running *known;
	struct process *process;
	u64 elapsed;

	if (ev_field_text(ctx, BLOCK_ID, key.id, ID) <= 1)
		return unreadable();
	known = bpf_map_lookup_elem(&running, &key);
	if (!known)
		return 0;			/* it began before the recording */
	if (known->depth > 1) {
		known->depth--;
		return 0;
	}
	elapsed = bpf_ktime_get_ns() - known->started_ns;
	bpf_map_delete_elem(&running, &key);
	process = process_of(ctx);
	if (!process)
		return 0;
	process->run_ns += elapsed;
	log2_add(process->run, RUN_SLOTS, elapsed);
	return 0;
}

/* ---- commands ------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE u32 character(struct etw_context *ctx, u32 at)
{
	const u8 *place;

	if (at >= LONGEST_CONTEXT)
		return 0;
	place = ctx->data + 2 * (u64)at;
	return place + 2 <= ctx->data_end ? etw_u16(place) : 0;
}

/* Find the last lines of the context, which is the first text of the payload. Returns where the first of them begins, or
 * LONGEST_CONTEXT if there are not as many. */
static ALWAYS_INLINE u32 find_last_lines(struct etw_context *ctx, u32 *begins)
{
	u32 count = 1;

	begins[0] = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0;; i++) {
		u32 c;

		ETW_KEEP(i);
		c = character(ctx, i);
		if (!c)
			break;
		if (c == '\n') {
			begins[count & (LINES - 1)] = i + 1;
			count++;
		}
	}
	/* The last line has an end, so an empty one would begin behind it. */
	return count > LAST_LINES ? begins[(count - 1 - LAST_LINES) & (LINES - 1)] : LONGEST_CONTEXT;
}

/* Copy a value into less room: cut, and ended. */
static ALWAYS_INLINE void copy_value(char *to, const char *value, u32 size)
{
	memcpy(to, value, size);
	to[size - 1] = 0;
}

/* A character as UTF-8, its first byte lowest; half a surrogate pair becomes '?'. */
static ALWAYS_INLINE u32 utf8(u32 c)
{
	if (c < 0x80)
		return c;
	if (c < 0x800)
		return (0xc0 | c >> 6) | (0x80 | (c & 63)) << 8;
	if (c >= 0xd800 && c < 0xe000)
		return '?';
	return (0xe0 | c >> 12) | (0x80 | (c >> 6 & 63)) << 8 | (0x80 | (c & 63)) << 16;
}

/* Copy what is behind "NAME = " in each of the lines from `at` on, as far as there is room. `values` is zeroed before. */
static ALWAYS_INLINE void copy_values(struct etw_context *ctx, u32 at, char (*values)[VALUE])
{
	u32 line = 0, used = 0, behind = 0;

#pragma clang loop unroll(disable)
	for (u32 i = at;; i++) {
		u32 c, bytes;

		ETW_KEEP(i);
		ETW_KEEP(used);
		c = character(ctx, i);
		if (!c)
			break;
		if (c == '\n') {
			line++;
			used = 0;
			behind = 0;
			continue;
		}
		if (behind < 2) {
			behind = behind ? 2 : c == '=';		/* the blank behind it goes as well */
			continue;
		}
		if (c == '\r' || used > VALUE - 4)
			continue;
		bytes = utf8(c);
		memcpy(&values[line & (LAST_LINES - 1)][used], &bytes, sizeof(bytes));
		used += bytes < 0x100 ? 1 : bytes < 0x10000 ? 2 : 3;
	}
}

/* Read whose the event is, and of which command it tells. Returns false if the context is not one. */
static ALWAYS_INLINE bool read_context(struct etw_context *ctx, struct draft *draft, struct process *process)
{
	u32 first = find_last_lines(ctx, draft->begins);

	if (first >= LONGEST_CONTEXT)
		return false;
	memset(draft->values, 0, sizeof(draft->values));
	copy_values(ctx, first, draft->values);
	copy_value(process->user, draft->values[LINE_USER], USER);
	return true;
}

static ALWAYS_INLINE struct command *command_of(const struct command_key *key)
{
	struct command *command = bpf_map_lookup_elem(&commands, key);

	if (!command) {
		bpf_map_update_elem(&commands, key, &no_command, BPF_NOEXIST);
		command = bpf_map_lookup_elem(&commands, key);
	}
	return command;
}

/* Find the command that an event tells of, with what is known of its process. */
static ALWAYS_INLINE struct command *tell_command(struct etw_context *ctx, struct draft *draft,
						  const struct process *process)
{
	struct command *command;

	memcpy(draft->command.user, process->user, USER);
	copy_value(draft->command.command, draft->values[LINE_COMMAND], COMMAND);
	copy_value(draft->command.type, draft->values[LINE_TYPE], TYPE);
	command = command_of(&draft->command);
	if (!command)
		return NULL;
	memcpy(command->name, process->name, PROCESS_NAME);
	memcpy(command->script, draft->values[LINE_SCRIPT], PATH);
	command->last_ns = ctx->time_ns;
	return command;
}

static ALWAYS_INLINE void count_start(struct process *process, struct command *command)
{
	struct totals *sum = all();

	process->commands++;
	if (sum)
		sum->commands++;
	if (command)
		command->started++;
}

/* Whatever has a ContextInfo. Command Lifecycle: a command starts, or stops. Pipeline Detail: what commands did, with their
 * parameters, of modules for which that is switched on. Health: errors of commands, of the engine, of providers.
 * Engine and Provider Lifecycle: they come and go, and say whose the process is. */
SEC("etw/Microsoft-Windows-PowerShell/Command_Lifecycle")
int on_command(struct etw_context *ctx)
{
	struct process *process = process_of(ctx);
	struct draft *draft = new_draft();
	bool starts = ctx->id == COMMAND_LIFECYCLE && ctx->task == TASK_COMMAND_START;
	struct command *command;

	if (!draft || !process)
		return 0;
	if (ctx->id >= COMMAND_HEALTH && ctx->id <= PROVIDER_HEALTH)
		process->failures++;
	if (!read_context(ctx, draft, process))
		return unreadable();
	if (!starts && ctx->id != PIPELINE_DETAIL)
		return 0;
	command = tell_command(ctx, draft, process);
	if (starts)
		count_start(process, command);
	else if (command)
		command->logged++;
	return 0;
}

char _license[] SEC("license") = "MIT";
