/* The recorder: a consumer of events that is linked like a program and keeps what it is given, in blocks of memory that
   have the form of border/batch.h. Sources and their ledgers know nothing of it. Any number of threads may run its
   links; one thread takes the blocks. When there is no room a live event is dropped and counted: nothing waits. */

#define TR_RECORDER_BLOCK 1048576    /* bytes of a block */

struct tr_recorder;

/* What is recorded of the events that come; the others are filtered. */
struct tr_recorder_filter {
    uint64_t since_ns;               /* the first and the last time, on the events' clock */
    uint64_t until_ns;
    uint32_t pid;                    /* of the process, if by_pid */
    uint32_t by_pid;
};

/* A block on its way out. Tasks are defined in it before they are used: no block needs another. */
struct tr_recorder_block {
    const uint8_t *data;
    uint32_t bytes;
    uint32_t events;
    uint64_t first_ns;               /* the earliest and the latest time in it */
    uint64_t last_ns;
};

/* One event so far: given = recorded + filtered + dropped. */
struct tr_recorder_counts {
    uint64_t recorded;
    uint64_t filtered;
    uint64_t dropped;                /* no free block, or an impossible size */
};

/* `blocks` is how many there are in all, at least 2. NULL: no memory. The filter is copied. `patient`: events come from
   a file, which can wait for room; another thread must then take blocks until the last link has run. */
struct tr_recorder *tr_recorder_new(uint32_t blocks, const struct tr_recorder_filter *filter, int patient);
void tr_recorder_free(struct tr_recorder *recorder);

/* Declare the next event (numbers count from 0) before the first run, and let `program` record it. With `payload` its
   contexts begin with the pointers data and data_end: what lies between is kept, the pointers are not. `only`, which
   stays the caller's, leaves out ETW events that none of its names wants; NULL: none. Returns the number, or -1. */
int32_t tr_recorder_add_event(struct tr_recorder *recorder, struct tr_program *program, int payload,
                              struct tr_etw_matcher *only);

/* Look at the oldest full block, or with `partial` at what there is. Returns 1, or 0 if there is none. The block stays
   as it is until it is released; until then the same one is answered. */
int tr_recorder_take(struct tr_recorder *recorder, int partial, struct tr_recorder_block *block);

/* Give back the block that was taken, and say what became of it. */
#define TR_RECORDER_LOST 0           /* could not be written: its events count as dropped */
#define TR_RECORDER_KEPT 1
#define TR_RECORDER_PAST 2           /* came after the recording had ended: they count as filtered */
void tr_recorder_release(struct tr_recorder *recorder, int outcome);

/* Events that patiently waited for room do so no more: they are dropped. */
void tr_recorder_hurry(struct tr_recorder *recorder);

void tr_recorder_counts(struct tr_recorder *recorder, uint32_t event, struct tr_recorder_counts *counts);
