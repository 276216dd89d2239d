/* Tracepoint records as the process tracker wants them. */

#if defined(__linux__)

#include <errno.h>
#include <string.h>

#include "perf_parts.h"

#define PROCESSES 32768                  /* at 56 bytes each; the kernel's default pid_max */
#define WAITING 16384                    /* starts: 160,000 forks/s that exec nothing */

struct tr_processes *tr_perf_track(struct tr_perf *perf, int64_t unix_offset_ns)
{
    struct tr_processes_options options = {
        .capacity = PROCESSES,
        .waiting = WAITING,
        .unix_offset_ns = unix_offset_ns,
        .tasks = perf->tasks,
        .ignored = &perf->ignored,
        .run = &perf->run,
    };

    if (!perf->processes)
        perf->processes = tr_processes_new(&options);
    return perf->processes;
}

/* Bytes of a record up to the end of its fields. */
static uint32_t record_bytes(uint32_t what, uint32_t first, uint32_t second)
{
    static const uint32_t width[][2] = {
        [TR_FOLLOW_FORK] = {4, 8}, [TR_FOLLOW_EXEC] = {4, 0}, [TR_FOLLOW_EXIT] = {1, 0}, [TR_FOLLOW_CODE] = {8, 0},
    };
    uint32_t ends[2] = {first + width[what][0], second + width[what][1]};

    return ends[0] > ends[1] ? ends[0] : ends[1];
}

int tr_perf_follow(struct tr_perf *perf, uint32_t number, uint32_t what, uint32_t first, uint32_t second)
{
    struct event *event = perf->events + number;
    struct counter sum;

    if (!perf->processes || number >= perf->event_count || what < TR_FOLLOW_FORK || what > TR_FOLLOW_CODE
        || first > TR_MAX_RECORD || second > TR_MAX_RECORD || perf->process_event[what] != TR_NO_EVENT)
        return -EINVAL;
    if (tr_perf_read_counts(perf, event, &sum) < 0)
        return -EIO;
    /* What is in the rings now will be followed: so what was produced before is what was taken so far. */
    event->followed_lost = sum.lost;
    event->followed_from = sum.lost + event->delivered + event->filtered + event->failed + event->dropped;
    event->follow = what;
    event->offset[0] = first;
    event->offset[1] = second;
    event->record_bytes = record_bytes(what, first, second);
    perf->process_event[what] = (uint16_t)number;
    perf->event_of_type[event->tracepoint] |= TR_FOLLOWED;
    return 0;
}

void tr_perf_untrack(struct tr_perf *perf)
{
    for (uint32_t at = 0; at < perf->event_count; at++) {
        struct event *event = perf->events + at;

        if (event->follow && event->fds)
            perf->event_of_type[event->tracepoint] = (uint16_t)at;
        event->follow = 0;
    }
    memset(perf->process_event, 0xff, sizeof perf->process_event);
    tr_processes_free(perf->processes);
    perf->processes = NULL;
}

struct sample {                          /* a record's parts, checked to be long enough */
    uint64_t time_ns;
    uint32_t cpu;
    uint32_t pid;
    uint32_t tid;
    const uint8_t *raw;
    uint32_t raw_size;
};

static uint32_t word_at(const uint8_t *raw, uint32_t offset)
{
    uint32_t word;

    memcpy(&word, raw + offset, sizeof word);
    return word;
}

static uint64_t long_at(const uint8_t *raw, uint32_t offset)
{
    uint64_t value;

    memcpy(&value, raw + offset, sizeof value);
    return value;
}

static void take_fork(struct tr_perf *perf, const struct event *event, const struct sample *sample)
{
    struct tr_fork_record fork = {
        .time_ns = sample->time_ns,
        .flags = long_at(sample->raw, event->offset[1]),
        .cpu = sample->cpu,
        .parent = sample->pid,
        .pid = word_at(sample->raw, event->offset[0]),
    };

    tr_processes_fork(perf->processes, &fork);
}

/* A text field holds where its text lies: the offset in 16 bits, the length in 16. */
static void take_exec(struct tr_perf *perf, const struct event *event, const struct sample *sample)
{
    uint32_t where = word_at(sample->raw, event->offset[0]), offset = where & 0xffff, length = where >> 16;
    const char *file = (const char *)sample->raw + offset;

    if (!length || offset + length > sample->raw_size || file[length - 1])
        file = "";
    tr_processes_exec(perf->processes, sample->time_ns, sample->cpu, sample->pid, file);
}

static void take_exit(struct tr_perf *perf, const struct event *event, const struct sample *sample)
{
    int last = event->offset[0] ? sample->raw[event->offset[0]] : sample->pid == sample->tid;

    if (last)
        tr_processes_exit(perf->processes, sample->time_ns, sample->cpu, sample->pid);
    else
        tr_processes_filtered(perf->processes, TR_PROCESS_EXIT);
}

static void take_whole(struct tr_perf *perf, const struct event *event, const struct sample *sample)
{
    switch (event->follow) {
    case TR_FOLLOW_FORK:
        take_fork(perf, event, sample);
        break;
    case TR_FOLLOW_EXEC:
        take_exec(perf, event, sample);
        break;
    case TR_FOLLOW_EXIT:
        take_exit(perf, event, sample);
        break;
    default:
        tr_processes_code(perf->processes, sample->pid, (int32_t)long_at(sample->raw, event->offset[0]));
    }
}

static void drop(struct tr_perf *perf, const struct event *event)
{
    if (event->follow == TR_FOLLOW_FORK)
        tr_processes_dropped(perf->processes, TR_PROCESS_START);
    else if (event->follow == TR_FOLLOW_EXIT)
        tr_processes_dropped(perf->processes, TR_PROCESS_EXIT);
}

/* Give the sample at the ring's tail to the tracker. Returns whether the event has links of its own, which count it;
   else it is counted here. */
int tr_perf_take_process(struct tr_perf *perf, const struct ring *ring, uint32_t size, struct event *event)
{
    uint64_t task = ring_word(ring, TR_SAMPLE_PID);
    struct sample sample = {
        .time_ns = ring->time,
        .cpu = ring->cpu,
        .pid = (uint32_t)task,
        .tid = (uint32_t)(task >> 32),
        .raw_size = (uint32_t)ring_word(ring, TR_SAMPLE_RAW_SIZE),
    };
    int whole = sample.raw_size >= event->record_bytes && sample.raw_size <= size - TR_SAMPLE_RAW;

    if (whole) {
        sample.raw = ring_record(ring, size, perf->scratch) + TR_SAMPLE_RAW;
        take_whole(perf, event, &sample);
    } else {
        drop(perf, event);
    }
    if (event->links.count)
        return 1;
    event->delivered += (uint64_t)whole;
    event->dropped += (uint64_t)!whole;
    return 0;
}

#endif
