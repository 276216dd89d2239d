/* Names of users, told from outside: nothing here asks a directory service on the event path. */

#include <stdio.h>
#include <string.h>

#include "process_parts.h"

static struct user_set *set_of(const struct tr_processes *processes, uint32_t uid)
{
    return &processes->users[uid % TR_USER_SETS];
}

static int way_of(const struct user_set *set, uint32_t uid)
{
    for (uint32_t way = 0; way < set->used; way++)
        if (set->uid[way] == uid)
            return (int)way;
    return -1;
}

/* The way of a user, or one for it: a full set forgets by turns, and what it forgot is asked for again. */
static uint32_t place(struct user_set *set, uint32_t uid)
{
    int way = way_of(set, uid);

    if (way >= 0)
        return (uint32_t)way;
    if (set->used < TR_USER_WAYS)
        return set->used++;
    set->hand = (set->hand + 1) % TR_USER_WAYS;
    return set->hand;
}

void tr_processes_user(struct tr_processes *processes, uint32_t uid, const char *name)
{
    struct user_set *set = set_of(processes, uid);
    uint32_t way = place(set, uid);

    set->uid[way] = uid;
    memset(set->name[way], 0, sizeof set->name[way]);
    for (size_t at = 0; at < sizeof set->name[way] - 1 && name[at]; at++)
        set->name[way][at] = name[at];
}

static void miss(struct tr_processes *processes, uint32_t uid)
{
    for (uint32_t at = 0; at < processes->missing_count; at++)
        if (processes->missing[at] == uid)
            return;
    if (processes->missing_count < TR_MISSING_USERS)
        processes->missing[processes->missing_count++] = uid;
}

int64_t tr_processes_missing_user(struct tr_processes *processes)
{
    return processes->missing_count ? (int64_t)processes->missing[--processes->missing_count] : -1;
}

/* Ask for the name of a process's user before an event needs it. */
void tr_process_expect_user(struct tr_processes *processes, uint32_t pid)
{
    struct tr_task task;

    if (tr_tasks_get(processes->with.tasks, pid, &task) && way_of(set_of(processes, task.uid), task.uid) < 0)
        miss(processes, task.uid);
}

/* Put a user's name into 64 bytes, zero-padded: the number until somebody says it. */
void tr_process_user_name(struct tr_processes *processes, uint32_t uid, char *name)
{
    const struct user_set *set = set_of(processes, uid);
    int way = way_of(set, uid);

    memset(name, 0, 64);
    if (way >= 0) {
        memcpy(name, set->name[way], 64);
        return;
    }
    snprintf(name, 64, "%u", uid);
    miss(processes, uid);
}
