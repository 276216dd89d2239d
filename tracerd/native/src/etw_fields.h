/* Walking a payload by its schema: where each value lies. Every read is checked against the payload's end. */
#ifndef TR_ETW_FIELDS_H
#define TR_ETW_FIELDS_H

#include "etw_schema.h"

#define TR_ETW_BUDGET 131072u                /* values of one event: twice the bytes that a payload has */

enum tr_etw_step {
    TR_ETW_STEP_OK = 0,
    TR_ETW_STEP_SHORT = -1,                  /* the payload ends before the value does */
    TR_ETW_STEP_TOO_MANY = -2                /* values without bytes, in arrays of arrays: more than any event has */
};

struct tr_etw_walk {
    const struct tr_etw_schema *schema;
    const uint8_t *payload;
    uint32_t size;
    uint32_t pointer_size;
    uint32_t budget;                         /* values that may still be looked at */
    uint32_t values[TR_ETW_MAX_FIELDS];      /* of referenced fields, once read: prepare says why no other is used */
};

/* One value: [data, data + bytes) is it without what says its length; the next begins at `end`. */
struct tr_etw_span {
    uint32_t data;
    uint32_t bytes;
    uint32_t end;
};

/* The values of a field: `count` of them from `first`. With `rest` they go to the payload's end, and sizes vary. */
struct tr_etw_values {
    uint32_t first;
    uint32_t count;
    bool rest;
};

static inline void tr_etw_walk_begin(struct tr_etw_walk *walk, const struct tr_etw_schema *schema,
                                     const uint8_t *payload, uint32_t size, uint32_t pointer_size)
{
    walk->schema = schema;
    walk->payload = payload;
    walk->size = size;
    walk->pointer_size = pointer_size;
    walk->budget = TR_ETW_BUDGET;
}

/* Begin to walk an event's payload, with the pointer size that its header says or that is the only one to fit. */
void tr_etw_walk_event(struct tr_etw_walk *walk, const struct tr_etw_schema *schema,
                       const struct tr_etw_context *event);

/* Find one value of a field. Of a struct the bytes are unknown (0) and the end is its begin: its members follow. */
enum tr_etw_step tr_etw_value(struct tr_etw_walk *walk, uint32_t index, uint32_t at, struct tr_etw_span *span);

/* Find how many values a field has, and where the first begins. */
enum tr_etw_step tr_etw_values(struct tr_etw_walk *walk, uint32_t index, uint32_t at, struct tr_etw_values *values);

/* Whether an array goes on with value `done` at `at`. */
static inline bool tr_etw_more(const struct tr_etw_walk *walk, const struct tr_etw_values *values, uint32_t done,
                               uint32_t at)
{
    return values->rest ? at < walk->size : done < values->count;
}

/* Pass over all of a field; *at moves to its end. */
enum tr_etw_step tr_etw_skip(struct tr_etw_walk *walk, uint32_t index, uint32_t *at);

#endif
