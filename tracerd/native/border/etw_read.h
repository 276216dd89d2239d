/* What programs of type etw ask of an event's payload: fields by name or place, found by the event's schema. */

struct tr_etw_reader;

/* Why fields were not read: of events, each counted once for each reason. */
struct tr_etw_reading {
    uint64_t events;                 /* of which a program asked for a field */
    uint64_t unknown;                /* with no schema: nothing was read */
    uint64_t cut;                    /* whose payload ended before a field that was asked for */
};

/* The schemas stay the caller's. NULL without memory. */
struct tr_etw_reader *tr_etw_reader_new(const struct tr_etw_schemas *schemas);
void tr_etw_reader_free(struct tr_etw_reader *reader);
void tr_etw_reader_counts(const struct tr_etw_reader *reader, struct tr_etw_reading *counts);

/* Programs of this matcher's links read by it; it stays the caller's. One thread runs the matcher. */
void tr_etw_set_reader(struct tr_etw_matcher *matcher, struct tr_etw_reader *reader);

/* What tr_helper_etw_field_address writes. */
struct tr_etw_address {
    uint8_t address[16];             /* network order; IPv4 as ::ffff:a.b.c.d */
    uint16_t family;                 /* 4 or 6 */
    uint16_t port;                   /* 0: the field has none */
    uint32_t scope;                  /* of IPv6 */
};

#define TR_ETW_TEXT_FILE 1           /* etw_field_text: only what is behind the last backslash or slash */
