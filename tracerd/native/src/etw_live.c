/* The event callback of a live session: from an EVENT_RECORD to the event that the walker of recordings makes, and on from
   there as it does. Windows made the record, but its numbers may come from any process: sizes and pointers that make no
   sense are a failed event. */
#include <stdlib.h>

#include "etl_parts.h"
#include "etw_record.h"
#include "lock.h"
#include "processes.h"
#include "ignored.h"
#include "etw_live.h"

#define MAX_IGNORED 16u                      /* of struct tr_ignored */

struct tr_etw_live {
    uint32_t open;                           /* the gate */
    uint32_t lock;
    uint32_t asking;                         /* threads that wait for the lock beside the callback */
    struct tr_etw_matcher *matcher;          /* the caller's, as the run */
    struct tr_run *run;
    struct tr_etl_threads *threads;
    struct tr_ignored ignored;
    struct tr_etl_facts facts;
    struct tr_etl_clock clock;
    uint32_t cpus;
    uint64_t taken;
    uint64_t failed;
};

struct tr_etw_live *tr_etw_live_new(const struct tr_etw_live_options *options, struct tr_etw_matcher *matcher,
                                    struct tr_run *run)
{
    struct tr_etw_live *live = calloc(1, sizeof *live);

    if (!live)
        return NULL;
    live->threads = tr_etl_threads_new(options->cpus);
    if (!live->threads) {
        free(live);
        return NULL;
    }
    live->matcher = matcher;
    live->run = run;
    live->cpus = options->cpus;
    live->facts = (struct tr_etl_facts){
        .clock = options->clock, .frequency = options->frequency > 0 ? options->frequency : 1,
        .start_time = options->filetime, .start_ticks = options->ticks,
    };
    tr_etl_set_clock(&live->clock, &live->facts);
    live->clock.shift_ns = options->monotonic_ns - tr_etl_clock_ns(&live->facts, options->ticks);
    return live;
}

void tr_etw_live_free(struct tr_etw_live *live)
{
    if (live)
        tr_etl_threads_free(live->threads);
    free(live);
}

/* Beside the callback, which would take the lock again at once for its next event: it steps aside for who asks. */
static void ask_lock(struct tr_etw_live *live)
{
    __atomic_fetch_add(&live->asking, 1, __ATOMIC_RELAXED);
    tr_lock(&live->lock);
    __atomic_fetch_sub(&live->asking, 1, __ATOMIC_RELAXED);
}

static bool is_open(const struct tr_etw_live *live)
{
    return __atomic_load_n(&live->open, __ATOMIC_ACQUIRE);
}

/* A turn of the pump ends for microseconds as a rule, but it may be long until the next. */
static void wait_for_gate(const struct tr_etw_live *live)
{
    for (uint32_t tries = 0; !is_open(live); tries++) {
        if (tries < 64)
            tr_os_yield();
        else
            tr_os_rest();
    }
}

/* Whoever closed the gate and then had the lock finds no callback inside: the gate is looked at with the lock held. */
static void callback_lock(struct tr_etw_live *live)
{
    for (;;) {
        wait_for_gate(live);
        for (uint32_t i = 0; i < 64 && __atomic_load_n(&live->asking, __ATOMIC_RELAXED); i++)
            tr_os_yield();
        tr_lock(&live->lock);
        if (is_open(live))
            return;
        tr_unlock(&live->lock);
    }
}

void tr_etw_live_gate(struct tr_etw_live *live, int32_t open)
{
    __atomic_store_n(&live->open, open != 0, __ATOMIC_RELEASE);
    if (!open) {
        ask_lock(live);
        tr_unlock(&live->lock);
    }
}

/* Keep what the event says of its own fields. Returns false for items that make no sense. */
static bool note_items(const struct tr_event_record *record, struct tr_etw_described *described)
{
    if (record->extended_count && !record->extended)
        return false;
    for (uint32_t i = 0; i < record->extended_count; i++) {
        const struct tr_extended_item *item = &record->extended[i];
        const uint8_t *data = (const uint8_t *)(uintptr_t)item->data_ptr;

        if (item->data_size && !data)
            return false;
        if (item->type == TR_RECORD_ITEM_SCHEMA_TL) {
            described->schema = data;
            described->schema_bytes = item->data_size;
        } else if (item->type == TR_RECORD_ITEM_PROV_TRAITS) {
            described->traits = data;
            described->traits_bytes = item->data_size;
        }
    }
    return true;
}

/* Windows presents every header kind of a log as one; the classes of kernel groups are told by their GUID, and those of
   PERFINFO headers have no thread. */
static void settle_kind(const struct tr_event_record *record, uint16_t group, struct tr_etl_event *event)
{
    uint16_t flags = record->header.flags;
    bool wide = event->pointer_size == 8;

    event->by_id = !(flags & TR_RECORD_CLASSIC_HEADER);
    if (event->by_id) {
        bool message = flags & TR_RECORD_TRACE_MESSAGE;

        event->kind = message ? TR_ETL_MESSAGE : wide ? TR_ETL_EVENT64 : TR_ETL_EVENT32;
        event->flags = flags;
    } else if (group == TR_ETW_NO_GROUP) {
        event->kind = wide ? TR_ETL_FULL64 : TR_ETL_FULL32;
    } else {
        event->provider = NULL;
        event->hook = (uint16_t)(group << 8 | event->opcode);
        event->kind = wide ? TR_ETL_SYSTEM64 : TR_ETL_SYSTEM32;
        if (event->tid == TR_ETL_NO_TASK)
            event->kind = wide ? TR_ETL_PERFINFO64 : TR_ETL_PERFINFO32;
    }
}

/* An event without a payload has no pointer to one. */
static const uint8_t *payload_of(const struct tr_event_record *record)
{
    static const uint8_t none[1];

    return record->user_data ? record->user_data : none;
}

static bool read_record(const struct tr_etw_live *live, const struct tr_event_record *record,
                        struct tr_etl_event *event)
{
    const struct tr_event_header *header = &record->header;

    memset(event, 0, sizeof *event);
    if ((record->user_data_length && !record->user_data) || !note_items(record, &event->described))
        return false;
    event->payload = payload_of(record);
    event->payload_size = record->user_data_length;
    event->provider = header->provider_id;
    event->activity = header->activity_id;
    event->keyword = header->descriptor.keyword;
    event->ticks = header->time_stamp;
    event->pid = header->process_id;
    event->tid = header->thread_id;
    event->id = header->descriptor.id;
    event->task = header->descriptor.task;
    event->version = header->descriptor.version;
    event->channel = header->descriptor.channel;
    event->level = header->descriptor.level;
    event->opcode = header->descriptor.opcode;
    event->pointer_size = header->flags & TR_RECORD_32_BIT_HEADER ? 4 : 8;
    event->timed = true;
    settle_kind(record, tr_etw_group_of(live->matcher, header->provider_id), event);
    return true;
}

static uint32_t cpu_of(const struct tr_event_record *record)
{
    if (record->header.flags & TR_RECORD_PROCESSOR_INDEX)
        return record->buffer.processor;
    return record->buffer.processor & 0xffu;
}

static void take(struct tr_etw_live *live, const struct tr_event_record *record)
{
    uint32_t cpu = cpu_of(record);
    struct tr_etl_event event;
    struct tr_etw_key key;

    live->taken++;
    if (cpu >= live->cpus || !read_record(live, record, &event)) {
        live->failed++;
        return;
    }
    tr_etl_attribute(live->threads, &event, cpu);
    key = tr_etl_key(&event);
    if (tr_is_ignored(&live->ignored, event.pid))
        tr_etw_filter(live->matcher, &key);
    else
        tr_etl_deliver(live->matcher, &live->clock, &event, cpu, live->run);
}

static void TR_WINAPI on_record(struct tr_event_record *record)
{
    struct tr_etw_live *live = record->user_context;

    callback_lock(live);
    take(live, record);
    tr_unlock(&live->lock);
}

void *tr_etw_live_callback(void)
{
    return (void *)(uintptr_t)on_record;
}

void tr_etw_live_exchange(struct tr_etw_live *live, struct tr_etw_matcher *matcher, const int32_t *numbers)
{
    ask_lock(live);
    tr_etw_carry(matcher, live->matcher, numbers);
    live->matcher = matcher;
    tr_unlock(&live->lock);
}

int32_t tr_etw_live_ignore(struct tr_etw_live *live, uint32_t pid, int32_t on)
{
    struct tr_ignored *list = &live->ignored;
    uint32_t at, wanted = on ? TR_NO_PID : pid;

    if (on && tr_is_ignored(list, pid))
        return 0;
    ask_lock(live);
    for (at = 0; at < list->count && list->pid[at] != wanted;)
        at++;
    if (at < list->count)
        list->pid[at] = on ? pid : TR_NO_PID;
    else if (on && at < MAX_IGNORED)
        list->pid[list->count++] = pid;
    tr_unlock(&live->lock);
    return on && at == MAX_IGNORED ? -1 : 0;
}

void tr_etw_live_counts(struct tr_etw_live *live, struct tr_etw_live_counts *counts)
{
    ask_lock(live);
    *counts = (struct tr_etw_live_counts){
        .taken = live->taken, .failed = live->failed, .unmatched = tr_etw_unmatched(live->matcher)
    };
    tr_unlock(&live->lock);
}

void tr_etw_live_ledger(struct tr_etw_live *live, uint32_t match, struct tr_ledger *ledger)
{
    ask_lock(live);
    tr_etw_ledger(live->matcher, match, ledger);
    tr_unlock(&live->lock);
}

uint32_t tr_etw_live_printed(struct tr_etw_live *live, char *text, uint32_t capacity)
{
    struct tr_run *run = live->run;
    uint32_t taken;

    ask_lock(live);
    taken = run->printed < capacity ? run->printed : capacity;
    memcpy(text, run->print_buffer, taken);
    memmove(run->print_buffer, run->print_buffer + taken, run->printed - taken);
    run->printed -= taken;
    tr_unlock(&live->lock);
    return taken;
}
