/* What the files of the process tracker share. */
#ifndef TR_PROCESSES_PARTS_H
#define TR_PROCESSES_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "link_run.h"
#include "contexts.h"
#include "processes.h"
#include "perf.h"

#define TR_PROCESS_WAYS 8                /* a process's places in the table, as in tasks.c */
#define TR_USER_WAYS 8
#define TR_USER_SETS 512
#define TR_MISSING_USERS 16
#define TR_LINE_STORE (1U << 22)         /* command lines kept for the exits: the last 4 MiB of them */

enum process_state { PROCESS_FREE = 0, PROCESS_WAITING, PROCESS_STARTED };

struct process {
    uint64_t began_ns;                   /* may lie before the clock's zero: modulo 2^64 */
    uint64_t line;                       /* its command line's place in the store */
    uint32_t pid;
    uint32_t parent;
    uint32_t known;                      /* TR_KNOWN_*, the user's excepted */
    int32_t exit_code;
    uint32_t cpu;                        /* where it was forked */
    uint16_t line_bytes;
    uint8_t state;
};

struct process_set {
    struct process way[TR_PROCESS_WAYS];
    uint32_t hand;                       /* the next way to forget */
};

struct waiting {                         /* a start; stale if the process has started or gone meanwhile */
    uint64_t time_ns;
    uint32_t pid;
};

struct user_set {
    uint32_t uid[TR_USER_WAYS];
    uint32_t used;
    uint32_t hand;
    char name[TR_USER_WAYS][64];
};

struct account {
    uint64_t delivered;
    uint64_t filtered;
    uint64_t failed;
    uint64_t dropped;
};

struct tr_processes {
    struct tr_processes_options with;
    struct process_set *sets;
    uint32_t mask;
    struct waiting *queue;               /* starts, the oldest at `first` */
    uint64_t first;
    uint64_t last;                       /* behind the youngest */
    struct user_set *users;
    uint32_t missing[TR_MISSING_USERS];
    uint32_t missing_count;
    uint32_t reads_left;
    char *lines;                         /* the store: written round and round */
    uint64_t stored;                     /* bytes ever, gaps included */
    struct tr_link *links;
    uint32_t link_count;
    struct tr_link_range ranges[TR_PROCESS_EXIT + 1];      /* by kind */
    struct account accounts[TR_PROCESS_EXIT + 1];
    struct tr_processes_statistics counted;
    struct tr_process_context context;
    char text[TR_PROCESS_LINE + 1];
};

/* process_table.c */
struct process *tr_process_find(const struct tr_processes *processes, uint32_t pid);
struct process *tr_process_slot(struct tr_processes *processes, uint32_t pid);
void tr_process_keep_line(struct tr_processes *processes, struct process *process, uint32_t bytes, int whole);
const char *tr_process_line(const struct tr_processes *processes, const struct process *process);

/* process_tell.c */
int tr_process_may_read(struct tr_processes *processes);
void tr_process_tell(struct tr_processes *processes, uint32_t kind, const struct process *process, uint64_t now_ns,
                     uint32_t cpu);

/* process_users.c */
void tr_process_expect_user(struct tr_processes *processes, uint32_t pid);
void tr_process_user_name(struct tr_processes *processes, uint32_t uid, char *name);

#endif
