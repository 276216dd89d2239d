/* Prepared schemas, as the parts that decode by them see them. */
#ifndef TR_ETW_SCHEMA_PARTS_H
#define TR_ETW_SCHEMA_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "etw_match.h"
#include "etw_layouts.h"

/* One block of memory: fields, labels, the table of names and texts lie behind it. */
struct tr_etw_schema {
    struct tr_etw_layout layout;
    const uint16_t *names;           /* by tr_etw_field.id: the field's number + 1 with TR_ETW_AMBIGUOUS, or 0 */
    uint32_t name_slots;             /* a power of two, more than there are fields */
    bool bad;                        /* of an event that describes itself senselessly: kept, so that it is known */
};

/* Prepare a schema: check it and compute what events need. Returns NULL and -1 or -2 in *error. */
struct tr_etw_schema *tr_etw_schema_prepare(const struct tr_etw_layout *layout, int32_t *error);

#define TR_ETW_AMBIGUOUS 0x8000u     /* two names have one id: it stands for neither */
#define TR_ETW_NO_FIELD 0xffffffffu

/* The field that programs mean by a number or a name's id, or TR_ETW_NO_FIELD. Fields of a struct that is repeated have
   no place of their own. */
uint32_t tr_etw_field_of(const struct tr_etw_schema *schema, uint32_t asked);

/* Bytes of one value whose size is the same in every payload, or 0. */
uint32_t tr_etw_fixed_bytes(const struct tr_etw_field *field, uint32_t pointer_size);

/* Whether a value is a whole number that may say how long others are. */
static inline bool tr_etw_is_number(uint8_t type)
{
    return type >= TR_ETW_INT8 && type <= TR_ETW_UINT64;
}

static inline bool tr_etw_has_length(uint8_t type)
{
    return type >= TR_ETW_UTF16 && type <= TR_ETW_BYTES;
}

static inline const char *tr_etw_name(const struct tr_etw_schema *schema, const struct tr_etw_field *field)
{
    return schema->layout.texts + field->name;
}

/* What a look-up found of an event: how far it got. SENSELESS: what the event says of itself. */
enum tr_etw_known {
    TR_ETW_KNOWN, TR_ETW_NO_PROVIDER, TR_ETW_NO_EVENT, TR_ETW_NO_VERSION, TR_ETW_SENSELESS, TR_ETW_WPP_MESSAGE
};

struct tr_etw_look {
    const struct tr_etw_schema *schema;      /* NULL: not KNOWN; SENSELESS: marked bad, or NULL without memory */
    const char *provider;                    /* its name; NULL: none */
    uint32_t provider_bytes;
    enum tr_etw_known known;
};

/* The key by which an event's schema is looked up: its names' key, but classic events have a space of their own. */
struct tr_etw_schema_key tr_etw_schema_key_of(const struct tr_etw_context *context);

/* The schema of exactly that key, or NULL. */
const struct tr_etw_schema *tr_etw_schemas_exact(const struct tr_etw_schemas *schemas,
                                                 const struct tr_etw_schema_key *key);

struct tr_etw_look tr_etw_schemas_find(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key);

/* Read a description (EVENT_SCHEMA_TL); `fields` has room for TR_ETW_MAX_FIELDS. One that makes no sense gives a schema
   that is marked bad. NULL without memory. */
struct tr_etw_schema *tr_etw_describe(const uint8_t *description, uint32_t bytes, struct tr_etw_field *fields);

/* Schemas of events that describe themselves (TraceLogging), by provider and description. */
struct tr_etw_self;

struct tr_etw_self *tr_etw_self_new(void);
void tr_etw_self_free(struct tr_etw_self *self);

/* The schema of a description (EVENT_SCHEMA_TL); one that makes no sense is marked bad. NULL without memory. It stays
   until the next call. `emptied` counts how often all had to be forgotten to make room. */
const struct tr_etw_schema *tr_etw_self_find(struct tr_etw_self *self, const uint8_t *provider,
                                             const uint8_t *description, uint32_t bytes);
uint64_t tr_etw_self_emptied(const struct tr_etw_self *self);

#endif
