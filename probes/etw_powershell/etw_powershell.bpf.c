// SPDX-License-Identifier: MIT
/* PowerShell on Windows: script blocks as they are compiled and run, commands, by process and user.
 *
 * Events: Microsoft-Windows-PowerShell, and PowerShellCore (PowerShell 6 and 7), which has the same. A script block
 * (4104) may come in several parts; they are put together to one block with its size and the begin of its text.
 * PowerShell itself logs a block at level Warning if it finds it suspicious. Commands (4103, 7937) say whose they are in a text of lines, ContextInfo. */
#include "context_info.h"

#define BLOCK_NUMBER ETW_FIELD("MessageNumber")
#define BLOCK_TOTAL ETW_FIELD("MessageTotal")
#define BLOCK_TEXT ETW_FIELD("ScriptBlockText")
#define BLOCK_ID ETW_FIELD("ScriptBlockId")
#define BLOCK_PATH ETW_FIELD("Path")

enum { LEVEL_WARNING = 3, TASK_COMMAND_START = 102 };
enum { COMMAND_HEALTH = 4100, PROVIDER_HEALTH = 4102, PIPELINE_DETAIL = 4103, COMMAND_LIFECYCLE = 7937 };

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

/* Whatever has a ContextInfo. Command Lifecycle: a command starts, or stops. Pipeline Detail: what commands did, with
 * their parameters, of modules for which that is switched on. Health: errors of commands, of the engine, of providers.
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
