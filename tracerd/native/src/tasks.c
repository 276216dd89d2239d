/* The task table: thread id -> process, real ids and name. Sets of eight ways, so that a lookup touches one or two
   cache lines and nothing is ever allocated after the start; a full set forgets an exited thread first. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "links.h"
#include "perf.h"

#define WAYS 8
#define ABSENT -1

enum state { FREE = 0, LIVING, EXITED };

struct set {
    uint32_t tid[WAYS];
    uint8_t state[WAYS];
    uint32_t hand;                       /* the next way to forget */
    struct tr_task task[WAYS];
};

struct tr_tasks {
    struct set *sets;
    uint32_t mask;
    uint64_t used;
    uint64_t evicted;
};

struct tr_tasks *tr_tasks_new(uint32_t capacity)
{
    uint32_t sets = 64;
    struct tr_tasks *tasks = calloc(1, sizeof *tasks);

    while (sets < (1U << 24) && sets < capacity / WAYS)
        sets *= 2;
    if (tasks)
        tasks->sets = calloc(sets, sizeof *tasks->sets);
    if (!tasks || !tasks->sets) {
        free(tasks);
        return NULL;
    }
    tasks->mask = sets - 1;
    return tasks;
}

void tr_tasks_free(struct tr_tasks *tasks)
{
    if (tasks)
        free(tasks->sets);
    free(tasks);
}

/* Thread ids are handed out one after the other, so their low bits spread evenly over the sets. */
static struct set *set_of(const struct tr_tasks *tasks, uint32_t tid)
{
    return &tasks->sets[tid & tasks->mask];
}

static int way_of(const struct set *set, uint32_t tid)
{
    for (int way = 0; way < WAYS; way++)
        if (set->tid[way] == tid && set->state[way] != FREE)
            return way;
    return ABSENT;
}

static int way_in_state(const struct set *set, enum state state)
{
    for (uint32_t step = 0; step < WAYS; step++) {
        uint32_t way = (set->hand + step) % WAYS;
        if (set->state[way] == state)
            return (int)way;
    }
    return ABSENT;
}

/* The way a new thread gets: a free one, else one that has exited, else the next by turns. */
static int make_room(struct tr_tasks *tasks, struct set *set)
{
    int way = way_in_state(set, FREE);

    if (way != ABSENT) {
        tasks->used++;
        return way;
    }
    way = way_in_state(set, EXITED);
    if (way == ABSENT) {
        way = (int)set->hand;
        tasks->evicted++;
    }
    set->hand = ((uint32_t)way + 1) % WAYS;
    return way;
}

void tr_tasks_put(struct tr_tasks *tasks, uint32_t tid, const struct tr_task *task)
{
    struct set *set = set_of(tasks, tid);
    int way = way_of(set, tid);

    if (way == ABSENT)
        way = make_room(tasks, set);
    set->tid[way] = tid;
    set->state[way] = LIVING;
    set->task[way] = *task;
    set->task[way].comm[sizeof task->comm - 1] = 0;
}

int tr_tasks_get(const struct tr_tasks *tasks, uint32_t tid, struct tr_task *task)
{
    const struct set *set = set_of(tasks, tid);
    int way = way_of(set, tid);

    if (way == ABSENT)
        return 0;
    *task = set->task[way];
    return 1;
}

static void unknown(struct tr_task *task, uint32_t tgid)
{
    memset(task, 0, sizeof *task);
    task->tgid = tgid;
    task->uid = TR_UNKNOWN_ID;
    task->gid = TR_UNKNOWN_ID;
}

void tr_tasks_fork(struct tr_tasks *tasks, uint32_t parent_tid, uint32_t tid, uint32_t tgid)
{
    struct tr_task task;

    if (!tr_tasks_get(tasks, parent_tid, &task))
        unknown(&task, tgid);
    task.tgid = tgid;
    tr_tasks_put(tasks, tid, &task);
}

void tr_tasks_name(struct tr_tasks *tasks, uint32_t tid, uint32_t tgid, const char *comm)
{
    struct tr_task task;

    if (!tr_tasks_get(tasks, tid, &task))
        unknown(&task, tgid);
    task.tgid = tgid;
    memset(task.comm, 0, sizeof task.comm);
    for (size_t at = 0; at < sizeof task.comm - 1 && comm[at]; at++)
        task.comm[at] = comm[at];
    tr_tasks_put(tasks, tid, &task);
}

/* Events of an exiting thread still follow its EXIT record (sched_process_exit, the last sched_switch), so the entry
   stays until its place or its number is needed. */
void tr_tasks_exit(struct tr_tasks *tasks, uint32_t tid)
{
    struct set *set = set_of(tasks, tid);
    int way = way_of(set, tid);

    if (way != ABSENT)
        set->state[way] = EXITED;
}

void tr_tasks_statistics(const struct tr_tasks *tasks, struct tr_tasks_statistics *statistics)
{
    statistics->capacity = ((uint64_t)tasks->mask + 1) * WAYS;
    statistics->tasks = tasks->used;
    statistics->evicted = tasks->evicted;
}
