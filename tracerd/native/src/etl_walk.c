/* The second pass: merge the CPUs by time, one buffer of each in memory, and hand every event to its programs. */
#include <stdlib.h>

#include "etl_parts.h"
#include "os.h"

#define EVENTS_PER_LOOK 512u                 /* at the clock */

_Static_assert(sizeof(struct tr_etw_context) == 96, "platforms/linux.py says 96 bytes");
_Static_assert(offsetof(struct tr_etw_context, kind) == 94, "platforms/linux.py says where the kind is");

/* Load the lane's next buffer. Returns false when there is none. */
static bool load(struct tr_etl *etl, struct tr_etl_lane *lane)
{
    if (lane->next == lane->last)
        return false;
    lane->end = tr_etl_load(etl, &etl->buffers[lane->next++], lane->data, &etl->damage, &lane->cut);
    lane->at = TR_ETL_BUFFER_HEADER;
    return true;
}

/* Decode the next event of the buffer in memory. Returns false at its end. */
static bool next_in_buffer(struct tr_etl *etl, struct tr_etl_lane *lane)
{
    while (lane->at < lane->end) {
        enum tr_etl_step step = tr_etl_decode(lane->data + lane->at, lane->end - lane->at, &lane->event);

        if (step == TR_ETL_DAMAGED || (step == TR_ETL_END && !tr_etl_may_end(etl, lane->data, lane->at, lane->end)))
            etl->damage.events += !lane->cut;
        if (step == TR_ETL_DAMAGED || step == TR_ETL_END)
            break;
        lane->at += (lane->event.size + 7) & ~7u;
        if (step == TR_ETL_EVENT)
            return true;
    }
    lane->at = lane->end;
    return false;
}

/* Move on to the lane's next event. Returns false when it has no more. */
static bool advance(struct tr_etl *etl, struct tr_etl_lane *lane)
{
    while (!next_in_buffer(etl, lane))
        if (!load(etl, lane))
            return false;
    if (!lane->event.timed)
        lane->event.ticks = lane->ticks == INT64_MIN ? etl->facts.start_ticks : lane->ticks;
    etl->disorder += lane->event.ticks < lane->ticks;
    lane->ticks = lane->event.ticks;
    return true;
}

/* Earlier first; at the same time the lower lane, so that every walk gives the same order. */
static bool before(const struct tr_etl *etl, uint32_t a, uint32_t b)
{
    int64_t left = etl->lanes[a].ticks, right = etl->lanes[b].ticks;

    return left < right || (left == right && a < b);
}

static void sift_down(struct tr_etl *etl, uint32_t at)
{
    uint32_t *heap = etl->heap;

    for (;;) {
        uint32_t least = at, left = 2 * at + 1, moved;

        if (left < etl->heap_count && before(etl, heap[left], heap[least]))
            least = left;
        if (left + 1 < etl->heap_count && before(etl, heap[left + 1], heap[least]))
            least = left + 1;
        if (least == at)
            return;
        moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

static bool same_lane(const struct tr_etl_buffer *a, const struct tr_etl_buffer *b)
{
    return a->cpu == b->cpu && a->logger == b->logger && a->session == b->session;
}

static uint32_t count_lanes(const struct tr_etl *etl)
{
    uint32_t lanes = 0;

    for (uint32_t i = 0; i < etl->count; i++)
        lanes += i == 0 || !same_lane(&etl->buffers[i - 1], &etl->buffers[i]);
    return lanes;
}

/* Cut the ordered index into lanes and give each room for its largest buffer. Returns 0 or TR_ETL_*. */
static int32_t make_lanes(struct tr_etl *etl)
{
    uint64_t bytes = 0;
    uint32_t at = 0;

    while (at < etl->count) {
        struct tr_etl_lane *lane = &etl->lanes[etl->lane_count];
        uint32_t most = 0;

        lane->cpu = tr_etl_cpu(&etl->facts, etl->buffers[at].cpu);
        lane->ticks = INT64_MIN;             /* before every event, so the first one is in order */
        lane->next = at;
        for (lane->last = at; lane->last < etl->count; lane->last++) {
            if (!same_lane(&etl->buffers[at], &etl->buffers[lane->last]))
                break;
            most = etl->buffers[lane->last].end > most ? etl->buffers[lane->last].end : most;
        }
        at = lane->last;
        bytes += most;
        if (bytes > TR_ETL_MAX_LANE_BYTES)
            return TR_ETL_TOO_MANY;
        lane->data = malloc(most);
        if (!lane->data)
            return TR_ETL_NO_MEMORY;
        etl->lane_count++;
    }
    return 0;
}

static void make_heap(struct tr_etl *etl)
{
    for (uint32_t i = 0; i < etl->lane_count; i++)
        if (advance(etl, &etl->lanes[i]))
            etl->heap[etl->heap_count++] = i;
    for (uint32_t i = etl->heap_count; i > 0; i--)
        sift_down(etl, i - 1);
}

int32_t tr_etl_begin(struct tr_etl *etl)
{
    uint32_t lanes = count_lanes(etl);
    int32_t error;

    if (etl->begun || !etl->matcher || lanes > TR_ETL_MAX_LANES)
        return TR_ETL_TOO_MANY;
    etl->begun = true;
    etl->lanes = calloc(lanes + 1, sizeof *etl->lanes);
    etl->heap = calloc(lanes + 1, sizeof *etl->heap);
    etl->threads = tr_etl_threads_new(etl->facts.cpus);
    etl->damage = etl->facts.damage;
    tr_etl_set_clock(&etl->clock, &etl->facts);
    if (!etl->lanes || !etl->heap || !etl->threads || tr_etw_prepare(etl->matcher))
        return TR_ETL_NO_MEMORY;
    error = make_lanes(etl);
    if (!error)
        make_heap(etl);
    return error;
}

int32_t tr_etl_set_matcher(struct tr_etl *etl, struct tr_etw_matcher *matcher)
{
    if (etl->begun)
        return -1;
    etl->matcher = matcher;
    return 0;
}

void tr_etl_set_ticks(struct tr_etl *etl, struct tr_ticks *ticks)
{
    etl->ticks = ticks;
    etl->ticks_due = ticks ? tr_ticks_due(ticks) : TR_TICK_NEVER;
}

/* Let the intervals catch up with an event. Returns whether any was due: that may have taken a while. */
static bool tick(struct tr_etl *etl, const struct tr_etl_event *event, struct tr_run *run)
{
    int64_t ns = tr_etl_event_clock_ns(&etl->clock, event->ticks);
    uint64_t now_ns = ns < 0 ? 0 : (uint64_t)ns;

    if (now_ns < etl->ticks_due)
        return false;
    tr_ticks_advance(etl->ticks, now_ns, run);
    etl->ticks_due = tr_ticks_due(etl->ticks);
    return true;
}

/* Hand over the earliest event and move its lane on. Returns whether the clock should be looked at. */
static bool step(struct tr_etl *etl, struct tr_run *run)
{
    struct tr_etl_lane *lane = &etl->lanes[etl->heap[0]];
    bool ticked = etl->ticks && tick(etl, &lane->event, run);

    tr_etl_attribute(etl->threads, &lane->event, lane->cpu);
    tr_etl_deliver(etl->matcher, &etl->clock, &lane->event, lane->cpu, run);
    if (!advance(etl, lane))
        etl->heap[0] = etl->heap[--etl->heap_count];
    sift_down(etl, 0);
    return ticked;
}

int64_t tr_etl_pump(struct tr_etl *etl, struct tr_run *run, uint32_t timeout_ms)
{
    uint64_t end = tr_os_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
    int64_t passed = 0;
    bool look;

    if (!etl->heap_count)
        return -1;
    run->pause = 0;
    do {
        look = false;
        for (uint32_t i = 0; i < EVENTS_PER_LOOK && etl->heap_count && !look; i++, passed++)
            look = step(etl, run) || run->pause;
    } while (etl->heap_count && !run->pause && tr_os_monotonic_ns() < end);
    return passed;
}

void tr_etl_damage(const struct tr_etl *etl, struct tr_etl_damage *damage)
{
    *damage = etl->begun ? etl->damage : etl->facts.damage;
}

void tr_etl_rest(const struct tr_etl *etl, struct tr_ledger *ledger)
{
    struct tr_etl_damage damage;

    tr_etl_damage(etl, &damage);
    *ledger = (struct tr_ledger){
        .filtered = etl->matcher ? tr_etw_unmatched(etl->matcher) : 0,
        .lost_in_session = etl->facts.events_lost,
        .dropped_in_ring = damage.headers + damage.torn + damage.packed + damage.events + damage.gone,
    };
    ledger->produced = ledger->filtered + ledger->lost_in_session + ledger->dropped_in_ring;
}

uint64_t tr_etl_disorder(const struct tr_etl *etl)
{
    return etl->disorder;
}
