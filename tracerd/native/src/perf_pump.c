/* The pump: merge the rings by time, run the programs, wait for more. Nothing here allocates. */

#if defined(__linux__)

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "perf_parts.h"
#include "ignored.h"

#define TICK_MS 100                      /* a wake-up per event costs 15 times more than looking now and then */
#define TICK_OF_PROCESSES_MS 10          /* command lines are read from /proc: before their processes are gone */
#define WAKE_MARK UINT32_MAX             /* epoll data of the eventfd; rings have their index */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t tr_perf_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* Run every program of the event. The event has failed if any of them did. */
static void run_links(struct tr_perf *perf, struct event *event, const uint8_t *raw, uint32_t raw_size)
{
    struct tr_link *first = perf->links + event->links.first;
    int failed = tr_links_run(first, event->links.count, raw, raw_size, &perf->run);

    event->failed += (uint64_t)failed;
    event->delivered += (uint64_t)!failed;
    perf->counted.delivered += (uint64_t)!failed;
}

/* Take a sample of no event of ours, or one that the process tracker wants. Returns its event if links want it too,
   else TR_NO_EVENT. */
static uint32_t take_followed(struct tr_perf *perf, const struct ring *ring, uint32_t size, uint32_t number)
{
    uint32_t event = number ^ TR_FOLLOWED;

    if (number == TR_NO_EVENT)
        perf->counted.unparsed++;
    else if (tr_perf_take_process(perf, ring, size, perf->events + event))
        return event;
    return TR_NO_EVENT;
}

/* Take the sample at the ring's tail. Our own events are sorted out before anything else is done for them. */
static void take_sample(struct tr_perf *perf, struct ring *ring, uint32_t size)
{
    uint64_t task = ring_word(ring, TR_SAMPLE_PID);
    uint64_t raw_head = ring_word(ring, TR_SAMPLE_RAW_SIZE);      /* u32 size, u16 common_type, u16 flags */
    uint32_t pid = (uint32_t)task, tid = (uint32_t)(task >> 32), raw_size = (uint32_t)raw_head;
    uint32_t number = perf->event_of_type[(raw_head >> 32) & (TR_MAX_TYPES - 1)];
    struct event *event;
    const uint8_t *raw;

    if (number & TR_FOLLOWED) {
        number = take_followed(perf, ring, size, number);
        if (number == TR_NO_EVENT)
            return;
    }
    event = perf->events + number;
    if (!event->links.count || tr_is_ignored(&perf->ignored, pid)) {     /* its last link may be gone by now */
        event->filtered++;
        return;
    }
    if (raw_size < 8 || raw_size > size - TR_SAMPLE_RAW) {
        event->dropped++;
        return;
    }
    raw = ring_record(ring, size, perf->scratch) + TR_SAMPLE_RAW;
    if (tid != ring->tid) {
        uint32_t common_pid;
        memcpy(&common_pid, raw + 4, sizeof common_pid);
        tr_perf_identify(perf, ring, pid, tid, common_pid);
    }
    if (ring->time < perf->last_time)
        perf->counted.reordered++;
    else
        perf->last_time = ring->time;
    perf->run.now_ns = ring->time;
    perf->run.cpu = ring->cpu;
    perf->run.pid_tgid = ring->identity.pid_tgid;
    perf->run.uid_gid = ring->identity.uid_gid;
    memcpy(perf->run.comm, ring->identity.comm, sizeof perf->run.comm);
    run_links(perf, event, raw, raw_size);
}

/* Take the record at tail; returns 1 if it was an event. */
static uint64_t take(struct tr_perf *perf, struct ring *ring)
{
    uint32_t size = (uint32_t)(ring->first >> 48), type = (uint32_t)ring->first;

    if (type != PERF_RECORD_SAMPLE)
        tr_perf_take_other(perf, (const void *)ring_record(ring, size, perf->scratch));
    else if (size > TR_SAMPLE_RAW)
        take_sample(perf, ring, size);
    else
        perf->counted.unparsed++;
    ring->tail += size;
    if (ring->tail - ring->published > ring->size / 8)
        tr_perf_ring_publish(ring);
    return type == PERF_RECORD_SAMPLE;
}

/* Let the ring at `at` sink to its place: no ring below it has an older record. */
static void sink(struct tr_perf *perf, uint32_t at)
{
    uint32_t *heap = perf->heap, moving = heap[at];
    uint64_t time = perf->rings[moving].time;

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= perf->heap_count)
            break;
        if (child + 1 < perf->heap_count && perf->rings[heap[child + 1]].time < perf->rings[heap[child]].time)
            child++;
        if (perf->rings[heap[child]].time >= time)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static int ready(struct tr_perf *perf, struct ring *ring, uint64_t until)
{
    int found = ring_peek(ring);

    if (found < 0) {                     /* a damaged ring: no later record could be found either */
        perf->counted.unparsed++;
        ring->tail = ring->head;
    }
    return found > 0 && ring->time <= until;
}

/* Until what time records may be taken. The clock is read before the heads, so one thread's events are never turned
   round, whatever CPUs it visits: an event is written before its thread goes on, hence the thread's next event is
   younger than the clock whenever this one was not there yet. Between threads an older record may still be on its way
   on another CPU; the window gives it time. A ring that is half full cannot wait: rather out of order than lost. */
static uint64_t horizon(struct tr_perf *perf, int everything)
{
    uint64_t now = tr_perf_now_ns();
    int pressed = 0;

    for (uint32_t at = 0; at < perf->ring_count; at++) {
        struct ring *ring = perf->rings + at;
        pressed |= tr_perf_ring_look(ring) > ring->size / 2;
    }
    if (everything)
        return UINT64_MAX;
    return pressed || now < perf->window_ns ? now : now - perf->window_ns;
}

/* Take all records up to a time, oldest first. Returns the number of events. */
static uint64_t merge(struct tr_perf *perf, uint64_t until)
{
    uint64_t taken = 0;

    perf->heap_count = 0;
    for (uint32_t at = 0; at < perf->ring_count; at++)
        if (ready(perf, perf->rings + at, until))
            perf->heap[perf->heap_count++] = at;
    for (uint32_t at = perf->heap_count / 2; at-- > 0;)
        sink(perf, at);
    while (perf->heap_count) {
        struct ring *oldest = perf->rings + perf->heap[0];
        taken += take(perf, oldest);
        if (!ready(perf, oldest, until))
            perf->heap[0] = perf->heap[--perf->heap_count];
        sink(perf, 0);
    }
    return taken;
}

/* The same, with the starts that have waited long enough for an exec in their place between the records. */
static uint64_t merge_with_starts(struct tr_perf *perf, uint64_t until)
{
    uint64_t taken = 0, now = until == UINT64_MAX ? tr_perf_now_ns() : until, due;

    tr_processes_allow(perf->processes, TR_LINES_PER_BATCH);
    while ((due = tr_processes_due(perf->processes)) <= now) {
        taken += merge(perf, due);
        tr_processes_advance(perf->processes, due);
    }
    return taken + merge(perf, until);
}

/* Take all records up to the horizon (or everything). Returns the number of events. */
uint64_t tr_perf_round(struct tr_perf *perf, int everything)
{
    uint64_t until = horizon(perf, everything), taken;

    perf->reads_left = TR_READS_PER_BATCH;
    taken = perf->processes ? merge_with_starts(perf, until) : merge(perf, until);
    for (uint32_t at = 0; at < perf->ring_count; at++)
        tr_perf_ring_publish(perf->rings + at);
    perf->counted.batches += taken > 0;
    return taken;
}

/* Some ring already holds what would wake us, though we have just been through. */
static int behind(const struct tr_perf *perf)
{
    for (uint32_t at = 0; at < perf->ring_count; at++) {
        const struct ring *ring = perf->rings + at;
        if (__atomic_load_n(&ring->page->data_head, __ATOMIC_RELAXED) - ring->tail > ring->size / 4)
            return 1;
    }
    return 0;
}

/* A ring whose CPU was taken offline says so for ever: do not ask it again. What it holds is still taken. */
static void hang_up(struct tr_perf *perf, uint32_t ring)
{
    epoll_ctl(perf->epoll, EPOLL_CTL_DEL, perf->rings[ring].fd, NULL);
}

/* Wait until a ring is a quarter full, `most_ms` have passed or tr_perf_wake: then 1. */
static int wait_for_events(struct tr_perf *perf, uint64_t most_ms)
{
    struct epoll_event events[16];
    int woken = 0;
    int count = epoll_wait(perf->epoll, events, 16, (int)most_ms);

    for (int at = 0; at < count; at++) {
        if (events[at].data.u32 == WAKE_MARK)
            woken = 1;
        else if (events[at].events & (EPOLLHUP | EPOLLERR))
            hang_up(perf, events[at].data.u32);
    }
    perf->counted.wakeups++;
    return woken;
}

/* How long to wait before the next round. A ring that filled meanwhile is taken at once, unless the last round found
   nothing old enough: then its events wait for the window, not for us. */
static uint64_t pause_ms(const struct tr_perf *perf, uint64_t taken, uint64_t left_ns)
{
    uint64_t left_ms = (left_ns + 999999U) / 1000000U, tick_ms = perf->processes ? TICK_OF_PROCESSES_MS : TICK_MS;

    if (behind(perf))
        return taken == 0;
    return left_ms < tick_ms ? left_ms : tick_ms;
}

static int64_t pump(struct tr_perf *perf, uint32_t timeout_ms)
{
    uint64_t deadline = tr_perf_now_ns() + (uint64_t)timeout_ms * 1000000U;
    uint64_t round = tr_perf_round(perf, 0), taken = round;
    uint64_t now, signals;

    while ((now = tr_perf_now_ns()) < deadline) {
        if (wait_for_events(perf, pause_ms(perf, round, deadline - now))) {
            if (read(perf->wake, &signals, sizeof signals) < 0 && errno != EAGAIN)
                return -errno;
            break;
        }
        round = tr_perf_round(perf, 0);
        taken += round;
    }
    return (int64_t)taken;
}

int64_t tr_perf_pump(struct tr_perf *perf, uint32_t timeout_ms)
{
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    int64_t taken;

    if (__atomic_exchange_n(&perf->busy, 1, __ATOMIC_ACQUIRE))
        return -EBUSY;
    taken = pump(perf, timeout_ms);
    perf->counted.cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    __atomic_store_n(&perf->busy, 0, __ATOMIC_RELEASE);
    return taken;
}

void tr_perf_wake(struct tr_perf *perf)
{
    uint64_t one = 1;
    ssize_t written = write(perf->wake, &one, sizeof one);

    (void)written;                       /* full means that a wake is already waiting */
}

#endif
