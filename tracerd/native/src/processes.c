/* Records of processes become starts and exits: when each is told. */

#include <stdlib.h>
#include <string.h>

#include "process_parts.h"

_Static_assert(TR_PROCESS_LINE <= UINT16_MAX, "a line's length has 16 bits");

static void *make(size_t count, size_t size)
{
    return calloc(count, size);
}

struct tr_processes *tr_processes_new(const struct tr_processes_options *options)
{
    uint32_t sets = 1;
    struct tr_processes *processes = make(1, sizeof *processes);

    if (!processes)
        return NULL;
    while (sets < (1U << 20) && sets < options->capacity / TR_PROCESS_WAYS)
        sets *= 2;
    processes->with = *options;
    processes->mask = sets - 1;
    processes->sets = make(sets, sizeof *processes->sets);
    processes->queue = make(options->waiting, sizeof *processes->queue);
    processes->users = make(TR_USER_SETS, sizeof *processes->users);
    processes->lines = make(1, TR_LINE_STORE);
    if (processes->sets && processes->queue && processes->users && processes->lines)
        return processes;
    tr_processes_free(processes);
    return NULL;
}

void tr_processes_free(struct tr_processes *processes)
{
    if (!processes)
        return;
    free(processes->sets);
    free(processes->queue);
    free(processes->users);
    free(processes->lines);
    free(processes->links);
    free(processes);
}

int tr_processes_set_links(struct tr_processes *processes, const struct tr_link *links, uint32_t count)
{
    struct tr_link *grouped;

    for (uint32_t at = 0; at < count; at++)
        if ((links[at].event != TR_PROCESS_START && links[at].event != TR_PROCESS_EXIT) || !links[at].program)
            return -1;
    grouped = tr_links_grouped(links, count, TR_PROCESS_EXIT + 1, processes->ranges);
    if (!grouped)
        return -1;
    tr_links_carry(grouped, count, processes->links, processes->link_count);
    free(processes->links);
    processes->links = grouped;
    processes->link_count = count;
    return 0;
}

const struct tr_link *tr_processes_links(const struct tr_processes *processes, uint32_t *count)
{
    *count = processes->link_count;
    return processes->links;
}

void tr_processes_allow(struct tr_processes *processes, uint32_t reads)
{
    processes->reads_left = reads;
}

/* ---- waiting ------------------------------------------------------------------------------------------------- */

static void start(struct tr_processes *processes, struct process *process, uint64_t now_ns, uint32_t cpu)
{
    process->state = PROCESS_STARTED;
    tr_process_tell(processes, TR_PROCESS_START, process, now_ns, cpu);
}

/* The process whose start waits at the queue's head; NULL if it has been told meanwhile. */
static struct process *first_waiting(const struct tr_processes *processes)
{
    const struct waiting *waiting = processes->queue + processes->first % processes->with.waiting;
    struct process *process = tr_process_find(processes, waiting->pid);

    if (!process || process->state != PROCESS_WAITING || process->began_ns != waiting->time_ns)
        return NULL;
    return process;
}

/* Bring a start that still waits to the queue's head. */
static void skip_told(struct tr_processes *processes)
{
    while (processes->first < processes->last && !first_waiting(processes))
        processes->first++;
}

static void start_first(struct tr_processes *processes, uint64_t now_ns)
{
    struct process *process = first_waiting(processes);

    processes->first++;
    if (process)
        start(processes, process, now_ns, process->cpu);
    skip_told(processes);
}

static void wait_for_exec(struct tr_processes *processes, struct process *process)
{
    skip_told(processes);
    if (processes->last - processes->first == processes->with.waiting) {
        processes->counted.early++;
        start_first(processes, process->began_ns);
    }
    processes->queue[processes->last++ % processes->with.waiting] =
        (struct waiting){.time_ns = process->began_ns, .pid = process->pid};
}

uint64_t tr_processes_due(const struct tr_processes *processes)
{
    if (processes->first == processes->last)
        return TR_START_NEVER;
    return processes->queue[processes->first % processes->with.waiting].time_ns + TR_START_WAIT_NS;
}

void tr_processes_advance(struct tr_processes *processes, uint64_t now_ns)
{
    while (tr_processes_due(processes) <= now_ns)
        start_first(processes, tr_processes_due(processes));
}

void tr_processes_flush(struct tr_processes *processes, uint64_t now_ns)
{
    while (processes->first < processes->last)
        start_first(processes, now_ns);
}

/* ---- records ------------------------------------------------------------------------------------------------- */

/* Make a place for a process. Whoever loses it without having been told of is told of now. */
static struct process *place(struct tr_processes *processes, uint32_t pid, uint64_t now_ns)
{
    struct process *process = tr_process_slot(processes, pid);

    if (process->state == PROCESS_WAITING) {
        processes->counted.early++;
        start(processes, process, now_ns, process->cpu);
    }
    memset(process, 0, sizeof *process);
    process->pid = pid;
    return process;
}

/* A child has its parent's command line until it execs. */
static struct process child_of(const struct tr_processes *processes, const struct tr_fork_record *fork)
{
    const struct process *parent = tr_process_find(processes, fork->parent);
    struct process child = {
        .began_ns = fork->time_ns,
        .pid = fork->pid,
        .parent = fork->parent,
        .known = TR_KNOWN_PARENT | TR_KNOWN_BEGIN,
        .cpu = fork->cpu,
        .state = PROCESS_WAITING,
    };

    if (!parent) {
        child.known &= fork->flags & TR_FORK_PARENT ? ~(uint32_t)TR_KNOWN_PARENT : UINT32_MAX;
        child.parent = fork->flags & TR_FORK_PARENT ? 0 : fork->parent;
        return child;
    }
    child.line = parent->line;
    child.line_bytes = parent->line_bytes;
    child.known |= parent->known & TR_KNOWN_COMMAND_LINE;
    if (fork->flags & TR_FORK_PARENT)
        child.parent = parent->parent;
    return child;
}

void tr_processes_fork(struct tr_processes *processes, const struct tr_fork_record *fork)
{
    struct process child, *process;

    if (fork->flags & TR_FORK_THREAD || !fork->pid) {
        tr_processes_filtered(processes, TR_PROCESS_START);
        return;
    }
    child = child_of(processes, fork);           /* making its place may cost the parent's */
    process = place(processes, fork->pid, fork->time_ns);
    *process = child;
    wait_for_exec(processes, process);
}

/* Read what /proc says of a process that no record told of. */
static int read_process(uint32_t pid, struct process *process)
{
    uint32_t parent;
    uint64_t began_ns;

    if (!tr_process_read(pid, &parent, &began_ns))
        return 0;
    *process = (struct process){
        .began_ns = began_ns,
        .pid = pid,
        .parent = parent,
        .known = TR_KNOWN_PARENT | TR_KNOWN_BEGIN,
        .state = PROCESS_STARTED,
    };
    return 1;
}

static void read_line(struct tr_processes *processes, struct process *process)
{
    int whole;
    uint32_t bytes = tr_process_read_line(process->pid, processes->text, sizeof processes->text, &whole);

    if (bytes)
        tr_process_keep_line(processes, process, bytes, whole);
}

int tr_processes_seed(struct tr_processes *processes, uint32_t pid)
{
    struct process found, *process;

    if (tr_process_find(processes, pid))
        return 1;
    if (!read_process(pid, &found))
        return 0;
    process = place(processes, pid, found.began_ns);
    *process = found;
    read_line(processes, process);
    tr_process_expect_user(processes, pid);
    return 1;
}

/* The line of what it runs now. /proc is asked some time after the exec: of a process that is gone only the file is
   known, and one that has exec'd again meanwhile has the later line already. */
static void renew_line(struct tr_processes *processes, struct process *process, const char *file)
{
    size_t length = strnlen(file, TR_PROCESS_LINE - 1);

    memcpy(processes->text, file, length);
    processes->text[length] = 0;
    tr_process_keep_line(processes, process, (uint32_t)length + 1, 0);
    if (tr_process_may_read(processes))
        read_line(processes, process);
}

void tr_processes_exec(struct tr_processes *processes, uint64_t time_ns, uint32_t cpu, uint32_t pid, const char *file)
{
    struct process *process = tr_process_find(processes, pid);

    if (!process)
        return;                                  /* its fork was lost, and is counted so */
    renew_line(processes, process, file);
    if (process->state == PROCESS_WAITING)
        start(processes, process, time_ns, cpu);
    skip_told(processes);
}

void tr_processes_code(struct tr_processes *processes, uint32_t pid, int32_t code)
{
    struct process *process = tr_process_find(processes, pid);

    if (!process)
        return;
    process->exit_code = code & 0xff;            /* what a parent sees of it */
    process->known |= TR_KNOWN_EXIT_CODE;
}

/* An exit of a process that nobody told of: as long as its parent has not waited for it, /proc knows it. */
static void exit_unknown(struct tr_processes *processes, uint64_t time_ns, uint32_t cpu, uint32_t pid)
{
    struct process process = {.began_ns = time_ns, .pid = pid};

    if (tr_process_may_read(processes))
        read_process(pid, &process);
    tr_process_tell(processes, TR_PROCESS_EXIT, &process, time_ns, cpu);
}

void tr_processes_exit(struct tr_processes *processes, uint64_t time_ns, uint32_t cpu, uint32_t pid)
{
    struct process *process = tr_process_find(processes, pid);

    if (!process) {
        exit_unknown(processes, time_ns, cpu, pid);
        return;
    }
    if (process->state == PROCESS_WAITING)
        start(processes, process, time_ns, cpu);
    tr_process_tell(processes, TR_PROCESS_EXIT, process, time_ns, cpu);
    process->state = PROCESS_FREE;
    processes->counted.processes--;
    skip_told(processes);
}

/* ---- counting ------------------------------------------------------------------------------------------------ */

void tr_processes_filtered(struct tr_processes *processes, uint32_t kind)
{
    processes->accounts[kind].filtered++;
}

void tr_processes_dropped(struct tr_processes *processes, uint32_t kind)
{
    processes->accounts[kind].dropped++;
}

void tr_processes_ledger(const struct tr_processes *processes, uint32_t kind, struct tr_ledger *ledger)
{
    const struct account *account = processes->accounts + kind;

    *ledger = (struct tr_ledger){
        .delivered = account->delivered,
        .filtered = account->filtered,
        .failed = account->failed,
        .dropped_in_ring = account->dropped,
    };
}

void tr_processes_statistics(const struct tr_processes *processes, struct tr_processes_statistics *statistics)
{
    *statistics = processes->counted;
    statistics->waiting = processes->last - processes->first;
}
