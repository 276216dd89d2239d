/* What a tracerd probe needs, without kernel headers: integer types, map macros, helpers, contexts.
 * Helper numbers and prototypes: linux/bpf.h (___BPF_FUNC_MAPPER). Compiles with clang 14 and later:
 *   clang -target bpf -g -O2 -mcpu=v3 -I probes/include -c NAME.bpf.c -o NAME.bpf.o
 */
#ifndef TRACERD_BPF_H
#define TRACERD_BPF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Map definitions: members of an anonymous struct in section ".maps", read back from BTF. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_trace_printk)(const char *format, u32 size, ...) = (void *)6;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_uid_gid)(void) = (void *)15;
static long (*bpf_get_current_comm)(void *buffer, u32 size) = (void *)16;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *record, u64 flags) = (void *)133;

/* Record of tracepoint raw_syscalls:sys_enter. */
struct trace_sys_enter {
	u64 common;
	s64 id;
	u64 args[6];
};

/* Record of tracepoint raw_syscalls:sys_exit. */
struct trace_sys_exit {
	u64 common;
	s64 id;
	s64 ret;
};

/* Number of the highest set bit, 0 for 0 and 1: slot i of a log2 histogram holds [2^i, 2^(i+1)). */
static ALWAYS_INLINE u32 log2_slot(u64 value)
{
	u32 slot = 0;

	if (value >> 32) {
		value >>= 32;
		slot += 32;
	}
	if (value >> 16) {
		value >>= 16;
		slot += 16;
	}
	if (value >> 8) {
		value >>= 8;
		slot += 8;
	}
	if (value >> 4) {
		value >>= 4;
		slot += 4;
	}
	if (value >> 2) {
		value >>= 2;
		slot += 2;
	}
	return slot + (value >> 1);
}

/* ---- contexts of tracerd's own program types (tracerd/native/border/contexts.h has the same layouts) ------------ */

/* What is known, in `known`; a number whose bit is missing is 0. */
enum {
	KNOWN_PARENT = 1,
	KNOWN_USER = 2,
	KNOWN_COMMAND_LINE = 4,		/* whole; without it the payload is at most the executable's path */
	KNOWN_EXIT_CODE = 8,
	KNOWN_USAGE = 16,		/* CPU time, memory, threads */
	KNOWN_IO = 32,
	KNOWN_HANDLES = 64,
	KNOWN_PID = 128,		/* of a connection */
	KNOWN_BEGIN = 256,		/* seen to begin: start_ns or opened_ns is that time, not when it was first seen */
};

enum { PROCESS_START = 1, PROCESS_EXIT = 2, PROCESS_SAMPLE = 3 };

/* SEC("process/start"), SEC("process/exit"), SEC("process/sample"). The last sample of a process, when it is no longer
 * there, has the kind PROCESS_EXIT. */
struct process_context {
	const u8 *data;			/* command line, each argument ended by a NUL: check against data_end */
	const u8 *data_end;
	u64 time_ns;			/* unix time of the event; bpf_ktime_get_ns() is the source's own clock */
	u64 start_ns;			/* unix time the process began: with its pid, who it is */
	u64 lifetime_ns;		/* at the event */
	u64 interval_ns;		/* sample: since the one before, or since it began if that is later; 0: the first */
	u64 user_ns;			/* CPU time so far */
	u64 system_ns;
	u64 cpu_ns;			/* CPU time in the interval */
	u64 memory_bytes;		/* resident now */
	u64 virtual_bytes;
	u64 read_bytes;			/* from and to storage so far */
	u64 write_bytes;
	u64 interval_read_bytes;
	u64 interval_write_bytes;
	u32 kind;			/* PROCESS_* */
	u32 known;			/* KNOWN_* */
	u32 pid;
	u32 parent;
	u32 uid;			/* 65534 where unknown, and on Windows */
	s32 exit_code;			/* the status; on Linux, minus the signal that ended it */
	u32 threads;
	u32 handles;			/* open files; on Windows, handles */
	char name[64];
	char user[64];
};

enum { NET_OPEN = 1, NET_CLOSE = 2 };
enum { NET_TCP = 6, NET_UDP = 17 };
enum { NET_ESTABLISHED = 1, NET_LISTEN = 10 };	/* of `state`: numbers of the Linux kernel (net/tcp_states.h) */

/* SEC("net/open"), SEC("net/close") */
struct net_context {
	u64 time_ns;
	u64 opened_ns;			/* unix time it was first seen */
	u64 lifetime_ns;
	u32 kind;			/* NET_OPEN, NET_CLOSE */
	u32 known;			/* KNOWN_* */
	u32 pid;
	u32 uid;
	u32 family;			/* 4 or 6 */
	u32 protocol;			/* NET_TCP, NET_UDP */
	u32 state;			/* TCP only, else 0 */
	u32 local_port;
	u32 remote_port;		/* 0: none */
	u32 reserved;
	u8 local[16];			/* network order; IPv4 in the first four */
	u8 remote[16];
	char name[64];			/* of the process */
};

enum { SAMPLE_CPU = 1, SAMPLE_MEMORY = 2, SAMPLE_DISK = 3, SAMPLE_INTERFACE = 4 };

/* SEC("system/sample"): one event for each core, disk and interface, and one for memory. Numbers are totals so far,
 * memory is as it is now. */
struct sample_context {
	u64 time_ns;
	u64 interval_ns;		/* since the sample before, 0 for the first */
	u32 kind;			/* SAMPLE_*: which member of the union */
	u32 index;			/* which core, disk or interface */
	union {
		u64 value[16];
		struct { u64 user_ns, system_ns, idle_ns, iowait_ns, irq_ns, steal_ns; } cpu;
		struct { u64 total_bytes, available_bytes, used_bytes, cached_bytes, swap_total_bytes, swap_used_bytes; } memory;
		struct { u64 read_bytes, write_bytes, reads, writes, read_ns, write_ns, busy_ns; } disk;
		struct {
			u64 received_bytes, sent_bytes, received_packets, sent_packets, receive_errors, send_errors,
			    receive_drops, send_drops;
		} interface;
	};
	char name[64];			/* of the disk or interface */
};

enum { TICK_BEGIN = 1, TICK_INTERVAL = 2, TICK_END = 3 };

/* SEC("interval/5s"), SEC("begin"), SEC("end") */
struct interval_context {
	u64 time_ns;			/* unix time */
	u64 interval_ns;		/* 0 for begin and end */
	u64 count;			/* ticks before this one */
	u64 missed;			/* ticks left out just before this one */
	u32 kind;			/* TICK_* */
	u32 reserved;
};

#endif
