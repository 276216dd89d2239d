/* Batches: events as bytes, in the order in which programs run on them. What Python makes (polled processes, samples),
   what a recorder writes and what a replay reads has this one form. A batch is a run of entries; each is a header, its
   context, its payload, and zeros up to the next multiple of 8. Tasks are defined in the batch before they are used.
   A batch may come from a hostile file: everything in it is checked, and what makes no sense is not run. */

struct tr_batch_event {
    uint64_t now_ns;                 /* on the clock of the source: what bpf_ktime_get_ns answers */
    uint32_t task;                   /* number of a task defined earlier in this batch */
    uint16_t event;                  /* the feed's number, or TR_BATCH_TASK */
    uint16_t cpu;
    uint32_t context;                /* bytes of context behind this header */
    uint32_t payload;                /* bytes of payload behind the context */
};

#define TR_BATCH_TASK 0xffff         /* not an event: the context is a struct tr_batch_task, `task` its number */
#define TR_BATCH_TASKS 65536         /* numbers a batch may use */
#define TR_BATCH_CONTEXT 8192        /* most bytes of a context: the largest tracepoint record */
#define TR_BATCH_PAYLOAD 65535       /* most bytes of a payload: proofs rely on it */

struct tr_batch_task {               /* who: as struct tr_run says it */
    uint64_t pid_tgid;
    uint64_t uid_gid;
    char comm[16];
};

/* ---- the feed: runs the programs of a batch's events ---------------------------------------------------------- */

struct tr_feed;
struct tr_ticks;
struct tr_etw_matcher;

/* `cpus`: slots of every per-CPU map; events of a CPU beyond are dropped. NULL: no memory. */
struct tr_feed *tr_feed_new(uint32_t cpus);
void tr_feed_free(struct tr_feed *feed);

/* Declare the next event (numbers count from 0), between runs. Its contexts have at least `context` bytes; with
   `payload` they begin with the pointers data and data_end, which are set for each run. Returns the number, or -1. */
int32_t tr_feed_add_event(struct tr_feed *feed, uint32_t context, int payload);

/* Copies the links; a link that was there before goes on with its counts. Between runs. Returns 0, or -1 if one is of no event, wants more than its contexts have, or memory is short. */
int32_t tr_feed_set_links(struct tr_feed *feed, const struct tr_link *links, uint32_t count);

/* The links with their counts. */
const struct tr_link *tr_feed_links(const struct tr_feed *feed, uint32_t *count);

/* Intervals that follow the events' clock: each event first lets them catch up. The ticks stay the caller's. */
void tr_feed_set_ticks(struct tr_feed *feed, struct tr_ticks *ticks);

/* Events of this number are ETW events: their programs are found by name, and those that nobody asked for are passed
   over there. The matcher is prepared and stays the caller's. Returns -1 if the event's contexts are too short. */
int32_t tr_feed_set_matcher(struct tr_feed *feed, uint32_t event, struct tr_etw_matcher *matcher);

/* Run the programs of all events of a batch. `batch` lies at a multiple of 8. Returns how many bytes were sound: `size`
   unless the batch makes no sense from there on. `run` is the caller's: its print buffer and random state are kept. */
uint64_t tr_feed_run(struct tr_feed *feed, const void *batch, uint64_t size, struct tr_run *run);

/* The same from the entry at `from` on, which is 0 or what the last call for this batch answered, and only up to the
   first event that is later than `until_ns`: so a replay keeps the pace of a clock. And only for about 100 ms, so that
   the caller can be stopped, whatever the batch. Returns where it stopped. */
uint64_t tr_feed_run_until(struct tr_feed *feed, const void *batch, uint64_t from, uint64_t size, uint64_t until_ns,
                           struct tr_run *run);

/* The time of the event that the last run stopped before, as it was too late or the 100 ms were over (at most 2^64 - 2);
   all ones if it did not. */
uint64_t tr_feed_next_ns(const struct tr_feed *feed);

/* Events so far, whatever became of them. */
uint64_t tr_feed_passed(const struct tr_feed *feed);

/* The balance of one event so far. Events that no program asked for are filtered. */
void tr_feed_ledger(const struct tr_feed *feed, uint32_t event, struct tr_ledger *ledger);

/* Entries of no declared event, of a task not defined or of a CPU beyond the slots, where no event could be charged. */
uint64_t tr_feed_senseless(const struct tr_feed *feed);
