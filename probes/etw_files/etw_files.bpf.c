// SPDX-License-Identifier: MIT
/* File operations of a Windows machine: how many, how much, how long, how many failed, by process and by file.
 *
 * Events: Microsoft-Windows-Kernel-File and the classic kernel classes FileIo and DiskIo, of every version. An
 * operation begins with its own event and ends with OperationEnd, which has its status and how much was moved; the
 * request's address (Irp) is in both. Names are told when a file is opened, and by NameCreate (Name, FileCreate), by
 * file object or file key.
 */
#include "etw_files.h"

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE struct totals *all(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

static ALWAYS_INLINE struct operations *operations_of(const struct operation_key *key, struct totals *sum)
{
	struct operations *found = bpf_map_lookup_elem(&operations, key);

	if (found)
		return found;
	if (bpf_map_update_elem(&operations, key, &no_operations, BPF_NOEXIST))
		sum->refused++;
	return bpf_map_lookup_elem(&operations, key);
}

static ALWAYS_INLINE const struct file_name *name_of(const struct request *request)
{
	const struct file_name *name = NULL;

	if (request->file_key)
		name = bpf_map_lookup_elem(&file_names, &request->file_key);
	return name ? name : bpf_map_lookup_elem(&file_names, &request->object);
}

static ALWAYS_INLINE struct file *file_of(const struct request *request, struct totals *sum)
{
	const struct file_name *name = name_of(request);
	struct file *found;

	if (!name)
		return NULL;
	found = bpf_map_lookup_elem(&files, name);
	if (found)
		return found;
	if (bpf_map_update_elem(&files, name, &no_file, BPF_NOEXIST))
		sum->refused++;
	return bpf_map_lookup_elem(&files, name);
}

/* Remember a name: of a file object, which the next file may have when it is closed, or of a file key. */
static ALWAYS_INLINE void note_name(struct etw_context *ctx, u64 at, u32 field, struct totals *sum)
{
	struct file_name name;

	if (ev_field_text(ctx, field, name.path, PATH) <= 1)
		return;
	ev_field_file(ctx, field, name.file, FILE);
	if (bpf_map_update_elem(&file_names, &at, &name, BPF_ANY))
		sum->refused++;
}

static ALWAYS_INLINE void forget_name(u64 at)
{
	bpf_map_delete_elem(&file_names, &at);
}

static ALWAYS_INLINE s32 process_of_thread(u32 tid, u32 otherwise)
{
	const u32 *pid = bpf_map_lookup_elem(&threads, &tid);

	return pid ? *pid : otherwise;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void count_begin(const struct request *request, struct totals *sum)
{
	struct operations *found = operations_of(&request->key, sum);
	struct file *file = file_of(request, sum);
	enum operation operation = request->key.operation;

	if (found) {
		found->count++;
		found->asked_bytes += request->asked;
		copy_process_name(found->process, request->key.pid);
	}
	if (!file) {
		sum->unnamed += operation == read || operation == write;
		return;
	}
	file->opens += operation == open;
	file->reads += operation == read;
	file->writes += operation == write;
}

/* DeletePath, RenamePath, SetLinkPath and CreateNewFile are told beside another event of the same request. */
static ALWAYS_INLINE bool is_told_already(const struct request *before, const struct request *now)
{
	return before && before->object == now->object && (before->by_path || now->by_path);
}

/* Remember a request until its end. */
static ALWAYS_INLINE void await_end(const struct request_key *key, const struct request *request, bool again,
				    struct totals *sum)
{
	sum->begins++;
	sum->unmatched_begins += again;
	sum->open += !again;
	if (bpf_map_update_elem(&requests, key, request, BPF_ANY)) {
		sum->refused++;
		sum->open--;
	}
}

static ALWAYS_INLINE void begin(u64 irp, struct request *request, struct totals *sum)
{
	struct request_key key = { .irp = irp };
	struct request *before = bpf_map_lookup_elem(&requests, &key);

	request->begin_ns = bpf_ktime_get_ns();
	request->key.reuse = process_id_of(request->key.pid).reuse;
	if (!is_told_already(before, request)) {
		count_begin(request, sum);
		await_end(&key, request, before != NULL, sum);
	} else if (before->key.operation != request->key.operation) {
		count_begin(request, sum);
	}
}

static ALWAYS_INLINE bool is_error(u32 status)
{
	return status >> 30 == 3;	/* MS-ERREF 2.3: warnings, as "no more files", are none */
}

static ALWAYS_INLINE void count_error(const struct request *request, u32 status, struct totals *sum)
{
	struct error_key key = {
		.pid = request->key.pid, .reuse = request->key.reuse, .operation = request->key.operation,
		.status = status,
	};
	struct errors one = { .count = 1 };
	struct errors *found = bpf_map_lookup_elem(&errors, &key);

	if (found) {
		found->count++;
		return;
	}
	copy_process_name(one.process, key.pid);
	if (bpf_map_update_elem(&errors, &key, &one, BPF_NOEXIST))
		sum->refused++;
}

static ALWAYS_INLINE void count_latency(struct operations *found, u64 latency)
{
	found->total_ns += latency;
	log2_add(found->latency, LATENCY_SLOTS, latency);
}

static ALWAYS_INLINE void count_end(const struct request *request, u64 latency, u32 status, u64 bytes,
				    struct totals *sum)
{
	struct operations *found = operations_of(&request->key, sum);
	struct file *file = file_of(request, sum);
	enum operation operation = request->key.operation;

	if (is_error(status))
		count_error(request, status, sum);
	if (found) {
		found->errors += is_error(status);
		found->bytes += bytes;
		if (latency != NO_LATENCY)
			count_latency(found, latency);
	}
	if (file) {
		file->errors += is_error(status);
		file->read_bytes += operation == read ? bytes : 0;
		file->written_bytes += operation == write ? bytes : 0;
		file->total_ns += latency != NO_LATENCY && operation < disk_read ? latency : 0;
	}
}

/* Take a request that has begun; returns the time since then, or NO_LATENCY if it was not seen to begin. */
static ALWAYS_INLINE u64 take(const struct request_key *key, struct request *to, struct totals *sum)
{
	struct request *begun = bpf_map_lookup_elem(&requests, key);

	if (!begun) {
		sum->unmatched_ends++;
		return NO_LATENCY;
	}
	*to = *begun;
	bpf_map_delete_elem(&requests, key);
	sum->ends++;
	sum->open--;
	return bpf_ktime_get_ns() - to->begin_ns;
}

/* `moved` is what the end says was moved, where the operation moves anything: never more than was asked for. */
static ALWAYS_INLINE void end(u64 irp, u32 status, u64 moved, struct totals *sum)
{
	struct request_key key = { .irp = irp };
	struct request request;
	u64 latency = take(&key, &request, sum);

	if (latency == NO_LATENCY)
		return;
	if (is_error(status))
		moved = 0;
	count_end(&request, latency, status, moved < request.asked ? moved : request.asked, sum);
}

static ALWAYS_INLINE int unreadable(struct totals *sum)
{
	sum->unreadable++;
	return 0;
}

/* ---- Microsoft-Windows-Kernel-File ------------------------------------------------------------------------------- */

static ALWAYS_INLINE bool is_other(u32 teller, struct totals *sum)
{
	bool other = sum->teller && sum->teller != teller;

	sum->told_twice += other;
	return other;
}

static ALWAYS_INLINE int end_of(struct etw_context *ctx, u32 irp_field, u32 status, u32 information, struct totals *sum)
{
	u64 irp, code;

	if (bpf_etw_field_number(ctx, irp_field, &irp, sizeof(irp)) ||
	    bpf_etw_field_number(ctx, status, &code, sizeof(code)))
		return unreadable(sum);
	end(irp, code, ev_field_u64(ctx, information), sum);
	return 0;
}

SEC("etw/Microsoft-Windows-Kernel-File")
int on_file(struct etw_context *ctx)
{
	u32 id = ctx->id;
	struct totals *sum = all();
	struct request request = {};
	u64 irp, object;

	if (!sum || id >= IDS)
		return 0;
	if (id == OPERATION_END)
		return is_other(MANIFEST, sum) ? 0 : end_of(ctx, FILE_IRP, FILE_STATUS, FILE_INFORMATION, sum);
	if (id == NAME_CREATE || id == NAME_DELETE) {
		if (bpf_etw_field_number(ctx, FILE_KEY, &object, sizeof(object)))
			return unreadable(sum);
		if (id == NAME_CREATE)
			note_name(ctx, object, FILE_NAME, sum);
		else
			forget_name(object);
		return 0;
	}
	request.key.operation = operations_by_id[id];
	if (!request.key.operation || is_other(MANIFEST, sum))
		return 0;
	if (bpf_etw_field_number(ctx, FILE_IRP, &irp, sizeof(irp)) ||
	    bpf_etw_field_number(ctx, FILE_OBJECT, &object, sizeof(object)))
		return unreadable(sum);
	sum->teller = MANIFEST;
	request.object = object;
	request.file_key = ev_field_u64(ctx, FILE_KEY);
	request.asked = ev_field_u64(ctx, FILE_SIZE);
	request.by_path = (id >= DELETE_PATH && id <= SET_LINK_PATH) || id == CREATE_NEW_FILE;
	request.key.pid = ctx->pid;
	if (ctx->pid == ETW_NO_TASK)
		request.key.pid = process_of_thread(ev_field_u32(ctx, FILE_THREAD), ETW_NO_TASK);
	if (id == CREATE || id == CREATE_NEW_FILE)
		note_name(ctx, object, FILE_NAME, sum);
	begin(irp, &request, sum);
	if (request.key.operation == close)
		forget_name(object);
	return 0;
}

/* ---- FileIo ------------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE int classic_name(struct etw_context *ctx, u32 opcode, struct totals *sum)
{
	u64 object;

	if (bpf_etw_field_number(ctx, FILE_OBJECT, &object, sizeof(object)))
		return unreadable(sum);
	if (opcode == CLASSIC_FILE_DELETE)
		forget_name(object);
	else
		note_name(ctx, object, FILE_NAME, sum);
	return 0;
}

SEC("etw-kernel/FileIo")
int on_file_io(struct etw_context *ctx)
{
	u32 opcode = ctx->opcode, place = opcode - CLASSIC_FIRST;
	struct totals *sum = all();
	struct request request = {};
	u64 irp, object;

	if (!sum)
		return 0;
	if (opcode == CLASSIC_OPERATION_END)
		return is_other(CLASSIC, sum) ? 0 : end_of(ctx, FILEIO_IRP, FILEIO_STATUS, FILEIO_INFORMATION, sum);
	if (opcode == CLASSIC_NAME || opcode == CLASSIC_FILE_CREATE || opcode == CLASSIC_FILE_DELETE ||
	    opcode == CLASSIC_FILE_RUNDOWN)
		return classic_name(ctx, opcode, sum);
	if (place >= CLASSIC_OPCODES)
		return 0;
	request.key.operation = operations_by_opcode[place];
	if (!request.key.operation || is_other(CLASSIC, sum))
		return 0;
	if (bpf_etw_field_number(ctx, FILEIO_IRP, &irp, sizeof(irp)) ||
	    bpf_etw_field_number(ctx, FILE_OBJECT, &object, sizeof(object)))
		return unreadable(sum);
	sum->teller = CLASSIC;
	request.object = object;
	request.file_key = ev_field_u64(ctx, FILE_KEY);
	request.asked = ev_field_u64(ctx, FILEIO_SIZE);
	request.by_path = opcode >= CLASSIC_DELETE_PATH && opcode <= CLASSIC_SET_LINK_PATH;
	request.key.pid = process_of_thread(ev_field_u32(ctx, FILEIO_THREAD), ctx->pid);
	if (opcode == CLASSIC_CREATE)
		note_name(ctx, object, FILEIO_OPEN_PATH, sum);
	begin(irp, &request, sum);
	if (request.key.operation == close)
		forget_name(object);
	return 0;
}

/* ---- DiskIo ------------------------------------------------------------------------------------------------------ */

/* What a disk is asked is told without its size, which its end has. */
static ALWAYS_INLINE void begin_disk(u64 irp, struct request *request, struct totals *sum)
{
	struct request_key key = { .irp = irp, .disk = 1 };

	request->begin_ns = bpf_ktime_get_ns();
	await_end(&key, request, bpf_map_lookup_elem(&requests, &key) != NULL, sum);
}

static ALWAYS_INLINE void end_disk(struct etw_context *ctx, u64 irp, struct request *request, struct totals *sum)
{
	struct request_key key = { .irp = irp, .disk = 1 };
	u64 latency = take(&key, request, sum);

	request->object = ev_field_u64(ctx, FILE_OBJECT);
	request->asked = ev_field_u64(ctx, DISK_SIZE);
	count_begin(request, sum);
	count_end(request, latency, 0, request->asked, sum);
}

/* A disk's work ends on whatever thread runs then: only the thread that asked is a clue. */
SEC("etw-kernel/DiskIo")
int on_disk(struct etw_context *ctx)
{
	u32 opcode = ctx->opcode, place = opcode - DISK_READ;
	struct totals *sum = all();
	struct request request = {};
	u64 irp;

	barrier_var(place);
	if (!sum || place >= sizeof(operations_of_disk))
		return 0;
	if (bpf_etw_field_number(ctx, FILE_IRP, &irp, sizeof(irp)))
		return unreadable(sum);
	request.key.pid = process_of_thread(ev_field_u32(ctx, FILE_THREAD), ETW_NO_TASK);
	request.key.reuse = process_id_of(request.key.pid).reuse;
	request.key.operation = operations_of_disk[place];
	if (opcode == DISK_READ_INIT || opcode == DISK_WRITE_INIT || opcode == DISK_FLUSH_INIT)
		begin_disk(irp, &request, sum);
	else
		end_disk(ctx, irp, &request, sum);
	return 0;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

SEC("etw-kernel/Thread")
int on_thread(struct etw_context *ctx)
{
	u32 tid = ev_field_u32(ctx, THREAD_ID), pid = ev_field_u32(ctx, THREAD_PROCESS);
	struct totals *sum = all();

	if (!tid || !sum)
		return 0;
	if (ctx->opcode == THREAD_END)
		bpf_map_delete_elem(&threads, &tid);
	else if (bpf_map_update_elem(&threads, &tid, &pid, BPF_ANY))
		sum->refused++;
	return 0;
}

char _license[] SEC("license") = "MIT";
