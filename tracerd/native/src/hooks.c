/* Hooks: which fields they take of an event, and the count of verdicts. */
#include <stdlib.h>

#include "hooks_parts.h"
#include "error_numbers.h"

/* One thread at a time runs a hook, others read its counts: words that never tear. */
static void add(uint64_t *count)
{
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

struct tr_hook *tr_hook_new(uint32_t kind, uint32_t operation, const uint32_t *fields, struct tr_program *target)
{
    struct tr_hook *hook = calloc(1, sizeof *hook);

    if (!hook)
        return NULL;
    hook->kind = kind;
    hook->operation = operation;
    hook->target = target;
    if (fields)
        memcpy(hook->fields, fields, sizeof hook->fields);
    return hook;
}

void tr_hook_free(struct tr_hook *hook)
{
    free(hook);
}

uint64_t tr_part_number(const struct tr_hook_parts *parts, uint32_t part)
{
    uint64_t number = 0;
    uint32_t bytes = tr_part_bytes(parts, part);

    memcpy(&number, tr_part_data(parts, part), bytes < sizeof number ? bytes : sizeof number);
    return number;
}

/* Find a field by one of its names. Returns 0, or why it is not there: -TR_ENOENT where the event has none. */
static int32_t find_part(struct tr_etw_reader *reader, const uint32_t *names, struct tr_etw_asked *asked,
                         struct tr_etw_span *span)
{
    int32_t error = -TR_ENOENT;

    for (uint32_t i = 0; i < TR_PART_NAMES && names[i] && error == -TR_ENOENT; i++)
        error = tr_etw_ask(reader, names[i], asked);
    if (!error && asked->field->count_kind != TR_ETW_ONE)
        return -TR_EINVAL;
    return error ? error : tr_etw_take(reader, asked, span);
}

static bool find_parts(const struct tr_hook *hook, struct tr_etw_reader *reader, struct tr_hook_parts *parts)
{
    parts->payload = reader->context->data;
    parts->there = 0;
    for (uint32_t part = 0; part < TR_PARTS; part++) {
        struct tr_etw_asked asked;
        int32_t error = find_part(reader, hook->fields[part], &asked, &parts->spans[part]);

        if (error && error != -TR_ENOENT)
            return false;
        if (error)
            continue;
        parts->types[part] = asked.field->type;
        parts->there |= 1u << part;
    }
    return parts->there;
}

static uint64_t take_event(void *context, struct tr_run *run)
{
    struct tr_hook *hook = run->program->image;
    struct tr_hook_parts parts;

    if (!run->fields || !find_parts(hook, run->fields, &parts)) {
        add(&hook->counts.unknown);
        run->aborted = TR_ABORT_FAULT;
        return 0;
    }
    tr_hook_event(hook, &parts, context, run);
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
