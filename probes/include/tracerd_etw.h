/* What an etw program sees, live or from a recording. Offsets: tracerd/native/border/etl.h (struct tr_etw_context). */
#ifndef TRACERD_ETW_H
#define TRACERD_ETW_H

#include "tracerd.bpf.h"

#define ETW_NO_HOOK 0xffffffffu	/* not an event of a kernel group */
#define ETW_NO_TASK 0xffffffffu	/* process or thread not known: no header, no CSwitch told */

/* Header kinds (TRACE_HEADER_TYPE_*), in `kind`. */
enum {
	ETW_SYSTEM32 = 1, ETW_SYSTEM64 = 2, ETW_COMPACT32 = 3, ETW_COMPACT64 = 4,
	ETW_CLASSIC32 = 10, ETW_INSTANCE32 = 11, ETW_MESSAGE = 15, ETW_PERFINFO32 = 16, ETW_PERFINFO64 = 17,
	ETW_MANIFEST32 = 18, ETW_MANIFEST64 = 19, ETW_CLASSIC64 = 20, ETW_INSTANCE64 = 21,
};

#define ETW_KEEP(value) barrier_var(value)

struct etw_context {
	const u8 *data;			/* payload: check against data_end before every read */
	const u8 *data_end;
	u64 time_ns;			/* unix time; bpf_ktime_get_ns() is the source's own clock */
	u8 provider[16];		/* GUID as it lies in memory; a kernel group's class GUID */
	u8 activity[16];
	u64 keyword;
	u32 pid;			/* of the event header: who caused it */
	u32 tid;
	u32 cpu;
	u32 pointer_size;		/* of the payload */
	u32 hook;			/* group << 8 | opcode, or ETW_NO_HOOK */
	u16 id;				/* manifest event id; WPP message number */
	u16 task;
	u8 version;
	u8 channel;
	u8 level;
	u8 opcode;
	u16 flags;			/* EVENT_HEADER_FLAG_* */
	u8 kind;
};

/* Payload fields are packed, so they lie unaligned, which eBPF loads allow; check first that they are inside. */
static ALWAYS_INLINE u16 etw_u16(const u8 *at)
{
	return *(const u16 *)at;
}

static ALWAYS_INLINE u32 etw_u32(const u8 *at)
{
	return *(const u32 *)at;
}

static ALWAYS_INLINE u64 etw_u64(const u8 *at)
{
	return *(const u64 *)at;
}

/* Define a function that returns a struct of an event's payload, or NULL if the event is another one or has less of it. */
#define ETW_VIEW(name, is_event)                                                                                      \
	static ALWAYS_INLINE const struct name *name(const struct etw_context *ctx)                                   \
	{                                                                                                             \
		const u8 *data = ctx->data;                                                                           \
														      \
		return (is_event) && data + sizeof(struct name) <= ctx->data_end ? (const struct name *)data : NULL;  \
	}

/* FILETIME (100 ns since 1601) to unix ns; 0 before 1970. */
static ALWAYS_INLINE u64 etw_unix_ns(u64 filetime)
{
	const u64 epoch = 116444736000000000ull;

	return filetime > epoch ? (filetime - epoch) * 100 : 0;
}

/* Bytes of a SID: a header of 8 and up to 15 sub-authorities of 4. */
static ALWAYS_INLINE u32 etw_sid_size(u8 sub_authorities)
{
	return 8 + 4 * (sub_authorities & 15u);
}

/* ---- fields of the payload, found by the event's schema ---------------------------------------------------------
 * A field is asked for by a number of its name, which finds it in every version of an event that has it and in events
 * that describe themselves (TraceLogging); `tracerd etw header PROVIDER` prints them, ETW_FIELD makes one of any name.
 * Numbers below 1024 are places in the event's schema instead. Errors, negated:
 *   ENOENT   the event has no such field          ENOMSG   nothing is known of the event's fields
 *   EINVAL   the field is of another type         ENODATA  the payload ends before it
 * The buffer is filled whole: zeros behind the value, and where there is none. */
enum { ETW_ENOENT = 2, ETW_EINVAL = 22, ETW_ENOMSG = 42, ETW_ENODATA = 61 };

enum { ETW_TEXT_FILE = 1 };		/* only what is behind the last backslash or slash of a path */

struct etw_address {
	u8 address[16];			/* network order; IPv4 as ::ffff:a.b.c.d: the decoder "ip" shows it */
	u16 family;			/* 4 or 6; 0: none */
	u16 port;			/* 0: the field has none */
	u32 scope;			/* of IPv6 */
};

/* Whole numbers with their sign, pointers, FILETIMEs, ports in this machine's order. `size` is 8. Returns 0 or an error. */
static long (*bpf_etw_field_number)(void *ctx, u32 field, void *to, u32 size) = (void *)0x10000;
/* Text as UTF-8, cut between characters; SIDs as S-1-5-18, GUIDs. Returns its bytes with the NUL, or an error. */
static long (*bpf_etw_field_text)(void *ctx, u32 field, char *to, u32 size, u64 flags) = (void *)0x10001;
/* The bytes as they lie there: GUIDs, SIDs, arrays of numbers. Returns how many there are, also beyond `size`. */
static long (*bpf_etw_field_bytes)(void *ctx, u32 field, void *to, u32 size) = (void *)0x10002;
/* IPv4 and IPv6 addresses, sockaddrs. `size` is 24. Returns 0 or an error. */
static long (*bpf_etw_field_address)(void *ctx, u32 field, struct etw_address *to, u32 size) = (void *)0x10003;

/* A field's number from its name, a literal of at most 64 characters: the compiler computes it. */
#define ETW_FIELD(name) etw_field_named(name, sizeof(name) - 1)

static ALWAYS_INLINE u32 etw_field_named(const char *name, u32 length)
{
	u32 number = 2166136261u;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < 64; i++)
		if (i < length)
			number = (number ^ (u8)name[i]) * 16777619u;
	return number | 0x80000000u;
}

static ALWAYS_INLINE u64 ev_field_u64(void *ctx, u32 field)
{
	u64 value = 0;

	bpf_etw_field_number(ctx, field, &value, sizeof(value));
	return value;
}

static ALWAYS_INLINE s64 ev_field_s64(void *ctx, u32 field)
{
	return (s64)ev_field_u64(ctx, field);
}

static ALWAYS_INLINE u32 ev_field_u32(void *ctx, u32 field)
{
	return (u32)ev_field_u64(ctx, field);
}

static ALWAYS_INLINE s32 ev_field_s32(void *ctx, u32 field)
{
	return (s32)ev_field_u64(ctx, field);
}

static ALWAYS_INLINE bool ev_has_field(void *ctx, u32 field)
{
	u8 first;

	return bpf_etw_field_bytes(ctx, field, &first, 1) >= 0;
}

static ALWAYS_INLINE long ev_field_text(void *ctx, u32 field, char *to, u32 size)
{
	return bpf_etw_field_text(ctx, field, to, size, 0);
}

/* The file name at the end of a path. */
static ALWAYS_INLINE long ev_field_file(void *ctx, u32 field, char *to, u32 size)
{
	return bpf_etw_field_text(ctx, field, to, size, ETW_TEXT_FILE);
}

static ALWAYS_INLINE long ev_field_guid(void *ctx, u32 field, u8 *to)
{
	return bpf_etw_field_bytes(ctx, field, to, 16);
}

/* A SID as it lies there, at most 68 bytes. */
static ALWAYS_INLINE long ev_field_sid(void *ctx, u32 field, u8 *to)
{
	return bpf_etw_field_bytes(ctx, field, to, 68);
}

static ALWAYS_INLINE long ev_field_address(void *ctx, u32 field, struct etw_address *to)
{
	return bpf_etw_field_address(ctx, field, to, sizeof(*to));
}

#endif
