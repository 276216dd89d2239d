/* A decoded event as a line. */
#ifndef TR_ETW_LINE_H
#define TR_ETW_LINE_H

#include "etw_json.h"
#include "etw_decode.h"

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

/* Put a line, and set the event's final outcome. Returns false if there was no memory: then nothing was put. */
bool tr_etw_put_line(struct tr_etw_line *line, struct tr_etw_seen *seen);

#endif
