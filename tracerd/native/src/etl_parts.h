/* What the parts of the ETL walker share. Format: the published WMI_BUFFER_HEADER and event headers (phnt ntwmi.h). */
#ifndef TR_ETL_PARTS_H
#define TR_ETL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "etw_match.h"
#include "ticks.h"
#include "etw_layouts.h"
#include "etw_decode.h"
#include "etl.h"

#define TR_ETL_BUFFER_HEADER 0x48u
#define TR_ETL_MAX_BUFFER (16u << 20)
#define TR_ETL_MAX_BUFFERS (4u << 20)       /* 128 MiB of index; 256 GiB of recording at 64 KiB a buffer */
#define TR_ETL_MAX_CPUS 4096u
#define TR_ETL_MAX_LANES 8192u
#define TR_ETL_MAX_LANE_BYTES ((uint64_t)1 << 30)
#define TR_ETL_NO_TASK 0xffffffffu

/* One event, decoded in place: the pointers point into the buffer. */
struct tr_etl_event {
    const uint8_t *payload;
    const uint8_t *provider;         /* NULL: a kernel event, known by its hook */
    const uint8_t *activity;         /* NULL: none */
    uint64_t keyword;
    int64_t ticks;
    uint32_t payload_size;
    uint32_t size;                   /* on disk, without the padding to 8 */
    uint32_t pid;
    uint32_t tid;
    uint16_t hook;                   /* of a kernel event */
    uint16_t id;
    uint16_t task;
    uint16_t flags;
    uint8_t kind;
    uint8_t pointer_size;
    uint8_t version;
    uint8_t channel;
    uint8_t level;
    uint8_t opcode;
    bool timed;                      /* false: WPP messages may lack a timestamp */
    bool by_id;                      /* numbered by id, not by opcode */
    struct tr_etw_described described;
};

enum tr_etl_step { TR_ETL_EVENT, TR_ETL_SKIP, TR_ETL_END, TR_ETL_DAMAGED };

/* Decode the event at `at`, of which `room` bytes may be read. SKIP sets kind and size only. */
enum tr_etl_step tr_etl_decode(const uint8_t *at, uint32_t room, struct tr_etl_event *event);

/* A buffer with events. Ordered by (cpu, logger, sequence, offset). */
struct tr_etl_buffer {
    uint64_t offset;                 /* in the file */
    int64_t sequence;
    uint32_t end;                    /* of its valid bytes, from its start; at most what the file has */
    uint16_t cpu;
    uint16_t logger;
    bool cut;                        /* the file ends before `end` did: counted as bad once, by the index */
};

/* The buffers of one CPU and logger, one in memory at a time. */
struct tr_etl_lane {
    uint8_t *data;
    uint32_t next, last;             /* buffers not yet loaded: [next, last) of the index */
    uint32_t at, end;                /* in `data`: behind the current event, and of the valid bytes */
    uint32_t cpu;
    bool cut;
    int64_t ticks;                   /* of the event before: for events without a time, and to see disorder */
    struct tr_etl_event event;
};

struct tr_etl {
    int fd;
    struct tr_etl_facts facts;
    struct tr_etl_buffer *buffers;
    uint32_t count;                  /* of buffers */
    struct tr_etw_matcher *matcher;  /* the caller's */
    struct tr_ticks *ticks;          /* the caller's; NULL: none */
    uint64_t ticks_due;
    struct tr_etl_lane *lanes;
    uint32_t lane_count;
    uint32_t *heap;                  /* lanes with an event, the earliest on top */
    uint32_t heap_count;
    uint64_t damaged;                /* buffers with a senseless event, or gone since the file was indexed */
    uint64_t disorder;
    bool begun;
};

/* Read exactly `size` bytes at `offset` unless the file ends before. Returns the bytes read, or -1 with errno set. */
int64_t tr_etl_read(int fd, void *to, uint32_t size, uint64_t offset);
int64_t tr_etl_file_size(int fd);

/* Pass over all buffers: fills facts and index. Returns 0 or TR_ETL_*. */
int32_t tr_etl_index(struct tr_etl *etl);

/* Read a buffer again into `to`. Returns its valid end: less than indexed if the file shrank. */
uint32_t tr_etl_load(const struct tr_etl *etl, const struct tr_etl_buffer *buffer, uint8_t *to);

/* Hand an event to the programs of its names. */
void tr_etl_deliver(struct tr_etl *etl, const struct tr_etl_event *event, uint32_t cpu, struct tr_run *run);

#endif
