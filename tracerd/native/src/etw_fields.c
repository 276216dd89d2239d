/* Walk a payload by its schema. */
#include "etw_fields.h"

static enum tr_etw_step take(const struct tr_etw_walk *walk, uint32_t at, uint32_t bytes, struct tr_etw_span *span)
{
    if (bytes > walk->size - at)
        return TR_ETW_STEP_SHORT;
    *span = (struct tr_etw_span){.data = at, .bytes = bytes, .end = at + bytes};
    return TR_ETW_STEP_OK;
}

/* The number in a field, as a length or count: what is negative or above 32 bits is more than any payload has. */
static uint32_t number_at(const uint8_t *at, uint8_t type)
{
    switch (type) {
    case TR_ETW_INT8: return (int8_t)*at < 0 ? UINT32_MAX : *at;
    case TR_ETW_UINT8: return *at;
    case TR_ETW_INT16: return (int16_t)tr_u16(at) < 0 ? UINT32_MAX : tr_u16(at);
    case TR_ETW_UINT16: return tr_u16(at);
    case TR_ETW_INT32: return (int32_t)tr_u32(at) < 0 ? UINT32_MAX : tr_u32(at);
    case TR_ETW_UINT32: return tr_u32(at);
    default: return (uint64_t)tr_i64(at) > UINT32_MAX ? UINT32_MAX : (uint32_t)tr_i64(at);
    }
}

/* A SID: revision, number of parts, 6 bytes of authority, parts of 4 bytes. */
static enum tr_etw_step take_sid(const struct tr_etw_walk *walk, uint32_t at, struct tr_etw_span *span)
{
    if (walk->size - at < 8)
        return TR_ETW_STEP_SHORT;
    return take(walk, at, 8 + 4u * walk->payload[at + 1], span);
}

/* Whether a TOKEN_USER without pointers and a SID are there: a name in their place has no such bytes. */
static bool is_cleared_user(const struct tr_etw_walk *walk, uint32_t at)
{
    static const uint8_t none[16];
    const uint8_t *user = walk->payload + at, *sid = user + 2 * walk->pointer_size;

    return walk->size - at >= 2 * walk->pointer_size + 8 && !memcmp(user, none, 2 * walk->pointer_size) &&
           sid[0] == 1 && sid[1] >= 1 && sid[1] <= 15 && !memcmp(sid + 2, none, 5);
}

/* What WMI writes for a user: a zero if there is none, else a TOKEN_USER (two pointers) and the SID. Those who write
   such events themselves leave the pointers out. */
static enum tr_etw_step take_wbem_sid(const struct tr_etw_walk *walk, uint32_t at, struct tr_etw_span *span)
{
    if (walk->size - at < 4)
        return TR_ETW_STEP_SHORT;
    if (tr_u32(walk->payload + at) == 0 && !is_cleared_user(walk, at)) {
        *span = (struct tr_etw_span){.data = at + 4, .bytes = 0, .end = at + 4};
        return TR_ETW_STEP_OK;
    }
    if (walk->size - at < 2 * walk->pointer_size)
        return TR_ETW_STEP_SHORT;
    return take_sid(walk, at + 2 * walk->pointer_size, span);
}

/* A text that ends with a zero, or where the payload does. */
static enum tr_etw_step take_terminated(const struct tr_etw_walk *walk, uint32_t at, uint32_t unit,
                                        struct tr_etw_span *span)
{
    uint32_t whole = walk->size - (walk->size - at) % unit, end = at;

    if (unit == 1) {
        const uint8_t *zero = at < whole ? memchr(walk->payload + at, 0, whole - at) : NULL;

        end = zero ? (uint32_t)(zero - walk->payload) : whole;
    } else {
        while (end < whole && tr_u16(walk->payload + end))
            end += 2;
    }
    *span = (struct tr_etw_span){.data = at, .bytes = end - at, .end = end < whole ? end + unit : end};
    return TR_ETW_STEP_OK;
}

static enum tr_etw_step take_counted(const struct tr_etw_walk *walk, uint32_t at, struct tr_etw_span *span)
{
    if (walk->size - at < 2)
        return TR_ETW_STEP_SHORT;
    return take(walk, at + 2, tr_u16(walk->payload + at), span);
}

static enum tr_etw_step take_sized(const struct tr_etw_walk *walk, const struct tr_etw_field *field, uint32_t at,
                                   struct tr_etw_span *span)
{
    uint32_t unit = field->type == TR_ETW_UTF16 ? 2 : 1, number;

    switch (field->length_kind) {
    case TR_ETW_ZERO:
        return take_terminated(walk, at, unit, span);
    case TR_ETW_COUNTED:
        return take_counted(walk, at, span);
    case TR_ETW_REST:
        return take(walk, at, walk->size - at, span);
    case TR_ETW_HOLE:
        return take(walk, at, walk->pointer_size - 4, span);
    default:
        number = field->length_kind == TR_ETW_FIELD ? walk->values[field->length] : field->length;
        return number > walk->size ? TR_ETW_STEP_SHORT : take(walk, at, number * unit, span);
    }
}

enum tr_etw_step tr_etw_value(struct tr_etw_walk *walk, uint32_t index, uint32_t at, struct tr_etw_span *span)
{
    const struct tr_etw_field *field = &walk->schema->layout.fields[index];
    uint32_t fixed = tr_etw_fixed_bytes(field, walk->pointer_size);

    if (walk->budget == 0)
        return TR_ETW_STEP_TOO_MANY;
    walk->budget--;
    if (fixed) {
        enum tr_etw_step step = take(walk, at, fixed, span);

        if (!step && field->referenced)
            walk->values[index] = number_at(walk->payload + at, field->type);
        return step;
    }
    switch (field->type) {
    case TR_ETW_SID: return take_sid(walk, at, span);
    case TR_ETW_WBEM_SID: return take_wbem_sid(walk, at, span);
    case TR_ETW_STRUCT: return take(walk, at, 0, span);
    default: return take_sized(walk, field, at, span);
    }
}

enum tr_etw_step tr_etw_values(struct tr_etw_walk *walk, uint32_t index, uint32_t at, struct tr_etw_values *values)
{
    const struct tr_etw_field *field = &walk->schema->layout.fields[index];
    uint32_t fixed = tr_etw_fixed_bytes(field, walk->pointer_size);

    *values = (struct tr_etw_values){.first = at, .count = 1};
    switch (field->count_kind) {
    case TR_ETW_FIXED:
        values->count = field->count;
        break;
    case TR_ETW_FIELD:
        values->count = walk->values[field->count];
        break;
    case TR_ETW_COUNTED:
        if (walk->size - at < 2)
            return TR_ETW_STEP_SHORT;
        values->count = tr_u16(walk->payload + at);
        values->first = at + 2;
        break;
    case TR_ETW_REST:
        values->rest = !fixed;
        values->count = fixed ? (walk->size - at) / fixed : 0;
        break;
    default:
        break;
    }
    return fixed && (uint64_t)fixed * values->count > walk->size - values->first ? TR_ETW_STEP_SHORT : TR_ETW_STEP_OK;
}

/* Structs are at most TR_ETW_MAX_DEPTH deep, so this is. */
static enum tr_etw_step skip_members(struct tr_etw_walk *walk, uint32_t index, uint32_t *at)
{
    const struct tr_etw_field *fields = walk->schema->layout.fields;
    uint32_t last = index + fields[index].members;
    enum tr_etw_step step = TR_ETW_STEP_OK;

    for (uint32_t i = index + 1; i <= last && !step; i += 1 + fields[i].members)
        step = tr_etw_skip(walk, i, at);
    return step;
}

enum tr_etw_step tr_etw_skip(struct tr_etw_walk *walk, uint32_t index, uint32_t *at)
{
    const struct tr_etw_field *field = &walk->schema->layout.fields[index];
    uint32_t fixed = tr_etw_fixed_bytes(field, walk->pointer_size);
    struct tr_etw_values values;
    struct tr_etw_span span;
    enum tr_etw_step step = tr_etw_values(walk, index, *at, &values);

    if (step)
        return step;
    *at = values.first;
    if (fixed && field->count_kind != TR_ETW_ONE) {
        *at += fixed * values.count;
        return TR_ETW_STEP_OK;
    }
    for (uint32_t done = 0; tr_etw_more(walk, &values, done, *at); done++) {
        step = tr_etw_value(walk, index, *at, &span);
        if (step)
            return step;
        *at = span.end;
        if (field->type == TR_ETW_STRUCT)
            step = skip_members(walk, index, at);
        if (step)
            return step;
    }
    return TR_ETW_STEP_OK;
}

/* Whether the fields take up exactly the payload. */
static bool fits_exactly(struct tr_etw_walk *walk, const struct tr_etw_schema *schema,
                         const struct tr_etw_context *event, uint32_t pointer_size)
{
    const struct tr_etw_layout *layout = &schema->layout;
    enum tr_etw_step step = TR_ETW_STEP_OK;
    uint32_t at = 0;

    tr_etw_walk_begin(walk, schema, event->data, (uint32_t)(event->data_end - event->data), pointer_size);
    for (uint32_t i = 0; i < layout->field_count && !step; i += 1 + layout->fields[i].members)
        step = tr_etw_skip(walk, i, &at);
    return !step && at == walk->size;
}

/* The pointer size is the header's. But a 32-bit program that hands on a 64-bit kernel's events writes classic headers
   of its own around their payloads: those are told by what fits. */
static uint32_t pointer_size_of(struct tr_etw_walk *walk, const struct tr_etw_schema *schema,
                                const struct tr_etw_context *event)
{
    bool handed_on = event->kind == TR_ETL_FULL32 && event->hook != TR_ETW_NO_HOOK;

    if (event->pointer_size != 4)
        return 8;
    return handed_on && !fits_exactly(walk, schema, event, 4) && fits_exactly(walk, schema, event, 8) ? 8 : 4;
}

void tr_etw_walk_event(struct tr_etw_walk *walk, const struct tr_etw_schema *schema,
                       const struct tr_etw_context *event)
{
    uint32_t pointer_size = pointer_size_of(walk, schema, event);

    tr_etw_walk_begin(walk, schema, event->data, (uint32_t)(event->data_end - event->data), pointer_size);
}
