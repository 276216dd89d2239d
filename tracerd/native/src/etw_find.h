/* Which schema an event has: its own description, what is known of its provider, or one string. */
#ifndef TR_ETW_FIND_H
#define TR_ETW_FIND_H

#include "etw_fields.h"
#include "etw_decode.h"

struct tr_etw_finder {
    const struct tr_etw_schemas *schemas;    /* the caller's */
    struct tr_etw_self *self;
    struct tr_etw_schema *message;           /* of events that are one string */
};

/* Returns false without memory; release is then still to be called. */
bool tr_etw_finder_init(struct tr_etw_finder *finder, const struct tr_etw_schemas *schemas);
void tr_etw_finder_release(struct tr_etw_finder *finder);

/* Find an event's schema, as TDH does: what the event says itself comes first. `described` may be NULL. The schema stays
   until the next call. */
struct tr_etw_look tr_etw_find_schema(const struct tr_etw_finder *finder, const struct tr_etw_context *context,
                                      const struct tr_etw_described *described);

/* The same, but only the schema, in the shortest way; NULL where there is none or it makes no sense. */
const struct tr_etw_schema *tr_etw_schema_of(const struct tr_etw_finder *finder, const struct tr_etw_context *context,
                                             const struct tr_etw_described *described);

static inline uint32_t tr_etw_payload_bytes(const struct tr_etw_context *context)
{
    return context->data_end > context->data ? (uint32_t)(context->data_end - context->data) : 0;
}

#endif
