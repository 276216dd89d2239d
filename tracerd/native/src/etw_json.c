/* Fields of a payload to JSON, in one pass. */
#include "etw_json.h"

#define DIGITS 7u                            /* of a FILETIME's fraction */

static uint64_t unsigned_at(const uint8_t *at, uint32_t bytes)
{
    uint64_t value = 0;

    memcpy(&value, at, bytes);
    return value;
}

static int64_t signed_at(const uint8_t *at, uint32_t bytes)
{
    uint32_t unused = 64 - 8 * bytes;

    return (int64_t)(unsigned_at(at, bytes) << unused) >> unused;
}

static bool is_signed(uint8_t type)
{
    return type == TR_ETW_INT8 || type == TR_ETW_INT16 || type == TR_ETW_INT32 || type == TR_ETW_INT64;
}

/* A whole number, a pointer included. */
static void put_number(struct tr_text *text, const struct tr_etw_field *field, const uint8_t *at, uint32_t bytes,
                       uint32_t digits)
{
    uint64_t value = unsigned_at(at, bytes);

    switch (field->show) {
    case TR_ETW_HEX: tr_text_hex(text, value); break;
    case TR_ETW_BOOL: tr_text_plain(text, value ? "true" : "false"); break;
    case TR_ETW_PORT: tr_text_unsigned(text, (value & 0xff) << 8 | value >> 8); break;
    case TR_ETW_IPV4: tr_text_ipv4(text, at); break;
    case TR_ETW_TIME: tr_text_filetime(text, value, digits); break;
    case TR_ETW_CHAR: bytes == 1 ? tr_text_utf8(text, at, 1) : tr_text_utf16(text, at, 2); break;
    default: is_signed(field->type) ? tr_text_signed(text, signed_at(at, bytes)) : tr_text_unsigned(text, value); break;
    }
}

static void put_bytes(struct tr_text *text, const struct tr_etw_field *field, const uint8_t *at, uint32_t bytes)
{
    if (field->show == TR_ETW_IPV6 && bytes == 16)
        tr_text_ipv6(text, at);
    else if (field->show == TR_ETW_SOCKADDR)
        tr_text_sockaddr(text, at, bytes);
    else
        tr_text_bytes(text, at, bytes);
}

static void put_user(struct tr_text *text, const uint8_t *sid, uint32_t bytes)
{
    if (bytes)
        tr_text_sid(text, sid, bytes);
    else if (!text->bare)
        tr_text_plain(text, "null");
}

static float float_at(const uint8_t *at) { float value; memcpy(&value, at, sizeof value); return value; }
static double double_at(const uint8_t *at) { double value; memcpy(&value, at, sizeof value); return value; }

static void put_scalar(struct tr_text *text, const struct tr_etw_walk *walk, const struct tr_etw_field *field,
                       const struct tr_etw_span *span, uint32_t digits)
{
    const uint8_t *at = walk->payload + span->data;

    switch (field->type) {
    case TR_ETW_FLOAT: tr_text_double(text, (double)float_at(at), true); break;
    case TR_ETW_DOUBLE: tr_text_double(text, double_at(at), false); break;
    case TR_ETW_GUID: tr_text_guid(text, at); break;
    case TR_ETW_FILETIME: tr_text_filetime(text, unsigned_at(at, 8), digits); break;
    case TR_ETW_SYSTEMTIME: tr_text_systemtime(text, at); break;
    case TR_ETW_SID: case TR_ETW_WBEM_SID: put_user(text, at, span->bytes); break;
    case TR_ETW_UTF16: tr_text_utf16(text, at, span->bytes); break;
    case TR_ETW_ANSI: tr_text_utf8(text, at, span->bytes); break;
    case TR_ETW_BYTES: put_bytes(text, field, at, span->bytes); break;
    default: put_number(text, field, at, span->bytes, digits); break;
    }
}

void tr_etw_put_key(struct tr_text *text, const struct tr_etw_schema *schema, const struct tr_etw_field *field)
{
    tr_text_byte(text, '"');
    tr_text_utf8_part(text, (const uint8_t *)tr_etw_name(schema, field), field->name_bytes);
    if (field->same) {
        tr_text_byte(text, '#');
        tr_text_unsigned(text, field->same + 1u);
    }
    tr_text_byte(text, '"');
}

/* Structs are at most TR_ETW_MAX_DEPTH deep, so this is. */
static enum tr_etw_step put_members(struct tr_text *text, struct tr_etw_walk *walk, uint32_t index, uint32_t *at)
{
    const struct tr_etw_field *fields = walk->schema->layout.fields;
    uint32_t last = index + fields[index].members;
    enum tr_etw_step step = TR_ETW_STEP_OK;

    tr_text_byte(text, '{');
    for (uint32_t i = index + 1; i <= last && !step && !text->failed; i += 1 + fields[i].members) {
        if (i > index + 1)
            tr_text_byte(text, ',');
        tr_etw_put_key(text, walk->schema, &fields[i]);
        tr_text_byte(text, ':');
        step = tr_etw_put_field(text, walk, i, at, DIGITS);
    }
    tr_text_byte(text, '}');
    return step;
}

static enum tr_etw_step put_value(struct tr_text *text, struct tr_etw_walk *walk, uint32_t index, uint32_t *at,
                                  uint32_t digits)
{
    const struct tr_etw_field *field = &walk->schema->layout.fields[index];
    struct tr_etw_span span;
    enum tr_etw_step step = tr_etw_value(walk, index, *at, &span);

    if (step)
        return step;
    *at = span.end;
    if (field->type == TR_ETW_STRUCT)
        return put_members(text, walk, index, at);
    put_scalar(text, walk, field, &span, digits);
    return TR_ETW_STEP_OK;
}

/* An array of characters is a text. */
static void put_characters(struct tr_text *text, const struct tr_etw_walk *walk, const struct tr_etw_field *field,
                           const struct tr_etw_values *values, uint32_t *at)
{
    uint32_t unit = tr_etw_fixed_bytes(field, walk->pointer_size), bytes = values->count * unit;

    if (unit == 1)
        tr_text_utf8(text, walk->payload + values->first, bytes);
    else
        tr_text_utf16(text, walk->payload + values->first, bytes);
    *at = values->first + bytes;
}

enum tr_etw_step tr_etw_put_field(struct tr_text *text, struct tr_etw_walk *walk, uint32_t index, uint32_t *at,
                                  uint32_t digits)
{
    const struct tr_etw_field *field = &walk->schema->layout.fields[index];
    struct tr_etw_values values;
    enum tr_etw_step step;

    if (field->count_kind == TR_ETW_ONE)
        return put_value(text, walk, index, at, digits);
    step = tr_etw_values(walk, index, *at, &values);
    if (step)
        return step;
    if (field->show == TR_ETW_CHAR) {
        put_characters(text, walk, field, &values, at);
        return TR_ETW_STEP_OK;
    }
    *at = values.first;
    tr_text_byte(text, '[');
    for (uint32_t done = 0; tr_etw_more(walk, &values, done, *at) && !step && !text->failed; done++) {
        if (done)
            tr_text_byte(text, ',');
        step = put_value(text, walk, index, at, digits);
    }
    tr_text_byte(text, ']');
    return step;
}

/* Remember a value that has a name: only whole numbers that are there once have. */
static void remember(struct tr_etw_labelled *labelled, const struct tr_etw_walk *walk, uint32_t index, uint32_t at)
{
    const struct tr_etw_field *field = &walk->schema->layout.fields[index];

    if (!field->map || !tr_etw_is_number(field->type) || field->count_kind != TR_ETW_ONE ||
        labelled->count == TR_ETW_MAX_LABELS)
        return;
    labelled->index[labelled->count] = (uint16_t)index;
    labelled->value[labelled->count++] =
        (uint32_t)unsigned_at(walk->payload + at, tr_etw_fixed_bytes(field, walk->pointer_size));
}

enum tr_etw_step tr_etw_put_fields(struct tr_text *text, struct tr_etw_walk *walk, uint32_t *at, uint32_t *failed,
                                   struct tr_etw_labelled *labelled)
{
    const struct tr_etw_layout *layout = &walk->schema->layout;
    enum tr_etw_step step = TR_ETW_STEP_OK;

    tr_text_byte(text, '{');
    for (uint32_t i = 0; i < layout->field_count && !text->failed; i += 1 + layout->fields[i].members) {
        size_t begin = text->used;
        uint32_t first = *at;

        if (i)
            tr_text_byte(text, ',');
        tr_etw_put_key(text, walk->schema, &layout->fields[i]);
        tr_text_byte(text, ':');
        step = tr_etw_put_field(text, walk, i, at, DIGITS);
        if (step) {                          /* a field that fails is not there; *at stays where it began */
            text->used = begin;
            *at = first;
            *failed = i;
            break;
        }
        if (labelled)
            remember(labelled, walk, i, first);
    }
    tr_text_byte(text, '}');
    return step;
}

static void put_text_part(struct tr_text *text, const struct tr_etw_schema *schema, const struct tr_etw_label *label)
{
    tr_text_utf8_part(text, (const uint8_t *)schema->layout.texts + label->text, label->text_bytes);
}

/* The name of a value, or the names of its bits with a bar between. */
static void put_label(struct tr_text *text, const struct tr_etw_schema *schema, uint16_t map, uint32_t value)
{
    bool first = true;

    tr_text_byte(text, '"');
    for (uint32_t i = 0; i < schema->layout.label_count; i++) {
        const struct tr_etw_label *label = &schema->layout.labels[i];

        if (label->map != map || (label->bit ? !label->value || (value & label->value) != label->value :
                                               value != label->value))
            continue;
        if (!first)
            tr_text_byte(text, '|');
        put_text_part(text, schema, label);
        first = false;
        if (!label->bit)
            break;
    }
    tr_text_byte(text, '"');
}

void tr_etw_put_labels(struct tr_text *text, const struct tr_etw_schema *schema,
                       const struct tr_etw_labelled *labelled)
{
    tr_text_byte(text, '{');
    for (uint32_t i = 0; i < labelled->count; i++) {
        const struct tr_etw_field *field = &schema->layout.fields[labelled->index[i]];

        if (i)
            tr_text_byte(text, ',');
        tr_etw_put_key(text, schema, field);
        tr_text_byte(text, ':');
        put_label(text, schema, field->map, labelled->value[i]);
    }
    tr_text_byte(text, '}');
}
