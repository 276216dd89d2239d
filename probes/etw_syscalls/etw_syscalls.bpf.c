// SPDX-License-Identifier: MIT
/* System calls of Windows, from the kernel's own events: how many, of which thread and process, how long, which errors.
 *
 * SysClEnter has the address of a kernel function and nothing else, SysClExit a status and nothing else: no number, no
 * arguments, no symbol, no thread. Which thread it is comes from thread switches (CSwitch) on the event's CPU; which
 * module an address is in, from image events. What is not known is counted as such, never guessed. */
#include "tracerd_etw_process.h"

#define LATENCY_SLOTS 40		/* 2^40 ns: 18 minutes */
#define MODULE_NAME 24
#define MODULES 16

#define THREAD_TTHREADID ETW_FIELD("TThreadId")
#define IMAGE_BASE ETW_FIELD("ImageBase")
#define IMAGE_SIZE ETW_FIELD("ImageSize")
#define IMAGE_FILENAME ETW_FIELD("FileName")

struct called {				/* what is counted of anything that calls */
	u64 calls;
	u64 returns;			/* of them, seen to return in the same thread */
	u64 errors;			/* of these, with an NTSTATUS of severity error */
	u64 total_ns;
	u32 latency[LATENCY_SLOTS];
};

struct process {
	char name[PROCESS_NAME];
	struct called called;
};

struct thread_key {
	struct process_id process;
	u32 tid;
};

struct thread {
	char name[PROCESS_NAME];
	u64 calls;
	u64 total_ns;
};

struct function {
	char module[MODULE_NAME];	/* empty: not known */
	u64 offset;			/* in its module; the address if that is not known */
	u64 modules;			/* totals.modules when it was looked for last */
	u32 resolved;
	u32 not_status;			/* of win32k: what it returns is no NTSTATUS */
	struct called called;
};

struct status_key {
	struct process_id process;
	u32 status;
};

struct status {
	char name[PROCESS_NAME];
	char module[MODULE_NAME];	/* of the function that returned it last */
	u64 offset;
	u64 count;
};

/* A kernel module whose functions are system calls: there are six or so on any machine. */
struct module {
	u64 base;			/* 0: none */
	u64 size;
	u32 not_status;
	char name[MODULE_NAME];
};

struct call {
	u64 time_ns;
	u64 address;
};

struct totals {
	u64 calls;
	u64 returns;			/* exits that belong to a call */
	u64 unattributed;		/* calls of a thread that is not known */
	u64 unmatched;			/* exits without their call, or of a thread that is not known */
	u64 unresolved;			/* calls of functions whose module is not known */
	u64 unreadable;
	u64 modules;			/* times that one became known */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct process_id);
	__type(value, struct process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct thread_key);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct function);
} functions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct status_key);
	__type(value, struct status);
} errors SEC(".maps");

/* The call that a thread is in. One that it makes while the kernel calls it back takes its place. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct call);
} in_flight SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MODULES);
	__type(key, u32);
	__type(value, struct module);
} modules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

const struct process no_process = {};
const struct thread no_thread = {};
const struct function no_function = {};
const struct status no_status = {};

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

/* ---- which module an address is in --------------------------------------------------------------------------- */

static ALWAYS_INLINE bool starts_with(const char *name, const char *prefix, u32 length)
{
	for (u32 i = 0; i < length; i++) {
		char c = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i];

		if (c != prefix[i])
			return false;
	}
	return true;
}

/* The module of a base, or one that is free; NULL: there are too many. */
static ALWAYS_INLINE struct module *module_at(u64 base)
{
	struct module *free = NULL;

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MODULES; i++) {
		u32 place = i;
		struct module *module = bpf_map_lookup_elem(&modules, &place);

		if (!module)
			return NULL;
		if (module->base == base)
			return module;
		if (!module->base)
			free = module;
	}
	return free;
}

static ALWAYS_INLINE const struct module *module_of(u64 address)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MODULES; i++) {
		u32 place = i;
		const struct module *module = bpf_map_lookup_elem(&modules, &place);

		if (!module)
			return NULL;
		if (module->base && address - module->base < module->size)
			return module;
	}
	return NULL;
}

/* Look for a function's module again only when another one has become known. */
static ALWAYS_INLINE void resolve(struct function *function, u64 address, const struct totals *sum)
{
	const struct module *module;

	if (function->resolved || function->modules == sum->modules)
		return;
	function->modules = sum->modules;
	module = module_of(address);
	if (!module)
		return;
	function->resolved = 1;
	function->not_status = module->not_status;
	function->offset = address - module->base;
	memcpy(function->module, module->name, MODULE_NAME);
}

/* Images of the kernel itself and of win32k*.sys; those of programs have other addresses, drivers no system calls. */
SEC("etw-kernel/Image")
int on_image(struct etw_context *ctx)
{
	u64 lowest = ctx->pointer_size == 8 ? 0xffff800000000000ull : 0x80000000ull;
	struct totals *sum = all();
	struct module *module;
	char name[MODULE_NAME];
	u64 base, size;

	if (bpf_etw_field_number(ctx, IMAGE_BASE, &base, sizeof(base)) || base < lowest)
		return 0;
	if (bpf_etw_field_number(ctx, IMAGE_SIZE, &size, sizeof(size)) || !sum)
		return 0;
	ev_field_file(ctx, IMAGE_FILENAME, name, sizeof(name));
	if (!starts_with(name, "ntoskrnl", 8) && !starts_with(name, "ntkrn", 5) && !starts_with(name, "win32k", 6))
		return 0;
	module = module_at(base);
	if (!module)
		return 0;
	sum->modules += module->base != base;
	module->not_status = starts_with(name, "win32k", 6);
	module->size = size;
	module->base = base;
	memcpy(module->name, name, MODULE_NAME);
	return 0;
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE struct function *function_of(u64 address)
{
	struct function *function = bpf_map_lookup_elem(&functions, &address);

	if (function)
		return function;
	bpf_map_update_elem(&functions, &address, &no_function, BPF_NOEXIST);
	function = bpf_map_lookup_elem(&functions, &address);
	if (function)
		function->offset = address;
	return function;
}

/* What is called by whom nothing told of is one row: the sum of all rows is the number of calls. */
static ALWAYS_INLINE struct process *process_of(const struct process_id *id)
{
	struct process *process = bpf_map_lookup_elem(&processes, id);

	if (!process) {
		bpf_map_update_elem(&processes, id, &no_process, BPF_NOEXIST);
		process = bpf_map_lookup_elem(&processes, id);
	}
	if (process && !process->name[0])
		copy_process_name(process->name, id->pid);
	return process;
}

static ALWAYS_INLINE struct thread *thread_of(const struct process_id *id, u32 tid)
{
	struct thread_key key = { .process = *id, .tid = tid };
	struct thread *thread = bpf_map_lookup_elem(&threads, &key);

	if (!thread) {
		bpf_map_update_elem(&threads, &key, &no_thread, BPF_NOEXIST);
		thread = bpf_map_lookup_elem(&threads, &key);
	}
	return thread;
}

static ALWAYS_INLINE void remember(u32 tid, u64 address)
{
	struct call call = { .time_ns = bpf_ktime_get_ns(), .address = address };
	struct call *known = bpf_map_lookup_elem(&in_flight, &tid);

	if (known)
		*known = call;
	else
		bpf_map_update_elem(&in_flight, &tid, &call, BPF_ANY);
}

static ALWAYS_INLINE void count_caller(const struct process_id *id, u32 tid)
{
	struct process *process = process_of(id);
	struct thread *thread = thread_of(id, tid);

	if (process)
		process->called.calls++;
	if (!thread)
		return;
	thread->calls++;
	if (process)
		memcpy(thread->name, process->name, PROCESS_NAME);
}

/* A pointer and nothing else: read in place, as there may be millions of these. */
SEC("etw-kernel/PerfInfo/SysClEnter")
int on_enter(struct etw_context *ctx)
{
	const u8 *data = ctx->data, *end = ctx->data_end;
	struct process_id id = process_id_of(ctx->pid);
	struct totals *sum = all();
	struct function *function;
	u64 address;

	if (!sum)
		return 0;
	if (ctx->pointer_size == 8 && data + 8 <= end) {
		address = etw_u64(data);
	} else if (ctx->pointer_size == 4 && data + 4 <= end) {
		address = etw_u32(data);
	} else {
		sum->unreadable++;
		return 0;
	}
	sum->calls++;
	function = function_of(address);
	if (function) {
		function->called.calls++;
		resolve(function, address, sum);
	}
	sum->unresolved += !function || !function->resolved;
	count_caller(&id, ctx->tid);
	if (ctx->tid == ETW_NO_TASK)
		sum->unattributed++;
	else
		remember(ctx->tid, address);
	return 0;
}

static ALWAYS_INLINE void count_return(struct called *called, u64 elapsed, bool failed)
{
	called->returns++;
	called->errors += failed;
	called->total_ns += elapsed;
	log2_add(called->latency, LATENCY_SLOTS, elapsed);
}

static ALWAYS_INLINE void count_error(const struct process_id *id, const struct process *process, u32 number,
				      const struct function *function)
{
	struct status_key key = { .process = *id, .status = number };
	struct status *status = bpf_map_lookup_elem(&errors, &key);

	if (!status) {
		bpf_map_update_elem(&errors, &key, &no_status, BPF_NOEXIST);
		status = bpf_map_lookup_elem(&errors, &key);
	}
	if (!status)
		return;
	status->count++;
	status->offset = function->offset;
	memcpy(status->module, function->module, MODULE_NAME);
	if (process)
		memcpy(status->name, process->name, PROCESS_NAME);
}

static ALWAYS_INLINE void end_call(struct etw_context *ctx, const struct call *call, u32 status)
{
	struct process_id id = process_id_of(ctx->pid);
	struct function *function = function_of(call->address);
	struct process *process = process_of(&id);
	struct thread *thread = thread_of(&id, ctx->tid);
	u64 elapsed = bpf_ktime_get_ns() - call->time_ns;
	bool failed = status >> 30 == 3 && function && !function->not_status;

	if (function)
		count_return(&function->called, elapsed, failed);
	if (process)
		count_return(&process->called, elapsed, failed);
	if (thread)
		thread->total_ns += elapsed;
	if (failed)
		count_error(&id, process, status, function);
}

/* A status and nothing else: whose it is, says the thread that runs. */
SEC("etw-kernel/PerfInfo/SysClExit")
int on_exit(struct etw_context *ctx)
{
	const u8 *data = ctx->data;
	u32 tid = ctx->tid;
	struct totals *sum = all();
	struct call *call;

	if (!sum)
		return 0;
	if (data + 4 > ctx->data_end) {
		sum->unreadable++;
		return 0;
	}
	call = tid == ETW_NO_TASK ? NULL : bpf_map_lookup_elem(&in_flight, &tid);
	if (!call || !call->time_ns) {
		sum->unmatched++;
		return 0;
	}
	sum->returns++;
	end_call(ctx, call, etw_u32(data));
	call->time_ns = 0;
	return 0;
}

SEC("etw-kernel/Thread/End")
int on_thread_end(struct etw_context *ctx)
{
	u32 tid = ev_field_u32(ctx, THREAD_TTHREADID);

	bpf_map_delete_elem(&in_flight, &tid);
	return 0;
}

char _license[] SEC("license") = "MIT";
