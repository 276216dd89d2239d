/* Which thread an event without one belongs to. PERFINFO headers name none; the kernel tells by CSwitch which thread runs
   on a CPU from then on, and other events tell which process a thread is of. The merge is by time, so both are known when
   they are asked for. Before a CPU's first CSwitch its thread is not known, and not guessed. */
#include <stdlib.h>

#include "etl_parts.h"

#define SLOTS 65536u                         /* power of two: threads whose process is known, 512 KiB */
#define PROBES 8u
#define HOOK_CSWITCH 0x0524u
#define HOOK_SAMPLED_PROFILE 0x0f2eu
#define HOOK_THREAD_START 0x0501u
#define HOOK_THREAD_RUNDOWN 0x0503u          /* threads that ran when the recording began */

struct thread {
    uint32_t tid, pid;
};

struct tr_etl_threads {
    struct thread known[SLOTS];              /* tid 0 is the idle thread: a free slot */
    struct thread *running;                  /* on each CPU */
    uint32_t cpus;
};

struct tr_etl_threads *tr_etl_threads_new(uint32_t cpus)
{
    struct tr_etl_threads *threads = calloc(1, sizeof *threads);

    if (!threads)
        return NULL;
    threads->cpus = cpus;
    threads->running = malloc((size_t)cpus * sizeof *threads->running);
    if (!threads->running) {
        free(threads);
        return NULL;
    }
    for (uint32_t i = 0; i < cpus; i++)
        threads->running[i] = (struct thread){TR_ETL_NO_TASK, TR_ETL_NO_TASK};
    return threads;
}

void tr_etl_threads_free(struct tr_etl_threads *threads)
{
    if (threads)
        free(threads->running);
    free(threads);
}

/* The slot of a thread: its own, a free one, or, with all of its slots taken, the first of them. */
static struct thread *slot_of(struct tr_etl_threads *threads, uint32_t tid)
{
    uint32_t home = tid * 0x9e3779b1u >> 16;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct thread *slot = &threads->known[(home + i) & (SLOTS - 1)];

        if (slot->tid == tid || !slot->tid)
            return slot;
    }
    return &threads->known[home];
}

static void learn(struct tr_etl_threads *threads, uint32_t tid, uint32_t pid)
{
    if (tid && tid != TR_ETL_NO_TASK && pid != TR_ETL_NO_TASK)
        *slot_of(threads, tid) = (struct thread){tid, pid};
}

static uint32_t process_of(struct tr_etl_threads *threads, uint32_t tid)
{
    const struct thread *slot = tid ? slot_of(threads, tid) : NULL;

    if (!slot)
        return 0;                            /* the idle thread's */
    return slot->tid == tid ? slot->pid : TR_ETL_NO_TASK;
}

/* Kernel events whose payload tells of threads. */
static void learn_from_payload(struct tr_etl_threads *threads, const struct tr_etl_event *event, uint32_t cpu)
{
    if (event->payload_size < 8)
        return;
    if (event->hook == HOOK_CSWITCH) {       /* u32 new thread, u32 old thread … */
        uint32_t tid = tr_u32(event->payload);

        threads->running[cpu] = (struct thread){tid, process_of(threads, tid)};
    } else if ((event->hook == HOOK_THREAD_START || event->hook == HOOK_THREAD_RUNDOWN) && event->version) {
        learn(threads, tr_u32(event->payload + 4), tr_u32(event->payload));     /* u32 process, u32 thread … */
    }
}

/* A sample says itself which thread it hit: {instruction pointer, u32 thread, u32 count}. */
static bool sampled(const struct tr_etl_event *event)
{
    return event->hook == HOOK_SAMPLED_PROFILE && event->payload_size >= event->pointer_size + 4u;
}

void tr_etl_attribute(struct tr_etl_threads *threads, struct tr_etl_event *event, uint32_t cpu)
{
    struct thread *running = &threads->running[cpu];

    if (!event->provider)
        learn_from_payload(threads, event, cpu);
    if (event->kind != TR_ETL_PERFINFO32 && event->kind != TR_ETL_PERFINFO64) {
        if (event->pid != TR_ETL_NO_TASK)
            learn(threads, event->tid, event->pid);
        return;
    }
    event->tid = sampled(event) ? tr_u32(event->payload + event->pointer_size) : running->tid;
    if (event->tid == running->tid && running->pid != TR_ETL_NO_TASK)
        event->pid = running->pid;
    else if (event->tid != TR_ETL_NO_TASK)
        event->pid = process_of(threads, event->tid);
}
