/* The feed: runs the programs of a batch's events. Format and promises: border/batch.h. Nothing here allocates per
   event, and nothing in a batch is believed before it was checked. */

#include <stdlib.h>
#include <string.h>

#include "etw_match.h"
#include "link_run.h"
#include "os.h"
#include "ticks.h"
#include "batch.h"

#define MAX_EVENTS 4096u
#define TURN_NS 100000000u                   /* most of a call that may stop before the batch's end */
#define EVENTS_PER_LOOK 512u                 /* at the clock */

_Static_assert(sizeof(struct tr_batch_event) == 24, "docs/trec.md says 24 bytes");
_Static_assert(sizeof(struct tr_batch_task) == 32, "docs/trec.md says 32 bytes");

struct fed_event {
    struct tr_link_range links;
    struct tr_ledger ledger;
    uint32_t context;                        /* least bytes */
    int payload;
    struct tr_etw_matcher *matcher;          /* the caller's; NULL: its programs are `links` */
};

struct tr_feed {
    struct fed_event *events;
    struct tr_link *links;
    uint32_t link_count;
    const struct tr_batch_task **tasks;      /* of the batch that is being run */
    struct tr_ticks *ticks;
    uint64_t ticks_due;
    uint64_t senseless;
    uint64_t passed;
    uint64_t next_ns;
    uint32_t event_count;
    uint32_t task_count;
    uint32_t cpus;
    uint32_t unlooked;                       /* events since the clock was looked at; many, once there were ticks */
    uint64_t context[TR_BATCH_CONTEXT / 8];  /* where pointers are put in */
};

struct tr_feed *tr_feed_new(uint32_t cpus)
{
    struct tr_feed *feed = calloc(1, sizeof *feed);

    if (!feed)
        return NULL;
    feed->cpus = cpus;
    feed->ticks_due = TR_TICK_NEVER;
    feed->tasks = calloc(TR_BATCH_TASKS, sizeof *feed->tasks);
    feed->events = calloc(MAX_EVENTS, sizeof *feed->events);
    if (feed->tasks && feed->events)
        return feed;
    tr_feed_free(feed);
    return NULL;
}

void tr_feed_free(struct tr_feed *feed)
{
    if (!feed)
        return;
    free(feed->links);
    free(feed->tasks);
    free(feed->events);
    free(feed);
}

int32_t tr_feed_add_event(struct tr_feed *feed, uint32_t context, int payload)
{
    if (feed->event_count == MAX_EVENTS || context > TR_BATCH_CONTEXT || (payload && context < 16))
        return -1;
    feed->events[feed->event_count].context = context;
    feed->events[feed->event_count].payload = payload;
    return (int32_t)feed->event_count++;
}

int32_t tr_feed_set_links(struct tr_feed *feed, const struct tr_link *links, uint32_t count)
{
    struct tr_link_range *ranges;
    struct tr_link *grouped;

    for (uint32_t at = 0; at < count; at++)
        if (links[at].event >= feed->event_count || links[at].need > feed->events[links[at].event].context)
            return -1;
    ranges = calloc((size_t)feed->event_count + 1, sizeof *ranges);
    if (!ranges)
        return -1;
    grouped = tr_links_grouped(links, count, feed->event_count, ranges);
    if (grouped) {
        tr_links_carry(grouped, count, feed->links, feed->link_count);
        for (uint32_t event = 0; event < feed->event_count; event++)
            feed->events[event].links = ranges[event];
        free(feed->links);
        feed->links = grouped;
        feed->link_count = count;
    }
    free(ranges);
    return grouped ? 0 : -1;
}

const struct tr_link *tr_feed_links(const struct tr_feed *feed, uint32_t *count)
{
    *count = feed->link_count;
    return feed->links;
}

void tr_feed_set_ticks(struct tr_feed *feed, struct tr_ticks *ticks)
{
    feed->ticks = ticks;
    feed->ticks_due = ticks ? tr_ticks_due(ticks) : TR_TICK_NEVER;
}

int32_t tr_feed_set_matcher(struct tr_feed *feed, uint32_t event, struct tr_etw_matcher *matcher)
{
    if (event >= feed->event_count || !feed->events[event].payload
        || feed->events[event].context < sizeof(struct tr_etw_context))
        return -1;
    feed->events[event].matcher = matcher;
    return 0;
}

/* The bytes an entry takes, or 0 if it does not fit into what is left. */
static uint64_t entry_bytes(const struct tr_batch_event *entry, uint64_t left)
{
    uint64_t bytes;

    if (left < sizeof *entry || entry->context > TR_BATCH_CONTEXT || entry->payload > TR_BATCH_PAYLOAD)
        return 0;
    bytes = (sizeof *entry + (uint64_t)entry->context + entry->payload + 7) & ~(uint64_t)7;
    return bytes <= left ? bytes : 0;
}

/* Tasks are numbered as they come, so one beyond the next number is a hole. */
static int define_task(struct tr_feed *feed, const struct tr_batch_event *entry)
{
    if (entry->context != sizeof(struct tr_batch_task) || entry->task > feed->task_count
        || entry->task >= TR_BATCH_TASKS)
        return 0;
    feed->tasks[entry->task] = (const void *)(entry + 1);
    feed->task_count += entry->task == feed->task_count;
    return 1;
}

static void tick(struct tr_feed *feed, uint64_t now_ns, struct tr_run *run)
{
    tr_ticks_advance(feed->ticks, now_ns, run);
    feed->ticks_due = tr_ticks_due(feed->ticks);
    feed->unlooked = EVENTS_PER_LOOK;
}

/* The context as a program may read it: in place, or copied with its payload's bounds put in. */
static const void *context_of(struct tr_feed *feed, const struct fed_event *event, const struct tr_batch_event *entry)
{
    const uint8_t *context = (const void *)(entry + 1), *payload = context + entry->context;
    uint64_t bounds[2] = {(uintptr_t)payload, (uintptr_t)payload + entry->payload};

    if (!event->payload)
        return context;
    memcpy(feed->context, context, entry->context);
    memcpy(feed->context, bounds, sizeof bounds);
    return feed->context;
}

static void fill_run(const struct tr_feed *feed, const struct tr_batch_event *entry, struct tr_run *run)
{
    const struct tr_batch_task *task = feed->tasks[entry->task];

    run->now_ns = entry->now_ns;
    run->cpu = entry->cpu;
    run->pid_tgid = task->pid_tgid;
    run->uid_gid = task->uid_gid;
    memcpy(run->comm, task->comm, sizeof run->comm);
}

/* An ETW event: the matcher counts it, once for each name that it fits. */
static void match_event(struct tr_feed *feed, struct fed_event *event, const struct tr_batch_event *entry,
                        struct tr_run *run)
{
    const struct tr_etw_context *context = context_of(feed, event, entry);
    struct tr_etw_key key = tr_etw_key_of(context);
    struct tr_etw_found found;

    if (!tr_etw_find(event->matcher, &key, &found)) {
        tr_etw_pass(event->matcher);
        return;
    }
    fill_run(feed, entry, run);
    tr_etw_run(event->matcher, &key, &found, context, run);
}

static void run_links(struct tr_feed *feed, struct fed_event *event, const struct tr_batch_event *entry,
                      struct tr_run *run)
{
    if (!event->links.count) {
        event->ledger.filtered++;
        return;
    }
    fill_run(feed, entry, run);
    if (tr_links_run(feed->links + event->links.first, event->links.count, context_of(feed, event, entry),
                     entry->context, run))
        event->ledger.failed++;
    else
        event->ledger.delivered++;
}

static void take_event(struct tr_feed *feed, const struct tr_batch_event *entry, struct tr_run *run)
{
    struct fed_event *event;

    feed->passed++;
    if (entry->event >= feed->event_count) {
        feed->senseless++;
        return;
    }
    event = feed->events + entry->event;
    event->ledger.produced++;
    if (entry->task >= feed->task_count || entry->cpu >= feed->cpus || entry->context < event->context) {
        event->ledger.dropped_in_ring++;
        return;
    }
    if (entry->now_ns >= feed->ticks_due && feed->ticks)
        tick(feed, entry->now_ns, run);
    if (event->matcher)
        match_event(feed, event, entry, run);
    else
        run_links(feed, event, entry, run);
}

/* Whether a call has had its turn: of a hostile batch every event may cost a hundred thousand ticks. The
   first event of a call always has its turn, so calls come forward. */
static int over(struct tr_feed *feed, uint64_t end_ns)
{
    if (feed->unlooked++ < EVENTS_PER_LOOK)
        return 0;
    feed->unlooked = 0;
    return end_ns != UINT64_MAX && tr_os_monotonic_ns() >= end_ns;
}

/* Run entries from `from` on, up to an event later than `until_ns`, or to the next one when this machine's clock says
   `end_ns`. */
static uint64_t run_from(struct tr_feed *feed, const uint8_t *batch, uint64_t from, uint64_t size, uint64_t until_ns,
                         uint64_t end_ns, struct tr_run *run)
{
    uint64_t at = from, bytes;

    feed->next_ns = UINT64_MAX;
    feed->unlooked = 0;
    if ((uintptr_t)batch % 8 || from % 8)
        return 0;
    if (!from)
        feed->task_count = 0;
    while (at < size) {
        const struct tr_batch_event *entry = (const void *)(batch + at);

        bytes = entry_bytes(entry, size - at);
        if (!bytes)
            break;
        if (entry->event != TR_BATCH_TASK) {
            if (entry->now_ns > until_ns || over(feed, end_ns)) {
                feed->next_ns = entry->now_ns < UINT64_MAX ? entry->now_ns : UINT64_MAX - 1;
                break;
            }
            take_event(feed, entry, run);
        } else if (!define_task(feed, entry)) {
            break;
        }
        at += bytes;
    }
    return at;
}

uint64_t tr_feed_run(struct tr_feed *feed, const void *batch, uint64_t size, struct tr_run *run)
{
    return run_from(feed, batch, 0, size, UINT64_MAX, UINT64_MAX, run);
}

uint64_t tr_feed_run_until(struct tr_feed *feed, const void *batch, uint64_t from, uint64_t size, uint64_t until_ns,
                           struct tr_run *run)
{
    return run_from(feed, batch, from, size, until_ns, tr_os_monotonic_ns() + TURN_NS, run);
}

uint64_t tr_feed_next_ns(const struct tr_feed *feed)
{
    return feed->next_ns;
}

uint64_t tr_feed_passed(const struct tr_feed *feed)
{
    return feed->passed;
}

void tr_feed_ledger(const struct tr_feed *feed, uint32_t event, struct tr_ledger *ledger)
{
    *ledger = event < feed->event_count ? feed->events[event].ledger : (struct tr_ledger){0};
}

uint64_t tr_feed_senseless(const struct tr_feed *feed)
{
    return feed->senseless;
}
