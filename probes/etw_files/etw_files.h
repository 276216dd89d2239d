/* What etw_files counts, and where: fields, operations, maps. */
#ifndef ETW_FILES_H
#define ETW_FILES_H

#include "tracerd_etw_process.h"

#define FILE 48
#define PATH 112
#define LATENCY_SLOTS 40		/* 2^40 ns: 18 minutes; longer ones share the last slot */
#define NO_LATENCY (~0ull)

#define FILE_IRP ETW_FIELD("Irp")
#define FILE_OBJECT ETW_FIELD("FileObject")
#define FILE_KEY ETW_FIELD("FileKey")
#define FILE_SIZE ETW_FIELD("IOSize")
#define FILE_THREAD ETW_FIELD("IssuingThreadId")
#define FILE_NAME ETW_FIELD("FileName")
#define FILE_PATH ETW_FIELD("FilePath")
#define FILE_INFORMATION ETW_FIELD("ExtraInformation")
#define FILE_STATUS ETW_FIELD("Status")

#define FILEIO_IRP ETW_FIELD("IrpPtr")
#define FILEIO_SIZE ETW_FIELD("IoSize")
#define FILEIO_THREAD ETW_FIELD("TTID")
#define FILEIO_OPEN_PATH ETW_FIELD("OpenPath")
#define FILEIO_INFORMATION ETW_FIELD("ExtraInfo")
#define FILEIO_STATUS ETW_FIELD("NtStatus")

#define DISK_SIZE ETW_FIELD("TransferSize")

#define THREAD_ID ETW_FIELD("TThreadId")
#define THREAD_PROCESS ETW_FIELD("ProcessId")

enum { THREAD_END = 2 };

enum operation {
	none, open, create_new, cleanup, close, read, write, set_information, delete, rename, link, list, watch, flush,
	query_information, control, security, attributes, disk_read, disk_write, disk_flush,
};

/* Of the manifest provider, by event id. */
enum {
	NAME_CREATE = 10, NAME_DELETE = 11, CREATE = 12, OPERATION_END = 24, DELETE_PATH = 26, SET_LINK_PATH = 28,
	CREATE_NEW_FILE = 30, IDS = 64,
};
const u8 operations_by_id[IDS] = {
	[12] = open, [13] = cleanup, [14] = close, [15] = read, [16] = write, [17] = set_information, [18] = delete,
	[19] = rename, [20] = list, [21] = flush, [22] = query_information, [23] = control, [25] = watch, [26] = delete,
	[27] = rename, [28] = link, [29] = rename, [30] = create_new, [31] = security, [32] = security,
	[33] = attributes, [34] = attributes,
};

/* Of the classic class FileIo, by opcode. */
enum {
	CLASSIC_NAME = 0, CLASSIC_FILE_CREATE = 32, CLASSIC_FILE_DELETE = 35, CLASSIC_FILE_RUNDOWN = 36,
	CLASSIC_CREATE = 64, CLASSIC_OPERATION_END = 76, CLASSIC_DELETE_PATH = 79, CLASSIC_SET_LINK_PATH = 81,
	CLASSIC_FIRST = 64,	CLASSIC_OPCODES = 32,
};
const u8 operations_by_opcode[CLASSIC_OPCODES] = {
	[0] = open, [1] = cleanup, [2] = close, [3] = read, [4] = write, [5] = set_information, [6] = delete,
	[7] = rename, [8] = list, [9] = flush, [10] = query_information, [11] = control, [13] = watch,
	[15] = delete, [16] = rename,	[17] = link,
};

/* Of the classic class DiskIo: what is asked, and when it is done. */
enum {
	DISK_READ = 10, DISK_WRITE = 11, DISK_READ_INIT = 12, DISK_WRITE_INIT = 13, DISK_FLUSH = 14,
	DISK_FLUSH_INIT = 15,
};
const u8 operations_of_disk[] = { disk_read, disk_write, disk_read, disk_write, disk_flush, disk_flush };

/* The manifest provider and the classic classes tell the same. Where a session has both, the first that comes is taken. */
enum teller { MANIFEST = 1, CLASSIC = 2 };

struct operation_key {
	s32 pid;			/* -1: not known */
	u32 reuse;			/* how many processes had the id before */
	enum operation operation;
	u32 reserved;
};

struct operations {
	u64 count;			/* begun */
	u64 errors;			/* ended with an NTSTATUS of severity "error" */
	u64 bytes;			/* moved, as the ends say */
	u64 asked_bytes;
	u64 total_ns;			/* of those that were seen to begin and to end */
	char process[PROCESS_NAME];
	u32 latency[LATENCY_SLOTS];
};

struct error_key {
	s32 pid;
	u32 reuse;
	enum operation operation;
	u32 status;
};

struct errors {
	u64 count;
	char process[PROCESS_NAME];
};

struct file_name {
	char file[FILE];		/* behind the last backslash */
	char path[PATH];		/* all of it, as far as there is room */
};

struct file {
	u64 opens;
	u64 reads;
	u64 writes;
	u64 read_bytes;
	u64 written_bytes;
	u64 errors;
	u64 total_ns;
};

/* An operation that has begun. A request may go down to the disk as the same one, hence `disk`. */
struct request_key {
	u64 irp;
	u64 disk;
};

struct request {
	u64 begin_ns;
	u64 object;
	u64 file_key;
	u64 asked;
	struct operation_key key;
	u32 by_path;			/* told by an event that is told beside the operation's own */
	u32 reserved;
};

struct totals {
	u64 begins;
	u64 ends;			/* of operations that were seen to begin */
	u64 open;			/* begun and not ended */
	u64 unmatched_begins;		/* their request began anew before an end was seen */
	u64 unmatched_ends;		/* of operations that were not seen to begin */
	u64 unnamed;			/* reads and writes of files whose name was not told, or found no room */
	u64 unreadable;			/* events of a version that is not known, or cut short */
	u64 refused;			/* what found no room in a table */
	u64 told_twice;			/* begins and ends of the teller that is not taken */
	u64 teller;			/* enum teller; 0: none yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct operation_key);
	__type(value, struct operations);
} operations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct error_key);
	__type(value, struct errors);
} errors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct file_name);
	__type(value, struct file);
} files SEC(".maps");

/* By file object and by file key: addresses of things that are there at the same time. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u64);
	__type(value, struct file_name);
} file_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct request_key);
	__type(value, struct request);
} requests SEC(".maps");

/* Whose a thread is: where events name no process, they name the thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, u32);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

const struct operations no_operations = {};
const struct file no_file = {};

#endif
