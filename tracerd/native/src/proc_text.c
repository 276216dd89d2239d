/* Reading the text files of /proc. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc_text.h"

int64_t tr_proc_text(int folder, const char *name, char *text, size_t size)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (file < 0)
        return -1;
    got = read(file, text, size - 1);    /* the kernel makes these texts in one piece: no second read for the end */
    close(file);
    text[got < 0 ? 0 : got] = 0;
    return got;
}

int64_t tr_proc_text_of(uint32_t pid, const char *name, char *text, size_t size)
{
    char path[40];

    snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
    return tr_proc_text(AT_FDCWD, path, text, size);
}

uint32_t tr_proc_number(const char *text, const char *key, uint32_t otherwise)
{
    const char *found = strstr(text, key);

    return found ? (uint32_t)strtoul(found + strlen(key), NULL, 10) : otherwise;
}

/* /proc shows a kernel worker with its current work ("kworker/0:1-events"); the task's own name ends before that. */
uint32_t tr_proc_name_bytes(const char *name, uint32_t bytes)
{
    uint32_t own = bytes;

    if (bytes > 8 && memcmp(name, "kworker/", 8) == 0)
        for (own = 8; own < bytes && name[own] != '+' && name[own] != '-'; own++)
            ;
    return own < 15 ? own : 15;
}

/* A process may write over its command line (setproctitle) and leave out the last NUL. */
uint32_t tr_proc_arguments(char *line, int64_t got, uint32_t most, int *whole)
{
    uint32_t bytes = got > 0 ? (uint32_t)got : 0;

    *whole = got >= 0 && bytes < most;
    if (bytes >= most)
        bytes = (uint32_t)strnlen(line, most - 1);
    if (bytes && (!*whole || line[bytes - 1]))
        line[bytes++] = 0;
    return bytes;
}

int tr_proc_folder(int proc, const char *pid)
{
    return openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

uint32_t tr_proc_pid(const char *name)
{
    uint32_t pid = 0;

    for (; *name >= '0' && *name <= '9' && pid < 100000000u; name++)
        pid = 10 * pid + (uint32_t)(*name - '0');
    return *name ? 0 : pid;
}

#endif
