/* Hooks: which events are theirs, which fields they take of them, and the count of verdicts. */
#include <stdlib.h>

#include "hooks_parts.h"

/* One thread at a time runs a hook, others read its counts: words that never tear. */
static void add(uint64_t *count)
{
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

struct tr_hook *tr_hook_new(uint32_t kind, const struct tr_etw_schemas *schemas, struct tr_program *target)
{
    struct tr_hook *hook = calloc(1, sizeof *hook);

    if (!hook)
        return NULL;
    hook->kind = kind;
    hook->schemas = schemas;
    hook->target = target;
    hook->shapes = calloc(TR_HOOK_SHAPES, sizeof *hook->shapes);
    if (hook->shapes)
        return hook;
    free(hook);
    return NULL;
}

void tr_hook_free(struct tr_hook *hook)
{
    if (!hook)
        return;
    free(hook->shapes);
    free(hook);
}

/* Parts are top-level values, and so is everything before them that is walked over: tr_etw_skip knows structs. */
static int32_t take_parts(struct tr_hook_shape *shape, const uint16_t *parts)
{
    const struct tr_etw_layout *layout = &shape->schema->layout;

    for (uint32_t i = 0; i < TR_ETW_MAX_FIELDS; i++)
        shape->part_of[i] = TR_NO_PART;
    for (uint32_t part = 0; part < TR_PARTS; part++) {
        uint32_t field = parts[part];

        if (field == TR_NO_PART)
            continue;
        if (field >= layout->field_count || layout->fields[field].depth ||
            layout->fields[field].count_kind != TR_ETW_ONE || layout->fields[field].type == TR_ETW_STRUCT)
            return -1;
        shape->part_of[field] = (uint16_t)part;
        if (field >= shape->fields)
            shape->fields = field + 1;
    }
    return 0;
}

int32_t tr_hook_add(struct tr_hook *hook, const struct tr_etw_schema_key *key, uint32_t operation,
                    const uint16_t *parts)
{
    struct tr_hook_shape *shape = &hook->shapes[hook->shape_count];
    struct tr_etw_look look;

    if (hook->shape_count == TR_HOOK_SHAPES || !hook->schemas)
        return -1;
    look = tr_etw_schemas_find(hook->schemas, key);
    if (!look.schema)
        return -1;
    *shape = (struct tr_hook_shape){.schema = look.schema, .operation = operation};
    if (take_parts(shape, parts) < 0)
        return -1;
    hook->shape_count++;
    return 0;
}

uint64_t tr_part_number(const struct tr_hook_parts *parts, uint32_t part)
{
    uint64_t number = 0;
    uint32_t bytes = tr_part_bytes(parts, part);

    memcpy(&number, tr_part_data(parts, part), bytes < sizeof number ? bytes : sizeof number);
    return number;
}

static const struct tr_hook_shape *shape_of(const struct tr_hook *hook, const struct tr_etw_context *event)
{
    struct tr_etw_schema_key key = tr_etw_schema_key_of(event);
    const struct tr_etw_schema *schema = tr_etw_schemas_find(hook->schemas, &key).schema;

    for (uint32_t i = 0; schema && i < hook->shape_count; i++)
        if (hook->shapes[i].schema == schema)
            return &hook->shapes[i];
    return NULL;
}

static bool find_parts(const struct tr_hook_shape *shape, const struct tr_etw_context *event,
                       struct tr_hook_parts *parts)
{
    const struct tr_etw_field *fields = shape->schema->layout.fields;
    struct tr_etw_walk walk;
    uint32_t at = 0;

    parts->payload = event->data;
    parts->there = 0;
    tr_etw_walk_event(&walk, shape->schema, event);
    for (uint32_t i = 0; i < shape->fields; i += 1 + fields[i].members) {
        uint32_t part = shape->part_of[i];

        if (part == TR_NO_PART) {
            if (tr_etw_skip(&walk, i, &at))
                return false;
            continue;
        }
        if (tr_etw_value(&walk, i, at, &parts->spans[part]))
            return false;
        parts->types[part] = fields[i].type;
        parts->there |= 1u << part;
        at = parts->spans[part].end;
    }
    return true;
}

static uint64_t take_event(void *context, struct tr_run *run)
{
    struct tr_hook *hook = run->program->image;
    const struct tr_etw_context *event = context;
    const struct tr_hook_shape *shape = shape_of(hook, event);
    struct tr_hook_parts parts;

    if (!shape || !find_parts(shape, event, &parts)) {
        add(&hook->counts.unknown);
        run->aborted = TR_ABORT_FAULT;
        return 0;
    }
    tr_hook_event(hook, shape, &parts, event, run);
    return 0;
}

static uint64_t take_packet(void *context, struct tr_run *run)
{
    tr_hook_packet(run->program->image, context, run);
    return 0;
}

void tr_hook_link_events(struct tr_hook *hook, struct tr_program *program)
{
    tr_program_set_entry(program, take_event, hook);
}

void tr_hook_link_packets(struct tr_hook *hook, struct tr_program *program)
{
    tr_program_set_entry(program, take_packet, hook);
}

static void count_verdict(struct tr_hook_counts *counts, uint32_t verdict)
{
    uint32_t used = counts->used, at = 0;

    while (at < used && counts->values[at] != verdict)
        at++;
    if (at == TR_HOOK_VERDICTS) {
        add(&counts->others);
        return;
    }
    if (at == used) {
        counts->values[at] = verdict;
        __atomic_store_n(&counts->used, used + 1, __ATOMIC_RELEASE);
    }
    add(&counts->runs[at]);
}

/* Hooks return int: what is above 32 bits is no part of the verdict. */
void tr_hook_run(struct tr_hook *hook, void *context, struct tr_run *run)
{
    struct tr_program *self = run->program;
    uint64_t result = tr_program_run(hook->target, context, run);

    run->program = self;
    if (!run->aborted)
        count_verdict(&hook->counts, (uint32_t)result);
}

void tr_hook_pass(struct tr_hook *hook)
{
    add(&hook->counts.passed);
}

void tr_hook_counts(const struct tr_hook *hook, struct tr_hook_counts *counts)
{
    counts->used = __atomic_load_n(&hook->counts.used, __ATOMIC_ACQUIRE);
    memcpy(counts->values, hook->counts.values, sizeof counts->values);
    for (uint32_t i = 0; i < TR_HOOK_VERDICTS; i++)
        counts->runs[i] = __atomic_load_n(&hook->counts.runs[i], __ATOMIC_RELAXED);
    counts->others = __atomic_load_n(&hook->counts.others, __ATOMIC_RELAXED);
    counts->passed = __atomic_load_n(&hook->counts.passed, __ATOMIC_RELAXED);
    counts->unknown = __atomic_load_n(&hook->counts.unknown, __ATOMIC_RELAXED);
}
