/* Starting one event, and closing it in the steps of a stop (perf_counts.c), while the others go on. */

#if defined(__linux__)

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "perf_parts.h"

static struct event *open_event(const struct tr_perf *perf, uint32_t number)
{
    return number < perf->event_count && perf->events[number].fds ? perf->events + number : NULL;
}

/* An event was led into its ring while disabled, so none is counted that could not be written. */
int tr_perf_enable_event(struct tr_perf *perf, uint32_t number)
{
    const struct event *event = open_event(perf, number);

    for (uint32_t at = 0; event && at < perf->ring_count; at++)
        if (ioctl(event->fds[at], PERF_EVENT_IOC_ENABLE, 0) < 0)
            return -errno;
    return event ? 0 : -EINVAL;
}

void tr_perf_shut_event(struct tr_perf *perf, uint32_t number)
{
    const struct event *event = open_event(perf, number);

    for (uint32_t at = 0; event && at < perf->ring_count; at++)
        ioctl(event->fds[at], PERF_EVENT_IOC_SET_FILTER, "common_pid == -2");
}

int tr_perf_event_is_even(const struct tr_perf *perf, uint32_t number)
{
    const struct event *event = open_event(perf, number);
    struct counter sum;

    if (!event || tr_perf_read_counts(perf, event, &sum) < 0)
        return 1;
    return sum.value == sum.lost + event->delivered + event->filtered + event->failed + event->dropped;
}

int tr_perf_retire_event(struct tr_perf *perf, uint32_t number, int *fds)
{
    struct event *event = open_event(perf, number);
    struct counter sum;

    if (!event)
        return -EINVAL;
    for (uint32_t at = 0; at < perf->ring_count; at++)
        ioctl(event->fds[at], PERF_EVENT_IOC_DISABLE, 0);
    tr_perf_round(perf, 1);
    if (tr_perf_read_counts(perf, event, &sum) == 0) {
        event->produced = sum.value;
        event->lost = sum.lost;
    }
    event->stopped = 1;
    memcpy(fds, event->fds, perf->ring_count * sizeof *fds);
    free(event->fds);
    event->fds = NULL;
    perf->event_of_type[event->tracepoint] = TR_NO_EVENT;
    return (int)perf->ring_count;
}

#endif
