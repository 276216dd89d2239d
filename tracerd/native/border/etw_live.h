/* A live ETW session's end in the core: the callback that Windows hands every event to, on the thread that is inside
   ProcessTrace. It runs the programs at once; nothing is copied, nothing of Python runs. But it runs them only while the
   gate is open, which the pump opens for each of its turns: between two turns no program runs, as with every source, and
   Windows' buffers keep what comes. Other threads may ask at any time: a lock is held for one event at a time. */

struct tr_etw_live;

/* Times of events are ticks of `clock` (1 QPC, as PROCESS_TRACE_MODE_RAW_TIMESTAMP leaves them; 2 system time), of which
   there are `frequency` a second; it was `ticks` at the FILETIME `filetime`, and `monotonic_ns` on the clock that programs
   are to see. Events of CPUs from `cpus` on are failed. */
struct tr_etw_live_options {
    uint32_t clock;
    uint32_t cpus;
    int64_t frequency;
    int64_t ticks;
    int64_t filetime;
    int64_t monotonic_ns;
};

/* Events so far: taken, whatever became of them; and those that made no sense, which no name is charged with. */
struct tr_etw_live_counts {
    uint64_t taken;
    uint64_t failed;
    uint64_t unmatched;              /* no name wanted them */
};

/* `run` and the prepared matcher stay the caller's. NULL without memory. Free it when no callback can come any more. */
struct tr_etw_live *tr_etw_live_new(const struct tr_etw_live_options *options, struct tr_etw_matcher *matcher,
                                    struct tr_run *run);
void tr_etw_live_free(struct tr_etw_live *live);

/* Two fields of EVENT_TRACE_LOGFILEW: EventRecordCallback; Context is the session itself. */
void *tr_etw_live_callback(void);

/* Open the gate, or close it: when that returns, no program runs and none will until it is opened. It is closed first. */
void tr_etw_live_gate(struct tr_etw_live *live, int32_t open);

/* Have another matcher, prepared, from the next event on. It goes on with what the one before has counted (`numbers` as for
   tr_etw_carry), which no event comes to any more when this returns. */
void tr_etw_live_exchange(struct tr_etw_live *live, struct tr_etw_matcher *matcher, const int32_t *numbers);

/* Count the events of a process as filtered, or no more. Returns -1 if it is one too many. */
int32_t tr_etw_live_ignore(struct tr_etw_live *live, uint32_t pid, int32_t on);

void tr_etw_live_counts(struct tr_etw_live *live, struct tr_etw_live_counts *counts);
void tr_etw_live_ledger(struct tr_etw_live *live, uint32_t match, struct tr_ledger *ledger);

/* Take what programs printed, up to `capacity` bytes. */
uint32_t tr_etw_live_printed(struct tr_etw_live *live, char *text, uint32_t capacity);
