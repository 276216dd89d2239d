/* Finding fields of the event whose programs run. What was found of an event stays until the next: its schema is looked
   for once, and its payload is walked once, as far as somebody asks. */
#include <stdlib.h>

#include "etw_reader.h"
#include "error_numbers.h"

struct tr_etw_reader *tr_etw_reader_new(const struct tr_etw_schemas *schemas)
{
    struct tr_etw_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    if (tr_etw_finder_init(&reader->finder, schemas))
        return reader;
    tr_etw_reader_free(reader);
    return NULL;
}

void tr_etw_reader_free(struct tr_etw_reader *reader)
{
    if (!reader)
        return;
    tr_etw_finder_release(&reader->finder);
    free(reader);
}

void tr_etw_reader_counts(const struct tr_etw_reader *reader, struct tr_etw_reading *counts)
{
    *counts = reader->counts;
}

static void settle(struct tr_etw_reader *reader)
{
    const struct tr_etw_context *context = reader->context;

    reader->settled = true;
    reader->cut = false;
    reader->schema = tr_etw_schema_of(&reader->finder, context, reader->described);
    reader->counts.events++;
    reader->counts.unknown += !reader->schema;
    reader->next = 0;
    reader->at = 0;
    if (reader->schema)
        tr_etw_walk_event(&reader->walk, reader->schema, context);
}

static int32_t note_cut(struct tr_etw_reader *reader)
{
    reader->counts.cut += !reader->cut;
    reader->cut = true;
    return -TR_ENODATA;
}

/* Walk up to a field. Single structs are stepped into, so that their members have places. */
static int32_t walk_to(struct tr_etw_reader *reader, uint32_t index)
{
    const struct tr_etw_field *fields = reader->schema->layout.fields;

    while (reader->next <= index) {
        const struct tr_etw_field *field = &fields[reader->next];
        uint32_t at = reader->at;

        reader->begins[reader->next] = at;
        if (reader->next == index)
            return 0;
        if (field->type == TR_ETW_STRUCT && field->count_kind == TR_ETW_ONE) {
            reader->next++;
            continue;
        }
        if (tr_etw_skip(&reader->walk, reader->next, &at))
            return note_cut(reader);
        reader->at = at;
        reader->next += 1u + field->members;
    }
    return 0;
}

/* A length or a count in another field is only known once that was walked over. */
static bool stands_alone(const struct tr_etw_field *field)
{
    return field->length_kind != TR_ETW_FIELD && field->count_kind != TR_ETW_FIELD;
}

int32_t tr_etw_ask(struct tr_etw_reader *reader, uint32_t asked, struct tr_etw_asked *found)
{
    uint16_t offset;
    int32_t error;

    if (!reader->settled)
        settle(reader);
    if (!reader->schema)
        return -TR_ENOMSG;
    found->index = tr_etw_field_of(reader->schema, asked);
    if (found->index == TR_ETW_NO_FIELD)
        return -TR_ENOENT;
    found->field = &reader->schema->layout.fields[found->index];
    offset = reader->walk.pointer_size == 4 ? found->field->offset32 : found->field->offset64;
    if (offset != TR_ETW_NO_OFFSET && stands_alone(found->field)) {
        found->at = offset;
        return offset <= reader->walk.size ? 0 : note_cut(reader);
    }
    error = walk_to(reader, found->index);
    found->at = reader->begins[found->index];
    return error;
}

int32_t tr_etw_take(struct tr_etw_reader *reader, const struct tr_etw_asked *asked, struct tr_etw_span *span)
{
    uint32_t fixed = tr_etw_fixed_bytes(asked->field, reader->walk.pointer_size);
    struct tr_etw_values values;

    if (asked->field->type == TR_ETW_STRUCT)
        return -TR_EINVAL;
    if (asked->field->count_kind == TR_ETW_ONE)
        return tr_etw_value(&reader->walk, asked->index, asked->at, span) ? note_cut(reader) : 0;
    if (!fixed)
        return -TR_EINVAL;
    if (tr_etw_values(&reader->walk, asked->index, asked->at, &values))
        return note_cut(reader);
    span->data = values.first;
    span->bytes = fixed * values.count;
    span->end = span->data + span->bytes;
    return 0;
}
