/* Decoded fields as text. */
#ifndef TR_ETW_JSON_H
#define TR_ETW_JSON_H

#include "etw_fields.h"
#include "etw_text.h"

#define TR_ETW_MAX_LABELS 32u                /* of one event: more are left out */

/* Values that have names, as they were met. */
struct tr_etw_labelled {
    uint16_t index[TR_ETW_MAX_LABELS];
    uint32_t value[TR_ETW_MAX_LABELS];
    uint32_t count;
};

/* Put all of a field: a value, or an array of them. *at moves behind it. Where it fails, what was put is half of it. */
enum tr_etw_step tr_etw_put_field(struct tr_text *text, struct tr_etw_walk *walk, uint32_t index, uint32_t *at,
                                  uint32_t digits);

/* Put all fields as one object, up to the one that fails: *failed is its index. `labelled` may be NULL. */
enum tr_etw_step tr_etw_put_fields(struct tr_text *text, struct tr_etw_walk *walk, uint32_t *at, uint32_t *failed,
                                   struct tr_etw_labelled *labelled);

/* Put the names of those values as one object: {"Opcode": "Delete"}. */
void tr_etw_put_labels(struct tr_text *text, const struct tr_etw_schema *schema,
                       const struct tr_etw_labelled *labelled);

/* The name as a key, with its quotes: a field's second of one name is "name#2". */
void tr_etw_put_key(struct tr_text *text, const struct tr_etw_schema *schema, const struct tr_etw_field *field);

#endif
