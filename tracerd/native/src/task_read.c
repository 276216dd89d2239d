/* One thread's name, process and real ids from /proc/TID/status: seeds the task table and fills its gaps. */

#if defined(__linux__)

#include <stdint.h>
#include <string.h>

#include "run.h"
#include "links.h"
#include "perf.h"
#include "proc_text.h"

int tr_task_read(uint32_t tid, struct tr_task *task)
{
    char text[1024];                 /* Name … Gid are the first ten lines */
    int64_t got = tr_proc_text_of(tid, "status", text, sizeof text);

    if (got < 6 || strncmp(text, "Name:\t", 6) != 0)
        return 0;
    memset(task, 0, sizeof *task);
    memcpy(task->comm, text + 6, tr_proc_name_bytes(text + 6, (uint32_t)strcspn(text + 6, "\n")));
    task->tgid = tr_proc_number(text, "\nTgid:\t", tid);
    task->uid = tr_proc_number(text, "\nUid:\t", TR_UNKNOWN_ID);
    task->gid = tr_proc_number(text, "\nGid:\t", TR_UNKNOWN_ID);
    return 1;
}

#endif
