/* What the files of the perf source share. */

#ifndef TR_PERF_PARTS_H
#define TR_PERF_PARTS_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "link_run.h"
#include "contexts.h"
#include "processes.h"
#include "perf.h"

#define TR_MAX_TYPES 65536               /* a record's common_type has 16 bits */
#define TR_MAX_RECORD 65536              /* perf_event_header.size has 16 bits */
#define TR_NO_EVENT UINT16_MAX
#define TR_FOLLOWED 0x8000               /* in event_of_type: the process tracker wants it too; set in TR_NO_EVENT as well */
#define TR_NO_THREAD (UINT32_MAX - 1)    /* never a thread id; UINT32_MAX is what samples of dead threads carry */
#define TR_READS_PER_BATCH 32            /* looks into /proc: 10 µs each */
#define TR_LINES_PER_BATCH 256           /* the same, for command lines: an exec costs its process 50 times more */
#define TR_PRINT_CAPACITY 65536

/* PERF_FORMAT_LOST; Linux 6.0's header has it, older ones do not. */
#define TR_FORMAT_LOST (1U << 4)

/* Every record of ours is laid out so. A ring belongs to one CPU and a sample's raw bytes begin with its tracepoint's
   number, so neither the CPU nor an identifier is sampled: 16 bytes less per event than the usual layout. */
#define TR_SAMPLE_TYPE (PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW)
#define TR_SAMPLE_PID 8                  /* u32 pid, u32 tid */
#define TR_SAMPLE_TIME 16                /* u64 */
#define TR_SAMPLE_RAW_SIZE 24            /* u32 */
#define TR_SAMPLE_RAW 28
#define TR_PREFETCH 2048                 /* bytes ahead: some twenty records */
#define TR_TRAILER_TIME 8                /* other records end in u32 pid, u32 tid, u64 time: bytes from the end */

/* Who runs on a ring's CPU, as programs see it: copied whole into the run. */
struct identity {
    uint64_t pid_tgid;
    uint64_t uid_gid;
    char comm[16];
};

struct ring {
    uint64_t tail;                       /* next record to take */
    uint64_t head;                       /* as read at the start of the round */
    uint64_t time;                       /* of the record at tail */
    uint64_t first;                      /* its first word: u32 type, u16 misc, u16 size */
    uint64_t published;                  /* the tail the kernel knows */
    uint8_t *data;
    uint64_t size;                       /* bytes of data, a power of two */
    uint32_t cpu;
    uint32_t tid;                        /* whose identity this is */
    struct identity identity;
    struct perf_event_mmap_page *page;
    int fd;                              /* the dummy event that owns the ring */
};

struct event {
    uint32_t tracepoint;
    struct tr_link_range links;
    int stopped;                         /* the producer's counts are final */
    uint64_t produced_before;            /* by earlier openings of the same tracepoint */
    uint64_t lost_before;
    uint64_t followed_from;              /* what had been produced, and lost, when the tracker began to follow */
    uint64_t followed_lost;
    uint32_t follow;                     /* TR_FOLLOW_*, or 0 */
    uint32_t offset[2];                  /* of its fields in the record */
    uint32_t record_bytes;               /* that a followed record has at least */
    int *fds;                            /* one per ring; NULL: closed, only its counts are left */
    uint64_t produced;                   /* when stopped */
    uint64_t lost;
    uint64_t delivered;
    uint64_t filtered;
    uint64_t failed;
    uint64_t dropped;
};

struct tr_perf {
    struct ring *rings;
    uint32_t ring_count;
    struct event *events;
    uint32_t event_count;
    struct tr_link *links;
    uint32_t link_count;
    uint16_t *event_of_type;             /* tracepoint number -> event, TR_NO_EVENT */
    struct tr_ignored ignored;
    uint32_t pages;
    uint64_t window_ns;
    uint64_t last_time;                  /* of the newest event delivered */
    uint32_t *heap;                      /* rings of this round, the oldest record first */
    uint32_t heap_count;
    uint32_t reads_left;                 /* looks into /proc this round may still take */
    int epoll;
    int wake;                            /* eventfd */
    int busy;                            /* a thread is inside */
    struct tr_tasks *tasks;
    struct tr_processes *processes;      /* NULL unless process events are asked for */
    uint16_t process_event[TR_FOLLOW_CODE + 1];    /* by TR_FOLLOW_*: which event, TR_NO_EVENT */
    struct tr_perf_statistics counted;
    struct tr_run run;
    char print_buffer[TR_PRINT_CAPACITY];
    uint8_t scratch[TR_MAX_RECORD] __attribute__((aligned(8)));    /* a record that wraps the ring's end */
};

uint64_t tr_perf_now_ns(void);

/* perf_ring.c */
uint64_t tr_perf_ring_look(struct ring *ring);
void tr_perf_ring_copy(const struct ring *ring, uint32_t size, uint8_t *into);
void tr_perf_ring_publish(struct ring *ring);

/* Records are multiples of 8 bytes and so is the ring: an aligned word of a record never wraps. */
static inline uint64_t ring_word(const struct ring *ring, uint64_t offset)
{
    uint64_t word;

    memcpy(&word, ring->data + ((ring->tail + offset) & (ring->size - 1)), sizeof word);
    return word;
}

/* Find the time of the record at tail; 0 if there is none, -1 if what is there cannot be a record. Asks for the bytes
   of later records already: they lie in the cache of the CPU that wrote them, and fetching one costs more than a
   small program. */
static inline int ring_peek(struct ring *ring)
{
    uint64_t size;

    if (ring->tail == ring->head)
        return 0;
    __builtin_prefetch(ring->data + ((ring->tail + TR_PREFETCH) & (ring->size - 1)));
    __builtin_prefetch(ring->data + ((ring->tail + TR_PREFETCH + 64) & (ring->size - 1)));
    ring->first = ring_word(ring, 0);
    size = ring->first >> 48;
    if (size < sizeof(struct perf_event_header) + TR_TRAILER_TIME || size % 8 || size > ring->head - ring->tail)
        return -1;
    ring->time = ring_word(ring, (uint32_t)ring->first == PERF_RECORD_SAMPLE ? TR_SAMPLE_TIME : size - TR_TRAILER_TIME);
    return 1;
}

/* The record at tail in one piece: in place, or copied to `scratch` if it wraps. */
static inline const uint8_t *ring_record(const struct ring *ring, uint32_t size, uint8_t *scratch)
{
    uint64_t offset = ring->tail & (ring->size - 1);

    if (size <= ring->size - offset)
        return ring->data + offset;
    tr_perf_ring_copy(ring, size, scratch);
    return scratch;
}

/* perf_tasks.c */
void tr_perf_take_other(struct tr_perf *perf, const struct perf_event_header *header);
void tr_perf_identify(struct tr_perf *perf, struct ring *ring, uint32_t pid, uint32_t tid, uint32_t common_pid);

/* perf_process.c */
int tr_perf_take_process(struct tr_perf *perf, const struct ring *ring, uint32_t size, struct event *event);

/* perf_counts.c */
struct counter {                         /* read(2) of an event with PERF_FORMAT_LOST */
    uint64_t value;
    uint64_t lost;
};
int tr_perf_read_counts(const struct tr_perf *perf, const struct event *event, struct counter *sum);

/* perf_pump.c */
uint64_t tr_perf_round(struct tr_perf *perf, int everything);

#endif
