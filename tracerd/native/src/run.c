/* Running programs: the one place that counts runs, gives fuel, times one run in 64 and cleans up after an abort. */

#include "helpers.h"
#include "map.h"

#include <stdlib.h>

#define SAMPLE_MASK 63

/* Counts are exact while one thread at a time runs a program (one pump per source). Several may run it at once: the
   counts are then words that never tear but may miss a run; what must balance is counted by the links. */
static inline void add(uint64_t *count, uint64_t n)
{
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

struct tr_program *tr_program_new(void)
{
    return calloc(1, sizeof(struct tr_program));
}

void tr_program_free(struct tr_program *program)
{
    free(program);
}

/* A run that has read the old entry may still want its image, so a NULL image leaves the old one in place. The image
   comes first: whoever sees the new entry sees its image. */
void tr_program_set_entry(struct tr_program *program, tr_entry entry, void *image)
{
    if (image)
        __atomic_store_n(&program->image, image, __ATOMIC_RELEASE);
    __atomic_store_n(&program->entry, entry, __ATOMIC_RELEASE);
}

static uint64_t finish_aborted(struct tr_program *program, struct tr_run *run)
{
    tr_discard_reserved(run);
    if (!run->aborted)
        return 1;
    add(&program->aborted, 1);
    return 0;
}

uint32_t tr_run_slot(uint64_t ns)
{
    uint32_t slot = ns ? 63 - (uint32_t)__builtin_clzll(ns) : 0;

    return slot < TR_RUN_SLOTS ? slot : TR_RUN_SLOTS - 1;
}

static void count_timed(struct tr_program *program, uint64_t ns)
{
    add(&program->sampled_ns, ns);
    add(&program->sampled_runs, 1);
    add(&program->sampled_slots[tr_run_slot(ns)], 1);
}

static inline uint64_t run_once(struct tr_program *program, void *context, struct tr_run *run)
{
    tr_entry entry = __atomic_load_n(&program->entry, __ATOMIC_ACQUIRE);
    uint64_t result;

    run->program = program;
    run->aborted = TR_ABORT_NONE;
    run->fuel = program->fuel;
    run->reserved_count = 0;
    result = entry(context, run);
    if ((run->aborted || run->reserved_count) && !finish_aborted(program, run))
        result = 0;
    return result;
}

uint64_t tr_program_run(struct tr_program *program, void *context, struct tr_run *run)
{
    uint64_t runs = __atomic_load_n(&program->runs, __ATOMIC_RELAXED);
    uint64_t result;

    if ((runs & SAMPLE_MASK) == SAMPLE_MASK) {
        uint64_t start = tr_os_monotonic_ns();

        result = run_once(program, context, run);
        count_timed(program, tr_os_monotonic_ns() - start);
    } else {
        result = run_once(program, context, run);
    }
    __atomic_store_n(&program->runs, runs + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&program->last_result, result, __ATOMIC_RELAXED);
    return result;
}

uint64_t tr_program_repeat(struct tr_program *program, void *context, struct tr_run *run, uint32_t repeat, uint64_t *ns)
{
    uint64_t start = tr_os_monotonic_ns();
    uint64_t result = 0;

    for (uint32_t i = 0; i < repeat; i++)
        result = run_once(program, context, run);
    *ns = tr_os_monotonic_ns() - start;
    add(&program->runs, repeat);
    __atomic_store_n(&program->last_result, result, __ATOMIC_RELAXED);
    return result;
}
