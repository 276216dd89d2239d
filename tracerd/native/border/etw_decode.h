/* A consumer of ETW events that is linked like a program and writes each event as text: a JSON object or a row of CSV a
   line, its fields by the schemas that there are or that the event brings. One thread runs it and takes the text. */

struct tr_etw_decoder;

/* What an event says of its own fields, beside its context (tr_run.described). NULL: it does not. */
struct tr_etw_described {
    const uint8_t *schema;           /* EVENT_SCHEMA_TL: TraceLogging */
    const uint8_t *traits;           /* PROV_TRAITS: u16 size, then the provider's name */
    uint16_t schema_bytes;
    uint16_t traits_bytes;
};

/* What became of an event. All but the first keep their whole payload in hex, with the reason. */
#define TR_ETW_DECODED 0
#define TR_ETW_UNKNOWN_PROVIDER 1    /* no schema: for its provider, for its id, for its version */
#define TR_ETW_UNKNOWN_EVENT 2
#define TR_ETW_UNKNOWN_VERSION 3
#define TR_ETW_SHORT 4               /* the payload ends before the schema does: fields before that are decoded */
#define TR_ETW_LEFT 5                /* bytes are left over behind the last field: all fields are decoded */
#define TR_ETW_BAD_SCHEMA 6          /* it describes itself senselessly */
#define TR_ETW_TOO_LARGE 7           /* more values, or more text, than one event may have */
#define TR_ETW_WPP 8                 /* a WPP message: its format is in the PDB of its program */
#define TR_ETW_OUTCOMES 9

struct tr_etw_decoded {
    uint64_t outcomes[9];            /* events that passed the rules, by TR_ETW_* */
    uint64_t filtered;               /* events that did not */
    uint64_t self_described;         /* of the decoded: by a description of their own */
    uint64_t lost;                   /* passed, but there was no room or memory for their text */
};

#define TR_ETW_WANT_NAME 8           /* beside TR_ETW_WANT_*: the name that the provider gives itself */

#define TR_ETW_FORM_JSON 0           /* one object a line */
#define TR_ETW_FORM_CSV 1            /* the columns of sources/etw_decoder.py, fields as JSON in one of them */
#define TR_ETW_FORM_COLUMNS 2        /* of one schema only: the same, but a column for each field */
#define TR_ETW_FORM_LOOK 3           /* no text: which schemas there are */

/* Which events are decoded: those that fit any rule; without rules all. Keyword and level as EnableTraceEx2 has them:
   an event without a keyword, or of level 0, fits any. */
struct tr_etw_rule {
    uint8_t provider[16];
    uint64_t any_keyword;            /* 0: all */
    uint64_t all_keywords;
    uint32_t wants;                  /* TR_ETW_WANT_*: provider, group or name; event */
    uint16_t group;
    uint16_t event;
    uint8_t level;                   /* 0: all */
    uint8_t name_bytes;
    char name[126];                  /* ASCII letters of either case are the same */
};

/* The schemas stay the caller's. `digits` of the fractions of times in columns: 6 or 7. NULL without memory. */
struct tr_etw_decoder *tr_etw_decoder_new(const struct tr_etw_schemas *schemas, uint32_t form, uint32_t digits);
void tr_etw_decoder_free(struct tr_etw_decoder *decoder);
void tr_etw_decoder_link(struct tr_etw_decoder *decoder, struct tr_program *program);

int32_t tr_etw_decoder_add_rule(struct tr_etw_decoder *decoder, const struct tr_etw_rule *rule);     /* -1: too many */
void tr_etw_decoder_columns(struct tr_etw_decoder *decoder, uint32_t columns);     /* of the form COLUMNS */
void tr_etw_decoder_only_pid(struct tr_etw_decoder *decoder, uint32_t pid);
void tr_etw_decoder_limit(struct tr_etw_decoder *decoder, uint64_t events);

/* The text so far, whole lines; clear forgets it. From a file, the walk pauses when there is much of it
   (tr_run.pause): the next pump goes on. */
const char *tr_etw_decoder_text(const struct tr_etw_decoder *decoder, uint64_t *bytes);
void tr_etw_decoder_clear(struct tr_etw_decoder *decoder);
int32_t tr_etw_decoder_full(const struct tr_etw_decoder *decoder);               /* the limit is reached */

void tr_etw_decoder_counts(const struct tr_etw_decoder *decoder, struct tr_etw_decoded *counts);

/* The one schema that all events so far had. Returns 0; -1 if there were several, -2 if none. */
int32_t tr_etw_decoder_only_schema(const struct tr_etw_decoder *decoder, struct tr_etw_layout *layout);

/* Walk one payload: where the fields outside of structs begin and end, up to `capacity` of them. Returns how many were
   whole, and in *outcome TR_ETW_DECODED, SHORT, LEFT or TOO_LARGE; -1 if there is no such schema. */
struct tr_etw_place {
    uint32_t field;
    uint32_t offset;
    uint32_t bytes;
};

int32_t tr_etw_places(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, const uint8_t *payload,
                      uint32_t bytes, uint32_t pointer_size, struct tr_etw_place *places, uint32_t capacity,
                      uint32_t *outcome);
