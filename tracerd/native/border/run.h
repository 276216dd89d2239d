/* One run of a program: who asked, when, on which CPU. Helpers answer from it, engines carry it. */

struct tr_program;

/* Ring records a run has reserved and not yet given back; an aborted run discards them. The verifier proves that a
   program holds no more than TR_MAX_RESERVED at once. */
#define TR_MAX_RESERVED 8

#define TR_RUN_SLOTS 40        /* of timed runs: slot i counts 2**i to 2**(i+1)-1 ns, 0 also 0, the last all above */

#define TR_ABORT_NONE 0
#define TR_ABORT_FUEL 1        /* a loop without a proved bound ran out of fuel */
#define TR_ABORT_FAULT 2       /* checked interpreter only: an access outside every region */

struct tr_run {
    uint64_t now_ns;                 /* the event's time on its source's monotonic clock */
    uint64_t pid_tgid;               /* tgid << 32 | tid, as bpf_get_current_pid_tgid */
    uint64_t uid_gid;                /* gid << 32 | uid; 65534 where unknown, never 0 */
    char comm[16];                   /* task name, zero-padded */
    uint32_t cpu;                    /* the event's CPU, below every per-CPU map's slot count */
    uint32_t aborted;                /* TR_ABORT_*: checked by the caller after every run */
    uint64_t fuel;                   /* back-edges left; engines count it down where the proof says so */
    uint64_t random;                 /* state of get_prandom_u32: replays give the same numbers */
    struct tr_program *program;      /* what runs: the interpreter finds its image here */
    void *regions;                   /* checked interpreter only: what may be touched */
    uint32_t reserved_count;
    uint32_t printed;                /* bytes in the print buffer */
    void *reserved[8];
    char *print_buffer;              /* bpf_trace_printk lines, newline-terminated; NULL: counted, not kept */
    uint32_t print_capacity;
    uint32_t print_dropped;          /* lines that found no room */
    uint32_t context_bytes;          /* behind the context pointer; sources set it for consumers that are no programs */
    uint32_t pause;                  /* a consumer asks its source to come back soon; one that reads a file does */
    const void *described;           /* of an ETW event: struct tr_etw_described; NULL: none */
    void *fields;                    /* of an ETW event: struct tr_etw_reader; NULL: its fields cannot be read */
    const void *hook;                /* of an event of a Windows hook: struct tr_hook_event; NULL: none */
};

typedef uint64_t (*tr_entry)(void *context, struct tr_run *run);

/* A program ready to run: the same entry for every engine. The entry may be exchanged while events flow (the
   interpreter serves until the JIT is done), so callers read it once per run. */
struct tr_program {
    tr_entry entry;
    void *image;                     /* the interpreter's; unused by compiled code */
    uint64_t fuel;                   /* given to each run */
    uint64_t runs;
    uint64_t aborted;                /* runs that ran out of fuel */
    uint64_t sampled_runs;           /* one run in 64 is timed */
    uint64_t sampled_ns;
    uint64_t last_result;            /* r0 of the last run */
    uint64_t sampled_slots[TR_RUN_SLOTS];    /* the timed runs by their time; behind what every run touches */
};

struct tr_program *tr_program_new(void);
void tr_program_free(struct tr_program *program);
void tr_program_set_entry(struct tr_program *program, tr_entry entry, void *image);

/* Run once: gives fuel, counts, discards what an aborted run left reserved. Returns r0 (0 if aborted). */
uint64_t tr_program_run(struct tr_program *program, void *context, struct tr_run *run);

/* Return the slot of a timed run. */
uint32_t tr_run_slot(uint64_t ns);

/* Run `repeat` times on the same context; returns the last r0 and, in *ns, the whole time (CLOCK_MONOTONIC). */
uint64_t tr_program_repeat(struct tr_program *program, void *context, struct tr_run *run, uint32_t repeat,
                           uint64_t *ns);
