/* Processes as a stream of starts and exits, made of four kinds of records: forks, execs, exits and calls of
   exit_group. Who feeds them is the perf source; nothing here knows of it, so that every order of records can be
   tested. Times are on the records' clock, which is also what bpf_ktime_get_ns answers.

   A start is told at the process's first exec, since only then it has its own name and command line. It is told
   without one when the process exits, or when it has waited TR_START_WAIT_NS: a forked worker, which has the name and
   the command line of its parent. A process that execs again does not start again. */

struct tr_processes;
struct tr_tasks;

#define TR_START_WAIT_NS 100000000
#define TR_START_NEVER 0xffffffffffffffffu   /* no start is waiting */
#define TR_PROCESS_LINE 65535            /* most bytes of a command line; of a longer one only the first argument is told */
#define TR_MAX_IGNORED 16

#define TR_FORK_PARENT 0x8000            /* CLONE_PARENT: the child's parent is that of the process which forks */
#define TR_FORK_THREAD 0x10000           /* CLONE_THREAD: not a process */

/* Whose events are counted as filtered: our own. Their children are processes of the machine like any other. The list
   may change while events flow, so slots never move: `count` have ever been used, a free one holds TR_NO_PID. */
#define TR_NO_PID 0xfffffffe             /* 0 is the idle task's, 0xffffffff what samples of dead threads carry */
struct tr_ignored {
    uint32_t count;
    uint32_t pid[16];
};

struct tr_processes_options {
    uint32_t capacity;                   /* processes remembered */
    uint32_t waiting;                    /* starts that may wait for an exec */
    int64_t unix_offset_ns;              /* unix time less the records' clock */
    const struct tr_tasks *tasks;        /* who they are; stays the caller's, as the next two */
    const struct tr_ignored *ignored;
    struct tr_run *run;
};

struct tr_processes_statistics {
    uint64_t processes;                  /* remembered now */
    uint64_t evicted;                    /* living processes forgotten for want of room: their exits know no start */
    uint64_t waiting;                    /* starts to be told */
    uint64_t early;                      /* starts told before their time for want of room */
    uint64_t reads;                      /* looks into /proc */
};

struct tr_fork_record {
    uint64_t time_ns;
    uint64_t flags;                      /* TR_FORK_* */
    uint32_t cpu;
    uint32_t parent;                     /* the process that forks */
    uint32_t pid;
};

struct tr_processes *tr_processes_new(const struct tr_processes_options *options);
void tr_processes_free(struct tr_processes *processes);

/* Copies the links; their events are TR_PROCESS_START and TR_PROCESS_EXIT. A link that was there before goes on with its
   counts. 0, or -1: no memory, or another event. */
int tr_processes_set_links(struct tr_processes *processes, const struct tr_link *links, uint32_t count);
const struct tr_link *tr_processes_links(const struct tr_processes *processes, uint32_t *count);

/* Names of users come from outside: say one, and ask for one that was needed and is not known (-1: none). */
void tr_processes_user(struct tr_processes *processes, uint32_t uid, const char *name);
int64_t tr_processes_missing_user(struct tr_processes *processes);

/* Remember a process that runs already, from /proc; before the first record. 1, or 0 if there is no such process. */
int tr_processes_seed(struct tr_processes *processes, uint32_t pid);

/* How many looks into /proc the records until the next call may cost. */
void tr_processes_allow(struct tr_processes *processes, uint32_t reads);

void tr_processes_fork(struct tr_processes *processes, const struct tr_fork_record *fork);
void tr_processes_exec(struct tr_processes *processes, uint64_t time_ns, uint32_t cpu, uint32_t pid, const char *file);
void tr_processes_code(struct tr_processes *processes, uint32_t pid, int32_t code);
void tr_processes_exit(struct tr_processes *processes, uint64_t time_ns, uint32_t cpu, uint32_t pid);

/* A record of that kind that is no process's, or makes no sense. */
void tr_processes_filtered(struct tr_processes *processes, uint32_t kind);
void tr_processes_dropped(struct tr_processes *processes, uint32_t kind);

/* When the next start has waited long enough; tell those that have at `now_ns`; tell all of them. */
uint64_t tr_processes_due(const struct tr_processes *processes);
void tr_processes_advance(struct tr_processes *processes, uint64_t now_ns);
void tr_processes_flush(struct tr_processes *processes, uint64_t now_ns);

/* The consumer's part of the balance; what was produced and lost is the feeder's to know. */
void tr_processes_ledger(const struct tr_processes *processes, uint32_t kind, struct tr_ledger *ledger);
void tr_processes_statistics(const struct tr_processes *processes, struct tr_processes_statistics *statistics);

/* What /proc says of a process: its parent and when it began (on CLOCK_MONOTONIC; before its zero: modulo 2^64).
   1, or 0 if there is none. */
int tr_process_read(uint32_t pid, uint32_t *parent, uint64_t *began_ns);

/* A process's arguments, each ended by a NUL, or only the first if they are `capacity` - 1 bytes or more: then `*whole`
   is 0. Returns how many bytes, 0: gone, or has none. */
uint32_t tr_process_read_line(uint32_t pid, char *line, uint32_t capacity, int *whole);
