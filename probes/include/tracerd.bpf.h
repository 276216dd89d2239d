/* What a tracerd probe needs, without kernel headers: integer types, map macros, helpers, contexts.
 * Helper numbers and prototypes: linux/bpf.h (___BPF_FUNC_MAPPER). Names are those of libbpf where it has one.
 * Compiles with clang 14 and later, and with PyPI's ziglang:  tracerd build DIR,  or
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
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s8 __s8;
typedef s16 __s16;
typedef s32 __s32;
typedef s64 __s64;

#if !defined(__cplusplus) && __STDC_VERSION__ < 202311L && !defined(bool)
#define bool _Bool
#define true 1
#define false 0
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

#define SEC(name) __attribute__((section(name), used))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#ifndef __always_inline
#define __always_inline ALWAYS_INLINE
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))	/* a function of its own in the object: proved where it is called */
#endif
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* The compiler must not reason about the value beyond this point: a bound that is tested, or a mask, then stays in the
 * code where the verifier can see it. Costs no instruction. */
#define barrier_var(value) __asm__ volatile("" : "+r"(value))
#define barrier() __asm__ volatile("" ::: "memory")

/* There is no C library: sizes must be known to the compiler, at most a few hundred bytes. */
#define memset(to, byte, size) __builtin_memset(to, byte, size)
#define memcpy(to, from, size) __builtin_memcpy(to, from, size)

/* Map definitions: members of an anonymous struct in section ".maps", read back from BTF. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name

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
static long (*bpf_probe_read)(void *to, u32 size, const void *from) = (void *)4;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_trace_printk)(const char *format, u32 size, ...) = (void *)6;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_uid_gid)(void) = (void *)15;
static long (*bpf_get_current_comm)(void *buffer, u32 size) = (void *)16;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *record, u64 flags) = (void *)133;

/* Put a struct that only ring buffer records have into the object's BTF, so that scripts can read it by name. */
#define RECORD_TYPE(type) RECORD_TYPE_AT(type, __LINE__)
#define RECORD_TYPE_AT(type, line) RECORD_TYPE_NAMED(type, line)
#define RECORD_TYPE_NAMED(type, line) const type record_type_##line SEC(".rodata.records") = {}

/* Print a line that `tracerd run` shows: %d %u %x, with l or ll for 64 bits, %c %p; at most three numbers, no text. */
#define bpf_printk(format, ...)                                                                                       \
	({                                                                                                            \
		static const char printed_format[] = format;                                                          \
		bpf_trace_printk(printed_format, sizeof(printed_format), ##__VA_ARGS__);                              \
	})

/* Record of tracepoint raw_syscalls:sys_enter (syscall:*:enter); also of a single call's, syscall:NAME:enter. */
struct trace_sys_enter {
	u64 common;
	s64 id;
	u64 args[6];
};

/* Record of tracepoint raw_syscalls:sys_exit, and of syscall:NAME:exit. `ret` below 0: the error, negated. */
struct trace_sys_exit {
	u64 common;
	s64 id;
	s64 ret;
};

/* SEC("xdp"): a packet. Addresses have 32 bits in this record, as in the kernel's: cast through unsigned long. */
struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;		/* not readable here */
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

enum { XDP_ABORTED = 0, XDP_DROP = 1, XDP_PASS = 2, XDP_TX = 3, XDP_REDIRECT = 4 };

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

/* A log2 histogram in a map's value, `u32 latency[LOG2_SLOTS]`: a view shows its percentiles (percentile = 99). */
#define LOG2_SLOTS 64

/* Count a value in a histogram of `slots` slots, a constant; what is too large for it goes into the last. */
static ALWAYS_INLINE void log2_add(u32 *histogram, u32 slots, u64 value)
{
	u32 slot = log2_slot(value);

	barrier_var(slot);
	if (slot >= slots)
		slot = slots - 1;
	histogram[slot]++;
}

/* Copy text from between `from` and `end` (a context's data and data_end), up to a NUL or size - 1 characters. `to` is
 * zero before, and `size` a constant. Returns the characters copied. */
static ALWAYS_INLINE u32 copy_string(char *to, u32 size, const u8 *from, const u8 *end)
{
	u32 i;

#pragma clang loop unroll(disable)
	for (i = 0;; i++) {
		const u8 *at;

		barrier_var(i);
		if (i >= size - 1)
			break;
		at = from + i;
		if (at + 1 > end || !*at)
			break;
		to[i] = *at;
	}
	return i;
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

/* An address of a net_context as map keys should have it, for the decoder "ip": IPv4 as ::ffff:a.b.c.d. `to` is zeroed. */
static ALWAYS_INLINE void copy_address(u8 *to, const u8 *from, u32 family)
{
	if (family == 4) {
		to[10] = to[11] = 0xff;
		__builtin_memcpy(to + 12, from, 4);
	} else {
		__builtin_memcpy(to, from, 16);
	}
}

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
