/* The event whose programs run, for the helpers that read its fields. */
#ifndef TR_ETW_READER_H
#define TR_ETW_READER_H

#include "etw_find.h"
#include "etw_fields.h"
#include "etw_read.h"

struct tr_etw_reader {
    struct tr_etw_finder finder;
    const struct tr_etw_context *context;
    const struct tr_etw_described *described;
    bool settled;                            /* the schema was looked for */
    bool cut;                                /* counted */
    const struct tr_etw_schema *schema;      /* NULL: none */
    uint32_t next;                           /* the first field that was not passed, and where it begins */
    uint32_t at;
    struct tr_etw_walk walk;
    uint32_t begins[TR_ETW_MAX_FIELDS];      /* of passed fields with a place of their own */
    struct tr_etw_reading counts;
};

/* Before an event's programs run. Nothing is looked up until one of them asks. */
static inline void tr_etw_reader_begin(struct tr_etw_reader *reader, const struct tr_etw_context *context,
                                       const void *described)
{
    reader->context = context;
    reader->described = described;
    reader->settled = false;
}

/* A field that is there: its type, and where its first value or what says their number begins. */
struct tr_etw_asked {
    const struct tr_etw_field *field;
    uint32_t index;
    uint32_t at;
};

/* Find a field of the event. Returns 0, -TR_ENOMSG (nothing is known of the event's fields), -TR_ENOENT (it has no such
   field) or -TR_ENODATA (its payload ends before). */
int32_t tr_etw_ask(struct tr_etw_reader *reader, uint32_t asked, struct tr_etw_asked *found);

/* The bytes of a field: of one value, or of all values of an array whose values have one size. Returns 0, -TR_EINVAL
   (neither) or -TR_ENODATA. */
int32_t tr_etw_take(struct tr_etw_reader *reader, const struct tr_etw_asked *asked, struct tr_etw_span *span);

#endif
