/* Programs that run by time. The table is small and searched in order: what is due earliest runs first, and of equal
   ones the first added, so that every replay ticks in the same order. */

#include <stdlib.h>
#include <string.h>

#include "link_run.h"
#include "ticks.h"

#define MAX_TICKS 256u

_Static_assert(sizeof(struct tr_interval_context) == 40, "platforms/linux.py says 40 bytes");

struct tick {
    struct tr_link link;
    uint32_t kind;
    uint32_t group;
    uint64_t interval_ns;
    uint64_t due;
    uint64_t count;
    uint64_t missed;
};

struct tr_ticks {
    struct tick table[MAX_TICKS];
    struct tr_ledger ledgers[MAX_TICKS];         /* by group */
    uint32_t count;
    uint32_t cpu;
    uint32_t catch_up;
    int begun;
    int ended;
    int64_t unix_offset_ns;
    uint64_t now_ns;                             /* the latest time seen */
};

struct tr_ticks *tr_ticks_new(int64_t unix_offset_ns, uint32_t cpu, uint32_t catch_up)
{
    struct tr_ticks *ticks = calloc(1, sizeof *ticks);

    if (ticks) {
        ticks->unix_offset_ns = unix_offset_ns;
        ticks->cpu = cpu;
        ticks->catch_up = catch_up ? catch_up : 1;
    }
    return ticks;
}

void tr_ticks_free(struct tr_ticks *ticks)
{
    free(ticks);
}

static uint64_t later(uint64_t time, uint64_t by)
{
    return time + by < time ? TR_TICK_NEVER : time + by;
}

int32_t tr_ticks_add(struct tr_ticks *ticks, struct tr_program *program, uint32_t kind, uint64_t interval_ns,
                     uint32_t need, uint32_t group)
{
    int timed = kind == TR_TICK_INTERVAL;

    if (ticks->count == MAX_TICKS || group >= MAX_TICKS || !program || timed != (interval_ns > 0)
        || kind < TR_TICK_BEGIN || kind > TR_TICK_END || need > sizeof(struct tr_interval_context))
        return -1;
    ticks->table[ticks->count] = (struct tick){
        .link = {.program = program, .need = need},
        .kind = kind,
        .group = group,
        .interval_ns = interval_ns,
        .due = later(ticks->now_ns, interval_ns),
    };
    return (int32_t)ticks->count++;
}

static struct tick *earliest(struct tr_ticks *ticks)
{
    struct tick *found = NULL;

    for (struct tick *tick = ticks->table; tick < ticks->table + ticks->count; tick++)
        if (tick->kind == TR_TICK_INTERVAL && (!found || tick->due < found->due))
            found = tick;
    return found;
}

uint64_t tr_ticks_due(const struct tr_ticks *ticks)
{
    uint64_t due = TR_TICK_NEVER;

    if (!ticks->begun)
        return 0;
    for (const struct tick *tick = ticks->table; tick < ticks->table + ticks->count; tick++)
        if (tick->kind == TR_TICK_INTERVAL && tick->due < due)
            due = tick->due;
    return due;
}

/* Who runs: nobody's task, on the ticks' own CPU, at the time the tick was due. */
static void run_tick(struct tr_ticks *ticks, struct tick *tick, uint64_t now_ns, struct tr_run *run)
{
    struct tr_interval_context context = {
        .time_ns = now_ns + (uint64_t)ticks->unix_offset_ns,
        .interval_ns = tick->interval_ns,
        .count = tick->count,
        .missed = tick->missed,
        .kind = tick->kind,
    };
    struct tr_ledger *ledger = ticks->ledgers + tick->group;

    run->now_ns = now_ns;
    run->cpu = ticks->cpu;
    run->pid_tgid = 0;
    run->uid_gid = (uint64_t)65534 << 32 | 65534;
    memset(run->comm, 0, sizeof run->comm);
    ledger->produced++;
    if (tr_links_run(&tick->link, 1, &context, sizeof context, run))
        ledger->failed++;
    else
        ledger->delivered++;
    tick->count++;
    tick->missed = 0;
}

/* Begin and end programs run once. */
static void run_kind(struct tr_ticks *ticks, uint32_t kind, struct tr_run *run)
{
    for (struct tick *tick = ticks->table; tick < ticks->table + ticks->count; tick++)
        if (tick->kind == kind && !tick->count)
            run_tick(ticks, tick, ticks->now_ns, run);
}

void tr_ticks_begin_new(struct tr_ticks *ticks, struct tr_run *run)
{
    if (ticks->begun)
        run_kind(ticks, TR_TICK_BEGIN, run);
}

void tr_ticks_remove(struct tr_ticks *ticks, const struct tr_program *program, uint32_t group, struct tr_run *run)
{
    struct tick *kept = ticks->table;

    for (struct tick *tick = ticks->table; tick < ticks->table + ticks->count; tick++) {
        if (tick->link.program != program || tick->group != group)
            *kept++ = *tick;
        else if (tick->kind == TR_TICK_END && ticks->begun && !tick->count)
            run_tick(ticks, tick, ticks->now_ns, run);
    }
    ticks->count = (uint32_t)(kept - ticks->table);
}

const struct tr_link *tr_ticks_link(const struct tr_ticks *ticks, uint32_t at, uint32_t *group)
{
    if (at >= ticks->count)
        return NULL;
    *group = ticks->table[at].group;
    return &ticks->table[at].link;
}

static void begin(struct tr_ticks *ticks, uint64_t now_ns, struct tr_run *run)
{
    ticks->begun = 1;
    ticks->now_ns = now_ns;
    for (struct tick *tick = ticks->table; tick < ticks->table + ticks->count; tick++)
        tick->due = later(now_ns, tick->interval_ns);
    run_kind(ticks, TR_TICK_BEGIN, run);
}

/* Leave out what is further behind than `catch_up` intervals. */
static void skip(struct tr_ticks *ticks, struct tick *tick)
{
    uint64_t behind = (ticks->now_ns - tick->due) / tick->interval_ns + 1, left_out;

    if (behind <= ticks->catch_up)
        return;
    left_out = behind - ticks->catch_up;
    tick->due += left_out * tick->interval_ns;
    tick->missed += left_out;
    ticks->ledgers[tick->group].produced += left_out;
    ticks->ledgers[tick->group].lost_in_session += left_out;
}

void tr_ticks_advance(struct tr_ticks *ticks, uint64_t now_ns, struct tr_run *run)
{
    struct tick *tick;

    if (!ticks->begun)
        begin(ticks, now_ns, run);
    if (now_ns <= ticks->now_ns)
        return;
    ticks->now_ns = now_ns;
    for (tick = ticks->table; tick < ticks->table + ticks->count; tick++)
        if (tick->kind == TR_TICK_INTERVAL && tick->due <= now_ns)
            skip(ticks, tick);
    while ((tick = earliest(ticks)) && tick->due <= now_ns) {
        run_tick(ticks, tick, tick->due, run);
        tick->due = later(tick->due, tick->interval_ns);
        if (tick->due == TR_TICK_NEVER)          /* the clock's end: it cannot come again */
            break;
    }
}

void tr_ticks_end(struct tr_ticks *ticks, struct tr_run *run)
{
    if (ticks->ended)
        return;
    if (!ticks->begun)
        begin(ticks, 0, run);
    ticks->ended = 1;
    run_kind(ticks, TR_TICK_END, run);
}

void tr_ticks_ledger(const struct tr_ticks *ticks, uint32_t group, struct tr_ledger *ledger)
{
    *ledger = group < MAX_TICKS ? ticks->ledgers[group] : (struct tr_ledger){0};
}
