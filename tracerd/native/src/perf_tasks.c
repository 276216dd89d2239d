/* Who an event's thread is: COMM, FORK and EXIT records keep the task table, /proc fills what they did not tell.

   Real ids are inherited over fork and exec. setuid(2) and its kin leave no record, so ids are read again from /proc
   after an exec (login, sudo and daemons change them just before), and by the control plane's slow sweep; a process
   that changes its ids and is gone before either keeps those of its parent. */

#if defined(__linux__)

#include <stdio.h>
#include <string.h>

#include "perf_parts.h"

struct task_record {                     /* PERF_RECORD_FORK and PERF_RECORD_EXIT */
    struct perf_event_header header;
    uint32_t pid, parent_pid;
    uint32_t tid, parent_tid;
    uint64_t time;
};

struct comm_record {                     /* PERF_RECORD_COMM: the name is padded to 8 bytes, then the trailer */
    struct perf_event_header header;
    uint32_t pid, tid;
    char comm[16];
};

struct lost_record {                     /* PERF_RECORD_LOST */
    struct perf_event_header header;
    uint64_t id;
    uint64_t lost;
};

/* What rings remember of a thread is no longer true. */
static void forget(struct tr_perf *perf, uint32_t tid)
{
    for (uint32_t at = 0; at < perf->ring_count; at++)
        if (perf->rings[at].tid == tid)
            perf->rings[at].tid = TR_NO_THREAD;
}

int tr_perf_refresh(struct tr_perf *perf, uint32_t tid, int name)
{
    struct tr_task now, known;

    if (!tr_task_read(tid, &now))
        return 0;
    if (!name && tr_tasks_get(perf->tasks, tid, &known))
        memcpy(now.comm, known.comm, sizeof now.comm);
    tr_tasks_put(perf->tasks, tid, &now);
    forget(perf, tid);
    return 1;
}

static int read_task(struct tr_perf *perf, uint32_t tid, struct tr_task *task)
{
    if (!perf->reads_left)
        return 0;
    perf->reads_left--;
    perf->counted.task_reads++;
    return tr_task_read(tid, task);
}

/* After an exec: the ids as they are now; the name stays as the record told it. */
static void refresh_ids(struct tr_perf *perf, uint32_t tid)
{
    if (perf->reads_left) {
        perf->reads_left--;
        perf->counted.task_reads++;
        tr_perf_refresh(perf, tid, 0);
    }
}

static void take_comm(struct tr_perf *perf, const struct perf_event_header *header)
{
    const struct comm_record *record = (const void *)header;
    size_t most = header->size - offsetof(struct comm_record, comm);
    char comm[16] = {0};

    memcpy(comm, record->comm, most < sizeof comm ? most : sizeof comm);
    tr_tasks_name(perf->tasks, record->tid, record->pid, comm);
    if (header->misc & PERF_RECORD_MISC_COMM_EXEC)
        refresh_ids(perf, record->tid);
    forget(perf, record->tid);
}

static void take_fork_or_exit(struct tr_perf *perf, const struct perf_event_header *header)
{
    const struct task_record *record = (const void *)header;

    if (header->type == PERF_RECORD_FORK) {
        tr_tasks_fork(perf->tasks, record->parent_tid, record->tid, record->pid);
        forget(perf, record->tid);
    } else {
        tr_tasks_exit(perf->tasks, record->tid);
    }
}

/* Take a record that is not a sample. `header` is the whole record, in one piece. */
void tr_perf_take_other(struct tr_perf *perf, const struct perf_event_header *header)
{
    if (header->type == PERF_RECORD_COMM && header->size > offsetof(struct comm_record, comm)) {
        perf->counted.task_records++;
        take_comm(perf, header);
    } else if ((header->type == PERF_RECORD_FORK || header->type == PERF_RECORD_EXIT)
               && header->size >= sizeof(struct task_record)) {
        perf->counted.task_records++;
        take_fork_or_exit(perf, header);
    } else if (header->type == PERF_RECORD_LOST && header->size >= sizeof(struct lost_record)) {
        perf->counted.lost_records += ((const struct lost_record *)(const void *)header)->lost;
    }
}

static void identify_idle(struct ring *ring)
{
    ring->identity.pid_tgid = 0;
    ring->identity.uid_gid = 0;          /* the idle task is root's: known, not a default */
    snprintf(ring->identity.comm, sizeof ring->identity.comm, "swapper/%u", ring->cpu);
}

/* A thread no record told of: look it up once, and remember the answer even if there is none. */
static void look_up(struct tr_perf *perf, uint32_t tid, uint32_t pid, struct tr_task *task)
{
    if (!read_task(perf, tid, task)) {
        memset(task, 0, sizeof *task);
        task->tgid = pid;
        task->uid = TR_UNKNOWN_ID;
        task->gid = TR_UNKNOWN_ID;
    }
    if (perf->reads_left || task->comm[0])
        tr_tasks_put(perf->tasks, tid, task);
}

/* Fill the ring's identity for a sample. A thread that is already dead while it still makes events (its last
   switch) has pid and tid -1; the record's common_pid then says which one it was. */
void tr_perf_identify(struct tr_perf *perf, struct ring *ring, uint32_t pid, uint32_t tid, uint32_t common_pid)
{
    struct tr_task task;
    int dead = tid == UINT32_MAX;

    ring->tid = dead ? TR_NO_THREAD : tid;    /* the next dead thread may be another one */
    if (tid == 0) {
        identify_idle(ring);
        return;
    }
    if (dead)
        tid = common_pid;
    if (!tr_tasks_get(perf->tasks, tid, &task))
        look_up(perf, tid, dead ? common_pid : pid, &task);
    ring->identity.pid_tgid = (uint64_t)(dead ? task.tgid : pid) << 32 | tid;
    ring->identity.uid_gid = (uint64_t)task.gid << 32 | task.uid;
    memcpy(ring->identity.comm, task.comm, sizeof task.comm);
}

#endif
