/* A decoded event as a line. */
#ifndef TR_ETW_LINE_H
#define TR_ETW_LINE_H

#include "etw_find.h"
#include "etw_json.h"

#define TR_ETW_MAX_LINE (4u << 20)           /* 64 KiB of bytes in an array are a third of a MiB of text */

/* An event with what is known of it. `outcome` is DECODED while there is a schema and no reason against it. */
struct tr_etw_seen {
    const struct tr_etw_context *context;
    const struct tr_etw_schema *schema;
    const char *provider;                    /* its name; NULL: unknown */
    uint32_t provider_bytes;
    uint32_t outcome;
    uint32_t failed;                         /* SHORT: the field that it ends in */
    uint32_t left;                           /* LEFT: bytes */
};

struct tr_etw_line {
    struct tr_text out;
    struct tr_text scratch;
    struct tr_etw_walk walk;
    uint32_t form;
    uint32_t digits;
    uint32_t columns;                        /* of fields, in the form COLUMNS */
};

static inline bool tr_etw_has_task(uint32_t id)
{
    return id != 0xffffffffu;
}

static inline bool tr_etw_has_guid(const uint8_t *guid)
{
    static const uint8_t none[16];

    return memcmp(guid, none, 16) != 0;
}

static inline bool tr_etw_has_fields(const struct tr_etw_seen *seen)
{
    return seen->schema && !seen->schema->bad && seen->outcome != TR_ETW_TOO_LARGE;
}

/* The parts of a line that JSON and CSV share. A name that is not known is null, or nothing where text is bare. */
void tr_etw_put_name(struct tr_text *text, const char *name, uint32_t bytes);
void tr_etw_put_event_name(struct tr_text *text, const struct tr_etw_seen *seen);
void tr_etw_put_reason(struct tr_text *text, const struct tr_etw_seen *seen);

/* Settle what became of an event whose fields were walked to `at`. */
void tr_etw_settle(struct tr_etw_seen *seen, const struct tr_etw_walk *walk, enum tr_etw_step step, uint32_t at);

void tr_etw_put_row(struct tr_etw_line *line, struct tr_etw_seen *seen);

/* Put a line, and set the event's final outcome. Returns false if there was no memory: then nothing was put. */
bool tr_etw_put_line(struct tr_etw_line *line, struct tr_etw_seen *seen);

#endif
