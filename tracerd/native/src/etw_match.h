/* What sources of ETW events need of the matcher: look an event up by what its header says, then run its programs. */
#ifndef TR_ETW_MATCH_H
#define TR_ETW_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "link_run.h"
#include "etw.h"

#define TR_ETW_NO_HOOK 0xffffffffu
#define TR_ETW_NO_GROUP 0xffffu
#define TR_ETW_FLAG_CLASSIC 0x0100u     /* EVENT_HEADER_FLAG_CLASSIC_HEADER */

enum {                                       /* TRACE_HEADER_TYPE_* */
    TR_ETL_SYSTEM32 = 1, TR_ETL_SYSTEM64 = 2, TR_ETL_COMPACT32 = 3, TR_ETL_COMPACT64 = 4,
    TR_ETL_FULL32 = 10, TR_ETL_INSTANCE32 = 11, TR_ETL_ERROR = 13, TR_ETL_MESSAGE = 15,
    TR_ETL_PERFINFO32 = 16, TR_ETL_PERFINFO64 = 17, TR_ETL_EVENT32 = 18, TR_ETL_EVENT64 = 19,
    TR_ETL_FULL64 = 20, TR_ETL_INSTANCE64 = 21
};

/* Files are little-endian and so is every machine we build for; fields may lie unaligned. */
static inline uint16_t tr_u16(const uint8_t *at) { uint16_t v; memcpy(&v, at, sizeof v); return v; }
static inline uint32_t tr_u32(const uint8_t *at) { uint32_t v; memcpy(&v, at, sizeof v); return v; }
static inline int64_t tr_i64(const uint8_t *at) { int64_t v; memcpy(&v, at, sizeof v); return v; }

/* An event as names see it. */
struct tr_etw_key {
    const uint8_t *provider;         /* NULL: a kernel event, known by its group */
    uint32_t group;                  /* of a kernel event */
    uint16_t number;                 /* what an event's number is compared with */
};

/* What the table knows of a key. */
struct tr_etw_found {
    uint32_t first, last;            /* [first, last) of the lists: the first fits, unless there is none */
    uint16_t group;                  /* of a kernel class's provider, or TR_ETW_NO_GROUP */
};

/* Look an event up. Returns whether any name wants it. */
bool tr_etw_find(const struct tr_etw_matcher *matcher, const struct tr_etw_key *key, struct tr_etw_found *found);

/* Run the programs of every name that wants the event. */
void tr_etw_run(struct tr_etw_matcher *matcher, const struct tr_etw_key *key, const struct tr_etw_found *found,
                const struct tr_etw_context *context, struct tr_run *run);

/* Count an event that nobody wants; and one that is not to be handed to the programs of its names. */
void tr_etw_pass(struct tr_etw_matcher *matcher);
void tr_etw_filter(struct tr_etw_matcher *matcher, const struct tr_etw_key *key);

/* The kernel group of a class GUID, or TR_ETW_NO_GROUP. */
uint16_t tr_etw_group_of(const struct tr_etw_matcher *matcher, const uint8_t *guid);

/* The class GUID of a kernel group: zeros where it is not known. */
const uint8_t *tr_etw_group_guid(const struct tr_etw_matcher *matcher, uint32_t group);

/* The key of a context, as it was made from the event's header. */
struct tr_etw_key tr_etw_key_of(const struct tr_etw_context *context);

#endif
