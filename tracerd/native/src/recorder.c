/* The recorder. Format: border/batch.h. One lock covers all of it: it is held for the copy of one event. */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "etw_match.h"
#include "lock.h"
#include "batch.h"
#include "recorder.h"

#define MAX_EVENTS 4096u
#define MAX_BLOCKS 4096u
#define SLOTS 4096u                          /* a power of two */
#define MAX_TASKS (SLOTS / 2)                /* of one block: then the next begins, so a free slot is always near */
#define TASK_BYTES ((uint32_t)(sizeof(struct tr_batch_event) + sizeof(struct tr_batch_task)))
#define POINTERS 16u                         /* data and data_end */

_Static_assert(TR_RECORDER_BLOCK > 2 * (24 + TR_BATCH_CONTEXT + TR_BATCH_PAYLOAD), "an event fits into an empty block");

struct recorded_event {                      /* the image of the program that records it */
    struct tr_recorder *recorder;
    struct tr_etw_matcher *only;
    struct tr_recorder_counts counts;
    uint32_t number;
    int payload;
};

struct task_slot {
    struct tr_batch_task task;
    uint64_t block;                          /* the serial number of the block that it is defined in */
    uint32_t number;
};

struct block {
    uint8_t *data;
    struct block *next;                      /* of the full ones, or of the free ones */
    uint32_t bytes;
    uint32_t events;
    uint64_t first_ns, last_ns;
};

struct tr_recorder {
    uint32_t lock;
    uint32_t event_count;
    int patient;
    struct tr_recorder_filter filter;
    struct recorded_event *events;
    struct block *blocks;
    struct block *free;                      /* a stack: the block used last is still in the caches */
    struct block *filling;                   /* NULL: none */
    struct block *taken;                     /* NULL: none; no longer among the full ones */
    struct block *oldest, *youngest;         /* of the full ones */
    uint8_t *memory;
    size_t memory_bytes;
    uint64_t serial;                         /* of the block that is being filled */
    uint32_t tasks;                          /* defined in it */
    struct task_slot *last;                  /* of the event before: most often it serves again */
    struct task_slot slots[SLOTS];
};

struct tr_recorder *tr_recorder_new(uint32_t blocks, const struct tr_recorder_filter *filter, int patient)
{
    struct tr_recorder *recorder = NULL;

    if (blocks >= 2 && blocks <= MAX_BLOCKS)
        recorder = calloc(1, sizeof *recorder);
    if (!recorder)
        return NULL;
    recorder->filter = *filter;
    recorder->patient = patient;
    recorder->memory_bytes = (size_t)blocks * TR_RECORDER_BLOCK;
    recorder->memory = tr_os_allocate(recorder->memory_bytes);
    recorder->blocks = calloc(blocks, sizeof *recorder->blocks);
    recorder->events = calloc(MAX_EVENTS, sizeof *recorder->events);
    if (!recorder->memory || !recorder->blocks || !recorder->events) {
        tr_recorder_free(recorder);
        return NULL;
    }
    for (uint32_t at = blocks; at-- > 0;) {
        recorder->blocks[at].data = recorder->memory + (size_t)at * TR_RECORDER_BLOCK;
        recorder->blocks[at].next = recorder->free;
        recorder->free = recorder->blocks + at;
    }
    return recorder;
}

void tr_recorder_free(struct tr_recorder *recorder)
{
    if (!recorder)
        return;
    if (recorder->memory)
        tr_os_release(recorder->memory, recorder->memory_bytes);
    free(recorder->blocks);
    free(recorder->events);
    free(recorder);
}

/* Put the block that is being filled behind the full ones. */
static void close_block(struct tr_recorder *recorder)
{
    struct block *block = recorder->filling;

    recorder->filling = NULL;
    block->next = NULL;
    if (recorder->oldest)
        recorder->youngest->next = block;
    else
        recorder->oldest = block;
    recorder->youngest = block;
}

static bool open_block(struct tr_recorder *recorder)
{
    struct block *block = recorder->free;

    if (!block)
        return false;
    recorder->free = block->next;
    recorder->filling = block;
    block->bytes = 0;
    block->events = 0;
    block->first_ns = UINT64_MAX;
    block->last_ns = 0;
    recorder->serial++;                      /* whatever the slots hold is now of an earlier block */
    recorder->tasks = 0;
    recorder->last = NULL;
    return true;
}

static bool has_room(const struct tr_recorder *recorder, uint32_t bytes)
{
    return TR_RECORDER_BLOCK - recorder->filling->bytes >= bytes + TASK_BYTES && recorder->tasks < MAX_TASKS;
}

/* See that there is a block with room for an event and the definition of its task. While this thread waits without the
   lock, another may have opened a block and filled it: what is there is looked at anew each time. */
static bool make_room(struct tr_recorder *recorder, uint32_t bytes)
{
    for (;;) {
        if (recorder->filling && !has_room(recorder, bytes))
            close_block(recorder);
        if (recorder->filling || open_block(recorder))
            return true;
        if (!recorder->patient)
            return false;
        tr_unlock(&recorder->lock);
        tr_os_rest();
        tr_lock(&recorder->lock);
    }
}

/* All of a task counts: a thread that renames itself before each event would else have its slots side by side, and
   every event would be compared with them under the lock. */
static uint32_t slot_of(const struct tr_batch_task *task)
{
    uint64_t mixed = 0, word;

    for (size_t at = 0; at < sizeof *task; at += sizeof word) {
        memcpy(&word, (const uint8_t *)task + at, sizeof word);
        mixed = (mixed ^ word ^ mixed >> 29) * 0x9e3779b97f4a7c15u;
    }
    return (uint32_t)(mixed >> 52) & (SLOTS - 1);
}

static void define(struct tr_recorder *recorder, struct task_slot *slot, const struct tr_batch_task *task)
{
    struct block *block = recorder->filling;
    struct tr_batch_event entry = {
        .task = recorder->tasks,
        .event = TR_BATCH_TASK,
        .context = sizeof *task,
    };

    slot->task = *task;
    slot->block = recorder->serial;
    slot->number = recorder->tasks++;
    memcpy(block->data + block->bytes, &entry, sizeof entry);
    memcpy(block->data + block->bytes + sizeof entry, task, sizeof *task);
    block->bytes += TASK_BYTES;
}

/* The number of the run's task in this block, which has room to define it. */
static uint32_t task_of(struct tr_recorder *recorder, const struct tr_run *run)
{
    struct tr_batch_task task = {.pid_tgid = run->pid_tgid, .uid_gid = run->uid_gid};
    uint32_t at;

    memcpy(task.comm, run->comm, sizeof task.comm);
    if (recorder->last && !memcmp(&recorder->last->task, &task, sizeof task))
        return recorder->last->number;
    for (at = slot_of(&task);; at = (at + 1) & (SLOTS - 1)) {
        struct task_slot *slot = recorder->slots + at;

        if (slot->block != recorder->serial)
            define(recorder, slot, &task);
        else if (memcmp(&slot->task, &task, sizeof task))
            continue;
        recorder->last = slot;
        return slot->number;
    }
}

/* An event on its way into a block. */
struct given {
    const uint8_t *context;
    const uint8_t *payload;
    uint32_t context_bytes;
    uint32_t payload_bytes;
};

/* Returns false for sizes that no batch may have. */
static bool sizes(const struct recorded_event *event, const void *context, const struct tr_run *run,
                  struct given *given)
{
    uint64_t bounds[2] = {0, 0};

    given->context = context;
    given->context_bytes = run->context_bytes;
    if (event->payload && run->context_bytes >= POINTERS)
        memcpy(bounds, context, sizeof bounds);
    given->payload = (const void *)(uintptr_t)bounds[0];
    if (given->context_bytes > TR_BATCH_CONTEXT || bounds[1] < bounds[0] || bounds[1] - bounds[0] > TR_BATCH_PAYLOAD)
        return false;
    given->payload_bytes = (uint32_t)(bounds[1] - bounds[0]);
    return !event->payload || run->context_bytes >= POINTERS;
}

static void append(struct tr_recorder *recorder, const struct recorded_event *event, const struct given *given,
                   const struct tr_run *run, uint32_t bytes)
{
    struct tr_batch_event entry = {
        .now_ns = run->now_ns,
        .task = task_of(recorder, run),
        .event = (uint16_t)event->number,
        .cpu = (uint16_t)run->cpu,
        .context = given->context_bytes,
        .payload = given->payload_bytes,
    };
    struct block *block = recorder->filling;
    uint8_t *at = block->data + block->bytes;

    memset(at + bytes - 8, 0, 8);            /* the padding; what is not padding is written over */
    memcpy(at, &entry, sizeof entry);
    at += sizeof entry;
    memcpy(at, given->context, given->context_bytes);
    if (event->payload)
        memset(at, 0, POINTERS);
    if (given->payload_bytes)
        memcpy(at + given->context_bytes, given->payload, given->payload_bytes);
    block->bytes += bytes;
    block->events++;
    block->first_ns = run->now_ns < block->first_ns ? run->now_ns : block->first_ns;
    block->last_ns = run->now_ns > block->last_ns ? run->now_ns : block->last_ns;
}

static bool passes(const struct recorded_event *event, const void *context, const struct tr_run *run)
{
    const struct tr_recorder_filter *filter = &event->recorder->filter;
    struct tr_etw_found found;
    struct tr_etw_key key;

    if (run->now_ns < filter->since_ns || run->now_ns > filter->until_ns)
        return false;
    if (filter->by_pid && (uint32_t)(run->pid_tgid >> 32) != filter->pid)
        return false;
    if (!event->only)
        return true;
    key = tr_etw_key_of(context);
    return tr_etw_find(event->only, &key, &found);
}

static bool keep(struct recorded_event *event, const void *context, const struct tr_run *run)
{
    struct given given;
    uint32_t bytes;

    if (run->cpu > UINT16_MAX || !sizes(event, context, run, &given))
        return false;
    bytes = ((uint32_t)sizeof(struct tr_batch_event) + given.context_bytes + given.payload_bytes + 7) & ~7u;
    if (!make_room(event->recorder, bytes))
        return false;
    append(event->recorder, event, &given, run, bytes);
    return true;
}

/* The entry of every recording program. */
static uint64_t record(void *context, struct tr_run *run)
{
    struct recorded_event *event = run->program->image;

    tr_lock(&event->recorder->lock);
    if (!passes(event, context, run))
        event->counts.filtered++;
    else if (keep(event, context, run))
        event->counts.recorded++;
    else
        event->counts.dropped++;
    tr_unlock(&event->recorder->lock);
    return 0;
}

int32_t tr_recorder_add_event(struct tr_recorder *recorder, struct tr_program *program, int payload,
                              struct tr_etw_matcher *only)
{
    struct recorded_event *event = recorder->events + recorder->event_count;

    if (recorder->event_count == MAX_EVENTS)
        return -1;
    event->recorder = recorder;
    event->only = only;
    event->payload = payload;
    event->number = recorder->event_count++;
    tr_program_set_entry(program, record, event);
    return (int32_t)event->number;
}

static struct block *take(struct tr_recorder *recorder, int partial)
{
    struct block *block;

    if (recorder->taken)
        return recorder->taken;
    if (!recorder->oldest && partial && recorder->filling && recorder->filling->events)
        close_block(recorder);
    block = recorder->oldest;
    if (block)
        recorder->oldest = block->next;
    recorder->taken = block;
    return block;
}

int tr_recorder_take(struct tr_recorder *recorder, int partial, struct tr_recorder_block *block)
{
    const struct block *found;

    tr_lock(&recorder->lock);
    found = take(recorder, partial);
    tr_unlock(&recorder->lock);
    if (!found)
        return 0;
    *block = (struct tr_recorder_block){
        .data = found->data,
        .bytes = found->bytes,
        .events = found->events,
        .first_ns = found->first_ns,
        .last_ns = found->last_ns,
    };
    return 1;
}

/* Nobody else touches a block that is taken, so it is read without the lock; the counts need it. */
static void count_unwritten(struct tr_recorder *recorder, const struct block *block, int why)
{
    struct tr_batch_event entry;

    for (uint32_t at = 0; at < block->bytes;) {
        memcpy(&entry, block->data + at, sizeof entry);
        if (entry.event != TR_BATCH_TASK) {
            tr_lock(&recorder->lock);
            recorder->events[entry.event].counts.recorded--;
            recorder->events[entry.event].counts.dropped += why == TR_RECORDER_LOST;
            recorder->events[entry.event].counts.filtered += why == TR_RECORDER_PAST;
            tr_unlock(&recorder->lock);
        }
        at += ((uint32_t)sizeof entry + entry.context + entry.payload + 7) & ~7u;
    }
}

void tr_recorder_release(struct tr_recorder *recorder, int outcome)
{
    struct block *block = recorder->taken;

    if (!block)
        return;
    if (outcome != TR_RECORDER_KEPT)
        count_unwritten(recorder, block, outcome);
    tr_lock(&recorder->lock);
    block->next = recorder->free;
    recorder->free = block;
    recorder->taken = NULL;
    tr_unlock(&recorder->lock);
}

void tr_recorder_hurry(struct tr_recorder *recorder)
{
    tr_lock(&recorder->lock);
    recorder->patient = 0;
    tr_unlock(&recorder->lock);
}

void tr_recorder_counts(struct tr_recorder *recorder, uint32_t event, struct tr_recorder_counts *counts)
{
    *counts = (struct tr_recorder_counts){0};
    if (event >= recorder->event_count)
        return;
    tr_lock(&recorder->lock);
    *counts = recorder->events[event].counts;
    tr_unlock(&recorder->lock);
}
