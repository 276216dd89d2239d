/* Starting, stopping and the ledger: what the kernel says it produced and lost, against what was delivered. */

#if defined(__linux__)

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "perf_parts.h"

#define DRAIN_TRIES 200                  /* of 1 ms: a CPU may be in the middle of writing its last record */

static int switch_rings(struct tr_perf *perf, unsigned long request)
{
    for (uint32_t at = 0; at < perf->ring_count; at++)
        if (ioctl(perf->rings[at].fd, request, 0) < 0)
            return -errno;
    return 0;
}

static int switch_events(struct tr_perf *perf, unsigned long request)
{
    for (uint32_t event = 0; event < perf->event_count; event++)
        for (uint32_t at = 0; perf->events[event].fds && at < perf->ring_count; at++)
            if (ioctl(perf->events[event].fds[at], request, 0) < 0)
                return -errno;
    return 0;
}

/* Let no event pass any more. A record whose event is disabled between its count and its writing is counted and never
   written (seen on Linux 6.18 at one stop in 15 under load). So events are first filtered out, which happens before
   they are counted; those that had passed the filter get a moment to be counted, then the balance tells when they are
   written, and only then they are disabled. A kernel that takes no filter for an event is left to the disabling. */
static void shut_out(struct tr_perf *perf)
{
    static const char nobody[] = "common_pid == -2";
    struct timespec moment = {0, 2000000};

    for (uint32_t event = 0; event < perf->event_count; event++)
        for (uint32_t at = 0; perf->events[event].fds && at < perf->ring_count; at++)
            ioctl(perf->events[event].fds[at], PERF_EVENT_IOC_SET_FILTER, nobody);
    nanosleep(&moment, NULL);
}

int tr_perf_start_tasks(struct tr_perf *perf)
{
    return switch_rings(perf, PERF_EVENT_IOC_ENABLE);
}

/* Sum an event's counters over all CPUs and openings. */
int tr_perf_read_counts(const struct tr_perf *perf, const struct event *event, struct counter *sum)
{
    *sum = (struct counter){event->produced_before, event->lost_before};
    for (uint32_t at = 0; at < perf->ring_count; at++) {
        struct counter one;
        ssize_t got = read(event->fds[at], &one, sizeof one);
        if (got != (ssize_t)sizeof one)
            return got < 0 ? -errno : -EIO;
        sum->value += one.value;
        sum->lost += one.lost;
    }
    return 0;
}

static int balanced(const struct event *event)
{
    return event->produced == event->lost + event->delivered + event->filtered + event->failed + event->dropped;
}

/* Read the final counts; 1 if every event's balance is even. */
static int settle(struct tr_perf *perf)
{
    int even = 1;

    for (uint32_t at = 0; at < perf->event_count; at++) {
        struct event *event = perf->events + at;
        struct counter sum;
        if (event->fds && tr_perf_read_counts(perf, event, &sum) == 0) {
            event->produced = sum.value;
            event->lost = sum.lost;
            event->stopped = 1;
        }
        even &= balanced(event);
    }
    return even;
}

/* Deliver what is in the rings until every event's balance is even. */
static uint64_t drain(struct tr_perf *perf)
{
    struct timespec pause = {0, 1000000};
    uint64_t taken = 0;

    for (int try = 0; try < DRAIN_TRIES; try++) {
        taken += tr_perf_round(perf, 1);
        if (settle(perf))
            break;
        nanosleep(&pause, NULL);
    }
    return taken;
}

int64_t tr_perf_stop(struct tr_perf *perf)
{
    uint64_t taken;
    int error;

    if (__atomic_exchange_n(&perf->busy, 1, __ATOMIC_ACQUIRE))
        return -EBUSY;
    shut_out(perf);
    taken = drain(perf);
    error = switch_events(perf, PERF_EVENT_IOC_DISABLE);
    taken += drain(perf);
    if (perf->processes)
        tr_processes_flush(perf->processes, tr_perf_now_ns());
    if (!error)
        error = switch_rings(perf, PERF_EVENT_IOC_DISABLE);
    __atomic_store_n(&perf->busy, 0, __ATOMIC_RELEASE);
    return error ? error : (int64_t)taken;
}

/* Put in what an event's producer says; the pump's part is in it already, so that there are never fewer produced. */
static int add_produced(const struct tr_perf *perf, const struct event *event, struct tr_ledger *ledger)
{
    struct counter sum = {event->produced, event->lost};
    int error = event->stopped ? 0 : tr_perf_read_counts(perf, event, &sum);

    ledger->produced = sum.value;
    ledger->lost_in_kernel = sum.lost;
    return error;
}

int tr_perf_ledger(struct tr_perf *perf, uint32_t number, struct tr_ledger *ledger)
{
    const struct event *event = perf->events + number;

    if (number >= perf->event_count)
        return -EINVAL;
    *ledger = (struct tr_ledger){
        .delivered = event->delivered,
        .filtered = event->filtered,
        .failed = event->failed,
        .dropped_in_ring = event->dropped,
    };
    return add_produced(perf, event, ledger);
}

int tr_perf_process_ledger(struct tr_perf *perf, uint32_t kind, struct tr_ledger *ledger)
{
    uint32_t what = kind == TR_PROCESS_START ? TR_FOLLOW_FORK : TR_FOLLOW_EXIT;
    uint32_t number = perf->process_event[what];
    int error;

    if (!perf->processes || (kind != TR_PROCESS_START && kind != TR_PROCESS_EXIT) || number == TR_NO_EVENT)
        return -EINVAL;
    tr_processes_ledger(perf->processes, kind, ledger);
    error = add_produced(perf, perf->events + number, ledger);
    ledger->produced -= perf->events[number].followed_from;
    ledger->lost_in_kernel -= perf->events[number].followed_lost;
    return error;
}

/* Process events are events of their own. */
static void add_processes(const struct tr_perf *perf, struct tr_perf_statistics *statistics)
{
    for (uint32_t kind = TR_PROCESS_START; kind <= TR_PROCESS_EXIT; kind++) {
        struct tr_ledger ledger;

        tr_processes_ledger(perf->processes, kind, &ledger);
        statistics->delivered += ledger.delivered;
    }
}

void tr_perf_statistics(const struct tr_perf *perf, struct tr_perf_statistics *statistics)
{
    *statistics = perf->counted;
    statistics->print_dropped = perf->run.print_dropped;
    if (perf->processes)
        add_processes(perf, statistics);
    for (uint32_t at = 0; at < perf->ring_count; at++) {
        struct counter one;
        if (read(perf->rings[at].fd, &one, sizeof one) == (ssize_t)sizeof one)
            statistics->task_records_lost += one.lost;
    }
}

#endif
