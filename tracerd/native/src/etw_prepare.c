/* Prepare a schema: what decoding relies on is checked here, once, and nowhere else. */
#include <stdlib.h>

#include "etw_schema.h"

#define NO_PARENT 0xffffu

/* The struct around each field while a schema is checked, and where the structs around the current one end. */
struct nesting {
    uint16_t parent[TR_ETW_MAX_FIELDS];
    uint32_t hash[TR_ETW_MAX_FIELDS];        /* of the struct and the name */
    uint32_t ends[TR_ETW_MAX_DEPTH];
    uint16_t structs[TR_ETW_MAX_DEPTH];
    uint32_t depth;
};

uint32_t tr_etw_fixed_bytes(const struct tr_etw_field *field, uint32_t pointer_size)
{
    static const uint8_t bytes[TR_ETW_TYPES] = {
        [TR_ETW_INT8] = 1, [TR_ETW_UINT8] = 1, [TR_ETW_INT16] = 2, [TR_ETW_UINT16] = 2, [TR_ETW_INT32] = 4,
        [TR_ETW_UINT32] = 4, [TR_ETW_INT64] = 8, [TR_ETW_UINT64] = 8, [TR_ETW_FLOAT] = 4, [TR_ETW_DOUBLE] = 8,
        [TR_ETW_GUID] = 16, [TR_ETW_FILETIME] = 8, [TR_ETW_SYSTEMTIME] = 16,
    };

    if (field->type == TR_ETW_POINTER)
        return pointer_size;
    if (field->length_kind == TR_ETW_HOLE)
        return pointer_size - 4;
    if (field->length_kind == TR_ETW_FIXED)
        return (uint32_t)field->length * (field->type == TR_ETW_UTF16 ? 2 : 1);
    return bytes[field->type];
}

static bool text_fits(const struct tr_etw_layout *layout, uint32_t at, uint32_t bytes)
{
    return at <= layout->text_bytes && bytes <= layout->text_bytes - at;
}

/* A length or a count is read before whatever it is of: it is a single number, and lies beside the field or beside one
   of the structs around it. Then no path to the field misses it, however often a struct is repeated. */
static bool is_read_before(const struct nesting *nesting, const struct tr_etw_layout *layout, uint32_t index,
                           uint32_t number)
{
    const struct tr_etw_field *of = &layout->fields[number];
    uint16_t around = nesting->parent[index];

    if (number >= index || !tr_etw_is_number(of->type) || of->count_kind != TR_ETW_ONE)
        return false;
    while (around != nesting->parent[number] && around != NO_PARENT)
        around = nesting->parent[around];
    return around == nesting->parent[number];
}

static bool length_is_sound(const struct nesting *nesting, const struct tr_etw_layout *layout, uint32_t index)
{
    const struct tr_etw_field *field = &layout->fields[index];

    switch (field->length_kind) {
    case TR_ETW_ONE:
        return !tr_etw_has_length(field->type);
    case TR_ETW_ZERO:
        return field->type == TR_ETW_UTF16 || field->type == TR_ETW_ANSI;
    case TR_ETW_FIELD:
        return tr_etw_has_length(field->type) && is_read_before(nesting, layout, index, field->length);
    case TR_ETW_FIXED: case TR_ETW_COUNTED: case TR_ETW_REST:
        return tr_etw_has_length(field->type);
    case TR_ETW_HOLE:
        return field->type == TR_ETW_BYTES;
    default:
        return false;
    }
}

static bool count_is_sound(const struct nesting *nesting, const struct tr_etw_layout *layout, uint32_t index)
{
    const struct tr_etw_field *field = &layout->fields[index];

    if (field->count_kind == TR_ETW_FIELD)
        return is_read_before(nesting, layout, index, field->count);
    return field->count_kind <= TR_ETW_REST && field->count_kind != TR_ETW_ZERO;
}

static bool show_is_sound(const struct tr_etw_field *field)
{
    switch (field->show) {
    case 0: return true;
    case TR_ETW_HEX: return tr_etw_is_number(field->type) || field->type == TR_ETW_POINTER;
    case TR_ETW_BOOL: return tr_etw_is_number(field->type);
    case TR_ETW_CHAR: return field->type == TR_ETW_UINT8 || field->type == TR_ETW_INT8 || field->type == TR_ETW_UINT16;
    case TR_ETW_PORT: return field->type == TR_ETW_UINT16;
    case TR_ETW_IPV4: return field->type == TR_ETW_UINT32;
    case TR_ETW_TIME: return field->type == TR_ETW_INT64 || field->type == TR_ETW_UINT64;
    case TR_ETW_IPV6: case TR_ETW_SOCKADDR: return field->type == TR_ETW_BYTES;
    default: return false;
    }
}

/* Step into the structs around a field, and out of those that ended before it. Returns false if they do not nest. */
static bool nest(struct nesting *nesting, const struct tr_etw_layout *layout, struct tr_etw_field *field,
                 uint32_t index)
{
    uint32_t end = index + 1 + field->members;

    while (nesting->depth && nesting->ends[nesting->depth - 1] <= index)
        nesting->depth--;
    nesting->parent[index] = nesting->depth ? nesting->structs[nesting->depth - 1] : NO_PARENT;
    field->depth = (uint8_t)nesting->depth;
    if (field->type != TR_ETW_STRUCT)
        return field->members == 0;
    if (end > (nesting->depth ? nesting->ends[nesting->depth - 1] : layout->field_count))
        return false;
    if (nesting->depth == TR_ETW_MAX_DEPTH)
        return false;
    nesting->structs[nesting->depth] = (uint16_t)index;
    nesting->ends[nesting->depth++] = end;
    return true;
}

static bool check_field(struct nesting *nesting, const struct tr_etw_layout *layout, struct tr_etw_field *field,
                        uint32_t index)
{
    if (!field->type || field->type >= TR_ETW_TYPES || !text_fits(layout, field->name, field->name_bytes))
        return false;
    return nest(nesting, layout, field, index) && length_is_sound(nesting, layout, index) &&
           count_is_sound(nesting, layout, index) && show_is_sound(field);
}

static void mark_referenced(struct tr_etw_field *fields, const struct tr_etw_field *field)
{
    if (field->length_kind == TR_ETW_FIELD)
        fields[field->length].referenced = 1;
    if (field->count_kind == TR_ETW_FIELD)
        fields[field->count].referenced = 1;
}

static bool same_name(const struct tr_etw_layout *layout, const struct tr_etw_field *a, const struct tr_etw_field *b)
{
    return a->name_bytes == b->name_bytes && !memcmp(layout->texts + a->name, layout->texts + b->name, a->name_bytes);
}

/* FNV-1a. */
static uint32_t hash_of(const struct tr_etw_layout *layout, const struct tr_etw_field *field, uint16_t parent)
{
    uint32_t hash = 2166136261u ^ parent;

    for (uint32_t i = 0; i < field->name_bytes; i++)
        hash = (hash ^ (uint8_t)layout->texts[field->name + i]) * 16777619u;
    return hash;
}

/* Count the fields of the same struct that have the name already: output must not lose one of two. Descriptions come
   with events, so this compares numbers before names. */
static uint16_t count_same(struct nesting *nesting, const struct tr_etw_layout *layout, uint32_t index)
{
    const struct tr_etw_field *fields = layout->fields;
    uint32_t hash = hash_of(layout, &fields[index], nesting->parent[index]);

    nesting->hash[index] = hash;
    for (uint32_t i = index; i-- > 0;)
        if (nesting->hash[i] == hash && nesting->parent[i] == nesting->parent[index] &&
            same_name(layout, &fields[i], &fields[index]))
            return (uint16_t)(fields[i].same + 1);
    return 0;
}

/* Give every field its offset for as long as all before it have one size. A single struct's members lie in line; an
   array has its first value's offset, and what is in it none. */
static void set_offsets(struct tr_etw_field *fields, uint32_t count, uint32_t pointer_size)
{
    uint64_t at = 0;
    bool fixed = true;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes = tr_etw_fixed_bytes(&fields[i], pointer_size);
        uint16_t offset = fixed && at < TR_ETW_NO_OFFSET ? (uint16_t)at : TR_ETW_NO_OFFSET;

        *(pointer_size == 4 ? &fields[i].offset32 : &fields[i].offset64) = offset;
        if (fields[i].type == TR_ETW_STRUCT && fields[i].count_kind == TR_ETW_ONE)
            continue;
        fixed = fixed && bytes && (fields[i].count_kind == TR_ETW_ONE || fields[i].count_kind == TR_ETW_FIXED);
        at += (uint64_t)bytes * (fields[i].count_kind == TR_ETW_ONE ? 1 : fields[i].count);
    }
}

/* A field has a place of its own if no struct around it is repeated. */
static void set_id(const struct nesting *nesting, const struct tr_etw_layout *layout, struct tr_etw_field *field,
                   uint32_t index)
{
    uint16_t around = nesting->parent[index];

    field->id = 0;
    if (around == NO_PARENT || (layout->fields[around].id && layout->fields[around].count_kind == TR_ETW_ONE))
        field->id = hash_of(layout, field, 0) | TR_ETW_BY_NAME;
}

static uint32_t slots_for(uint32_t fields)
{
    uint32_t slots = 2;

    while (slots < 2 * fields)
        slots *= 2;
    return slots;
}

/* Where a name is in the table, or the free slot that is its. */
static uint32_t name_slot(const struct tr_etw_schema *schema, uint32_t id)
{
    uint32_t slot = id & (schema->name_slots - 1);

    while (schema->names[slot] &&
           schema->layout.fields[(schema->names[slot] & ~TR_ETW_AMBIGUOUS) - 1].id != id)
        slot = (slot + 1) & (schema->name_slots - 1);
    return slot;
}

/* Of fields with one name the first is meant; if two names have one id, it stands for neither. */
static void fill_names(const struct tr_etw_schema *schema, uint16_t *names)
{
    const struct tr_etw_field *fields = schema->layout.fields;

    for (uint32_t i = 0; i < schema->layout.field_count; i++) {
        uint32_t slot;

        if (!fields[i].id)
            continue;
        slot = name_slot(schema, fields[i].id);
        if (!names[slot])
            names[slot] = (uint16_t)(i + 1);
        else if (!same_name(&schema->layout, &fields[(names[slot] & ~TR_ETW_AMBIGUOUS) - 1], &fields[i]))
            names[slot] |= TR_ETW_AMBIGUOUS;
    }
}

uint32_t tr_etw_field_of(const struct tr_etw_schema *schema, uint32_t asked)
{
    uint16_t name;

    if (asked < TR_ETW_MAX_FIELDS)
        return asked < schema->layout.field_count && schema->layout.fields[asked].id ? asked : TR_ETW_NO_FIELD;
    name = schema->names[name_slot(schema, asked)];
    return name && !(name & TR_ETW_AMBIGUOUS) ? name - 1u : TR_ETW_NO_FIELD;
}

static bool labels_fit(const struct tr_etw_layout *layout)
{
    for (uint32_t i = 0; i < layout->label_count; i++)
        if (!text_fits(layout, layout->labels[i].text, layout->labels[i].text_bytes))
            return false;
    return true;
}

static bool finish(const struct tr_etw_schema *schema)
{
    const struct tr_etw_layout *layout = &schema->layout;
    struct tr_etw_field *fields = (struct tr_etw_field *)(uintptr_t)layout->fields;
    struct nesting nesting = {.depth = 0};

    for (uint32_t i = 0; i < layout->field_count; i++) {
        fields[i].referenced = 0;
        if (!check_field(&nesting, layout, &fields[i], i))
            return false;
        mark_referenced(fields, &fields[i]);
        fields[i].same = count_same(&nesting, layout, i);
        set_id(&nesting, layout, &fields[i], i);
    }
    set_offsets(fields, layout->field_count, 4);
    set_offsets(fields, layout->field_count, 8);
    fill_names(schema, (uint16_t *)(uintptr_t)schema->names);
    return true;
}

/* One block: the schema, its fields, labels, names and texts, each as aligned as it needs. */
static struct tr_etw_schema *copy(const struct tr_etw_layout *from)
{
    size_t fields = from->field_count * sizeof *from->fields, labels = from->label_count * sizeof *from->labels;
    size_t names = slots_for(from->field_count) * sizeof(uint16_t);
    struct tr_etw_schema *schema = calloc(1, sizeof *schema + fields + labels + names + from->text_bytes);
    char *at = (char *)(schema + 1);

    if (!schema)
        return NULL;
    schema->layout = *from;
    if (fields)
        schema->layout.fields = memcpy(at, from->fields, fields);
    if (labels)
        schema->layout.labels = memcpy(at + fields, from->labels, labels);
    schema->names = (const uint16_t *)(const void *)(at + fields + labels);
    schema->name_slots = slots_for(from->field_count);
    schema->layout.texts = at + fields + labels + names;
    if (from->text_bytes)
        memcpy(at + fields + labels + names, from->texts, from->text_bytes);
    return schema;
}

struct tr_etw_schema *tr_etw_schema_prepare(const struct tr_etw_layout *layout, int32_t *error)
{
    struct tr_etw_schema *schema = NULL;

    *error = -2;
    if (layout->field_count > TR_ETW_MAX_FIELDS || layout->label_count > 65536 || layout->text_bytes > 16u << 20 ||
        !text_fits(layout, layout->name, layout->name_bytes))
        return NULL;
    *error = -1;
    schema = copy(layout);
    if (!schema)
        return NULL;
    *error = -2;
    if (labels_fit(layout) && finish(schema)) {
        *error = 0;
        return schema;
    }
    free(schema);
    return NULL;
}
