/* What the parts of the ETL walker share. Format: the published WMI_BUFFER_HEADER and event headers (phnt ntwmi.h). */
#ifndef TR_ETL_PARTS_H
#define TR_ETL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "decompress.h"
#include "etw_match.h"
#include "ticks.h"
#include "etw_layouts.h"
#include "etw_decode.h"
#include "etl.h"

#define TR_ETL_BUFFER_HEADER 0x48u
#define TR_ETL_MAX_BUFFER (16u << 20)
#define TR_ETL_MAX_BUFFERS (4u << 20)       /* 160 MiB of index; 256 GiB of recording at 64 KiB a buffer */
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

/* What a WMI_BUFFER_HEADER says. */
struct tr_etl_header {
    int64_t sequence;
    uint32_t size;                   /* on disk, header included */
    uint32_t end;                    /* of its valid bytes, decompressed; below the header's size: none */
    uint16_t flags;
    uint16_t type;
    uint16_t cpu;
    uint16_t logger;
    bool packed;
};

/* A buffer with events. Ordered by (cpu, logger, session, sequence, offset). */
struct tr_etl_buffer {
    uint64_t offset;                 /* in the file */
    int64_t sequence;
    uint32_t end;                    /* of its valid bytes, decompressed, from its start */
    uint32_t stored;                 /* compressed bytes behind its header; 0: not compressed, the file has all of it */
    uint16_t cpu;
    uint16_t logger;
    uint16_t session;                /* the same for buffers that one session wrote: a file may have several's */
    bool cut;                        /* the file ends before the buffer does: counted once, by the index */
};

/* The buffers of one CPU and logger, one in memory at a time. */
struct tr_etl_lane {
    uint8_t *data;
    uint32_t next, last;             /* buffers not yet loaded: [next, last) of the index */
    uint32_t at, end;                /* in `data`: behind the current event, and of the valid bytes */
    uint32_t cpu;                    /* as programs see it */
    bool cut;                        /* of the buffer in memory: its damage is counted */
    int64_t ticks;                   /* of the event before: for events without a time, and to see disorder */
    struct tr_etl_event event;
};

/* The clock, prepared: an event's time without a division. */
struct tr_etl_pace {
    int64_t start_ns;                /* unix time */
    uint64_t frequency;
    uint64_t limit;                  /* more ticks than this are for the slow way; 0: all are */
    uint64_t whole, part;            /* ns per tick, and the part below one in 64 bits */
    double inverse;
};

/* What makes times of ticks. */
struct tr_etl_clock {
    const struct tr_etl_facts *facts;
    int64_t shift_ns;                /* of a live session: programs see another clock of its machine */
    struct tr_etl_pace pace;
};

struct tr_etl {
    int fd;
    struct tr_etl_facts facts;
    struct tr_etl_clock clock;
    struct tr_etl_buffer *buffers;
    uint32_t count;                  /* of buffers */
    struct tr_etw_matcher *matcher;  /* the caller's */
    struct tr_ticks *ticks;          /* the caller's; NULL: none */
    uint64_t ticks_due;
    struct tr_etl_lane *lanes;
    uint32_t lane_count;
    uint32_t *heap;                  /* lanes with an event, the earliest on top */
    uint32_t heap_count;
    uint8_t *packed;                 /* room for the largest compressed buffer */
    uint32_t packed_size;
    struct tr_huffman *huffman;
    struct tr_etl_threads *threads;
    struct tr_etl_damage damage;     /* that the walk met */
    uint64_t disorder;
    bool begun;
};

/* Read exactly `size` bytes at `offset` unless the file ends before. Returns the bytes read, or -1 with errno set. */
int64_t tr_etl_read(int fd, void *to, uint32_t size, uint64_t offset);
int64_t tr_etl_file_size(int fd);

/* Facts from the first bytes of a file. Returns false if it does not start as a recording does. */
#define TR_ETL_HEAD_BYTES (TR_ETL_BUFFER_HEADER + 32u + 280u)
bool tr_etl_read_facts(struct tr_etl_facts *facts, const uint8_t *head);

/* Whether buffers of any size, at any offset, are to be expected. */
bool tr_etl_compressed(const struct tr_etl_facts *facts);

bool tr_etl_blank(const uint8_t *at, uint32_t size);

/* Whether a buffer's events may end at `at`, where no event follows (END): at its valid end, or before nothing but filler
   in a buffer whose header calls all of it valid. Elsewhere bytes that held events were overwritten. */
bool tr_etl_may_end(const struct tr_etl *etl, const uint8_t *data, uint32_t at, uint32_t end);

/* Read a buffer's header. Returns whether it makes sense. */
bool tr_etl_read_header(const uint8_t *at, struct tr_etl_header *header);

/* Whether a buffer, what is left of one, or nothing but zeros starts at `offset`. */
bool tr_etl_follows(const struct tr_etl *etl, uint64_t offset);

/* Where the next buffer starts that beyond doubt is one, at or behind `from`; the file's size if there is none. *blank:
   whether all bytes before it are zero. */
uint64_t tr_etl_find(const struct tr_etl *etl, uint64_t from, bool *blank);

/* Pass over all buffers: fills facts and index. Returns 0 or TR_ETL_*. */
int32_t tr_etl_index(struct tr_etl *etl);

/* Read a buffer into `to`, decompressed. Returns its valid end: less than indexed if it is damaged or the file shrank;
   *cut tells that, or that the index counted it, and `damage` has it. */
uint32_t tr_etl_load(const struct tr_etl *etl, const struct tr_etl_buffer *buffer, uint8_t *to,
                     struct tr_etl_damage *damage, bool *cut);

/* Find out how the buffers are compressed. Returns 0 or TR_ETL_NO_MEMORY. */
int32_t tr_etl_settle_format(struct tr_etl *etl);

/* The CPU that programs see: one beyond all real ones for a number that the machine cannot have had. */
uint32_t tr_etl_cpu(const struct tr_etl_facts *facts, uint32_t cpu);

/* Which thread runs where: learn from an event of a CPU, and name the thread of one that does not. */
struct tr_etl_threads *tr_etl_threads_new(uint32_t cpus);
void tr_etl_threads_free(struct tr_etl_threads *threads);
void tr_etl_attribute(struct tr_etl_threads *threads, struct tr_etl_event *event, uint32_t cpu);

/* The facts stay the caller's: clock, frequency, start_time, start_ticks. */
void tr_etl_set_clock(struct tr_etl_clock *clock, const struct tr_etl_facts *facts);

/* Whether the start time is one that a clock may have had: from 1970 to 2116. */
bool tr_etl_start_known(const struct tr_etl_facts *facts);
/* The same as tr_etl_unix_ns and tr_etl_clock_ns, the latter shifted. */
int64_t tr_etl_event_unix_ns(const struct tr_etl_clock *clock, int64_t ticks);
int64_t tr_etl_event_clock_ns(const struct tr_etl_clock *clock, int64_t ticks);

static inline struct tr_etw_key tr_etl_key(const struct tr_etl_event *event)
{
    return (struct tr_etw_key){
        .provider = event->provider,
        .group = event->hook >> 8,
        .number = event->by_id ? event->id : event->opcode,
    };
}

/* Hand an event, recorded or live, to the programs of its names. */
void tr_etl_deliver(struct tr_etw_matcher *matcher, const struct tr_etl_clock *clock, const struct tr_etl_event *event,
                    uint32_t cpu, struct tr_run *run);

#endif
