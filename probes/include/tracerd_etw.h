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

#endif
