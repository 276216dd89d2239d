/* Inside a hook: the values of an event's fields, and the context that a target runs on. */
#ifndef TR_HOOKS_PARTS_H
#define TR_HOOKS_PARTS_H

#include "etw_reader.h"
#include "hooks.h"

struct tr_hook {
    uint32_t kind;
    uint32_t operation;
    uint32_t fields[TR_PARTS][TR_PART_NAMES];
    struct tr_program *target;
    struct tr_hook_counts counts;
};

/* Where parts lie in a payload; `there` has a bit for each that is. */
struct tr_hook_parts {
    const uint8_t *payload;
    uint32_t there;
    struct tr_etw_span spans[TR_PARTS];
    uint8_t types[TR_PARTS];
};

static inline int tr_part_there(const struct tr_hook_parts *parts, uint32_t part)
{
    return parts->there >> part & 1;
}

static inline const uint8_t *tr_part_data(const struct tr_hook_parts *parts, uint32_t part)
{
    return parts->payload + parts->spans[part].data;
}

static inline uint32_t tr_part_bytes(const struct tr_hook_parts *parts, uint32_t part)
{
    return tr_part_there(parts, part) ? parts->spans[part].bytes : 0;
}

/* A whole number of at most 8 bytes, 0 where it is not there. */
uint64_t tr_part_number(const struct tr_hook_parts *parts, uint32_t part);

/* Make the context of an event and run the target on it, or count the event as passed. */
void tr_hook_event(struct tr_hook *hook, const struct tr_hook_parts *parts, const struct tr_etw_context *event,
                   struct tr_run *run);
void tr_hook_packet(struct tr_hook *hook, const struct tr_packet_context *packet, struct tr_run *run);

/* Run the target and count its verdict. */
void tr_hook_run(struct tr_hook *hook, void *context, struct tr_run *run);
void tr_hook_pass(struct tr_hook *hook);

#endif
