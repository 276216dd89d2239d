/* Live Linux events: one perf ring per CPU, merged by time into one stream of program runs.

   Order of calls: tr_perf_new, tr_perf_add_cpu for every online CPU, tr_perf_start_tasks (then seed the task table from
   /proc); then events come and go: tr_perf_open_event, tr_perf_install_event and tr_perf_enable_event for each, for
   process events tr_perf_track and tr_perf_follow, tr_perf_set_links; tr_perf_pump …, tr_perf_stop, tr_perf_free.
   One thread at a time; only tr_perf_wake, tr_perf_ledger, tr_perf_statistics and those
   that say "beside the pump" may be called while another thread pumps, and none of them while events are installed or
   retired. Functions returning int give 0 (or a number) or -errno. */

struct tr_perf;
struct tr_tasks;
struct tr_processes;

/* ---- tasks: who a thread id is ------------------------------------------------------------------------------- */

#define TR_UNKNOWN_ID 65534              /* the kernel's overflow id: an unknown user is never 0 */

struct tr_task {
    uint32_t tgid;
    uint32_t uid;                        /* real ids, as bpf_get_current_uid_gid */
    uint32_t gid;
    char comm[16];                       /* zero-padded */
};

struct tr_tasks_statistics {
    uint64_t capacity;
    uint64_t tasks;                      /* entries in use, exited ones kept for late events included */
    uint64_t evicted;                    /* living tasks forgotten for want of room */
};

struct tr_tasks *tr_tasks_new(uint32_t capacity);
void tr_tasks_free(struct tr_tasks *tasks);
void tr_tasks_put(struct tr_tasks *tasks, uint32_t tid, const struct tr_task *task);
int tr_tasks_get(const struct tr_tasks *tasks, uint32_t tid, struct tr_task *task);    /* 1 found, 0 unknown */
void tr_tasks_fork(struct tr_tasks *tasks, uint32_t parent_tid, uint32_t tid, uint32_t tgid);
void tr_tasks_name(struct tr_tasks *tasks, uint32_t tid, uint32_t tgid, const char *comm);
void tr_tasks_exit(struct tr_tasks *tasks, uint32_t tid);
void tr_tasks_statistics(const struct tr_tasks *tasks, struct tr_tasks_statistics *statistics);

/* What /proc/TID/status says now: 1, or 0 if there is no such thread. */
int tr_task_read(uint32_t tid, struct tr_task *task);

/* ---- the source ---------------------------------------------------------------------------------------------- */

struct tr_perf_statistics {
    uint64_t delivered;                  /* events of all kinds handed to their programs */
    uint64_t batches;                    /* merge rounds that found something */
    uint64_t wakeups;                    /* returns from waiting */
    uint64_t reordered;                  /* delivered, but older than one delivered before */
    uint64_t unparsed;                   /* samples of no event of ours: 0 unless the kernel's layout changed */
    uint64_t lost_records;               /* sum of PERF_RECORD_LOST: a cross-check, not what the ledger uses */
    uint64_t task_records;               /* COMM, FORK and EXIT records taken */
    uint64_t task_records_lost;          /* such records the kernel had no room for: names may be stale */
    uint64_t task_reads;                 /* threads looked up in /proc because no record told of them, or after exec */
    uint64_t cpu_ns;                     /* CPU time of the pump */
    uint64_t print_dropped;              /* bpf_trace_printk lines that found no room */
};

/* `pages` of data per CPU, a power of two; events wait `window_us` for older ones of other CPUs. NULL: no memory. */
struct tr_perf *tr_perf_new(uint32_t pages, uint32_t window_us);
void tr_perf_free(struct tr_perf *perf);
struct tr_tasks *tr_perf_tasks(struct tr_perf *perf);      /* belongs to perf */

/* Make the ring of a CPU. -ENODEV: the CPU is offline. -EPERM: of `*step` 0 opening, 1 mapping (locked memory). */
int tr_perf_add_cpu(struct tr_perf *perf, uint32_t cpu, int *step);

/* Copies the links; `delivered` and `failed` are counted in the copy, which tr_perf_links gives. Between pumps they may be
   set again: a link that was there before goes on with its counts. */
int tr_perf_set_links(struct tr_perf *perf, const struct tr_link *links, uint32_t count);
const struct tr_link *tr_perf_links(const struct tr_perf *perf, uint32_t *count);

/* ---- process:start and process:exit, made of tracepoints ------------------------------------------------------ */

#define TR_FOLLOW_FORK 1                 /* task:task_newtask: offsets of pid and clone_flags */
#define TR_FOLLOW_EXEC 2                 /* sched:sched_process_exec: filename, 0 */
#define TR_FOLLOW_EXIT 3                 /* sched:sched_process_exit: group_dead or 0, 0 */
#define TR_FOLLOW_CODE 4                 /* syscalls:sys_enter_exit_group: error_code, 0 */

/* Make the tracker; its links are set and its users named through it. It belongs to perf. NULL: no memory. */
struct tr_processes *tr_perf_track(struct tr_perf *perf, int64_t unix_offset_ns);

/* Give an event's records to the tracker too. Without group_dead (before Linux 6.16), a process ends when its first
   thread does. */
int tr_perf_follow(struct tr_perf *perf, uint32_t event, uint32_t what, uint32_t first, uint32_t second);

/* Forget the tracker and follow nothing any more. What it counted is gone with it: take its ledgers first. */
void tr_perf_untrack(struct tr_perf *perf);

/* The balance of TR_PROCESS_START or TR_PROCESS_EXIT since it is followed. Until the stop, starts that wait for an exec are missing in it. */
int tr_perf_process_ledger(struct tr_perf *perf, uint32_t kind, struct tr_ledger *ledger);

/* ---- running ------------------------------------------------------------------------------------------------- */

/* Events of these processes are counted as filtered and run no program. At most 16 at a time: -ENOSPC. One caller at a
   time, which need not be the pumping thread. */
int tr_perf_ignore_pid(struct tr_perf *perf, uint32_t pid, int on);

/* Let the records of names, forks and exits in; then every thread is to be seeded from /proc, before the first event. */
int tr_perf_start_tasks(struct tr_perf *perf);

/* Read a thread from /proc again: its ids (they change without a record), and its name too with `name`. Only from the
   pumping thread, between pumps. 1 if the thread lives, else 0. */
int tr_perf_refresh(struct tr_perf *perf, uint32_t tid, int name);

/* Deliver events for `timeout_ms` (0: what is there now) or until tr_perf_wake. Returns how many were taken, or
   -EBUSY if another thread is inside. */
int64_t tr_perf_pump(struct tr_perf *perf, uint32_t timeout_ms);
void tr_perf_wake(struct tr_perf *perf);

/* Stop the events and deliver what is in the rings, so that the ledger balances. Returns how many were taken. */
int64_t tr_perf_stop(struct tr_perf *perf);

/* ---- opening and closing events while others are pumped -------------------------------------------------------- */

/* Open a tracepoint on every CPU, disabled, beside the pump: slow, and nothing is changed yet. `fds` has room for one per
   CPU; returns how many. */
int tr_perf_open_event(const struct tr_perf *perf, uint32_t tracepoint, int *fds);
void tr_perf_close_fds(const int *fds, uint32_t count);

/* Between pumps: the event's descriptors are perf's from now on. Returns its number: of a tracepoint that was open
   before, the number and the counts it had. It delivers once it has links and is enabled. */
int tr_perf_install_event(struct tr_perf *perf, uint32_t tracepoint, const int *fds);
int tr_perf_enable_event(struct tr_perf *perf, uint32_t event);

/* To close one: filter it out, beside the pump; wait until what was let in has been taken (1: its balance is even), beside
   the pump; then, between pumps, take it out. Its counts stay; its descriptors are the caller's to close, which is slow. */
void tr_perf_shut_event(struct tr_perf *perf, uint32_t event);
int tr_perf_event_is_even(const struct tr_perf *perf, uint32_t event);
int tr_perf_retire_event(struct tr_perf *perf, uint32_t event, int *fds);

int tr_perf_ledger(struct tr_perf *perf, uint32_t event, struct tr_ledger *ledger);
void tr_perf_statistics(const struct tr_perf *perf, struct tr_perf_statistics *statistics);

/* Move out what programs printed, at most `capacity` bytes. Call it from the pumping thread, between pumps. */
uint32_t tr_perf_printed(struct tr_perf *perf, char *text, uint32_t capacity);
