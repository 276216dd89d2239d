/* One thread's name, process and real ids from /proc/TID/status: seeds the task table and fills its gaps. */

#if defined(__linux__)

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "links.h"
#include "perf.h"

/* The number after "\nKEY:\t", or `otherwise`. */
static uint32_t number_after(const char *text, const char *key, uint32_t otherwise)
{
    const char *found = strstr(text, key);

    return found ? (uint32_t)strtoul(found + strlen(key), NULL, 10) : otherwise;
}

/* /proc shows a kernel worker with its current work ("kworker/0:1-events"); the task's own name ends before that. */
static size_t name_length(const char *name)
{
    size_t length = strcspn(name, "\n");

    if (strncmp(name, "kworker/", 8) == 0) {
        size_t own = strcspn(name, "+-\n");
        length = own < length ? own : length;
    }
    return length < 15 ? length : 15;
}

int tr_task_read(uint32_t tid, struct tr_task *task)
{
    char path[32], text[1024];       /* Name … Gid are the first ten lines */
    ssize_t got;
    int file;

    snprintf(path, sizeof path, "/proc/%u/status", tid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    got = read(file, text, sizeof text - 1);
    close(file);
    if (got < 6 || strncmp(text, "Name:\t", 6) != 0)
        return 0;
    text[got] = 0;
    memset(task, 0, sizeof *task);
    memcpy(task->comm, text + 6, name_length(text + 6));
    task->tgid = number_after(text, "\nTgid:\t", tid);
    task->uid = number_after(text, "\nUid:\t", TR_UNKNOWN_ID);
    task->gid = number_after(text, "\nGid:\t", TR_UNKNOWN_ID);
    return 1;
}

#endif
