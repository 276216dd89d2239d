/* A process's parent, beginning and command line from /proc. */

#if defined(__linux__)

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process_parts.h"

#define FIELDS_TO_START 18               /* of /proc/PID/stat, from ppid (the 4th) to starttime (the 22nd) */

/* Read the beginning of a file of /proc/PID; returns how many bytes, 0 if there are none. */
static uint32_t read_file(uint32_t pid, const char *name, char *text, uint32_t capacity)
{
    char path[40];
    ssize_t got;
    int file;

    snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    got = read(file, text, capacity);
    close(file);
    return got > 0 ? (uint32_t)got : 0;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* starttime counts from boot and goes on while the machine sleeps; the monotonic clock does not. To the millisecond,
   since the two clocks are read one after the other and one process must have one beginning. */
static uint64_t began_at(uint64_t ticks)
{
    uint64_t slept_ms = (clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC) + 500000U) / 1000000U;

    return ticks * (1000000000U / (uint64_t)sysconf(_SC_CLK_TCK)) - slept_ms * 1000000U;
}

int tr_process_read(uint32_t pid, uint32_t *parent, uint64_t *began_ns)
{
    char text[1024], *at;
    uint32_t got = read_file(pid, "stat", text, sizeof text - 1);

    text[got] = 0;
    at = strrchr(text, ')');             /* the name may have any character, also this one */
    if (!at || strlen(at) < 5)
        return 0;
    *parent = (uint32_t)strtoul(at + 4, &at, 10);
    for (int field = 1; field < FIELDS_TO_START; field++)
        strtoll(at, &at, 10);
    *began_ns = began_at(strtoull(at, NULL, 10));
    return 1;
}

uint32_t tr_process_read_line(uint32_t pid, char *line, uint32_t capacity, int *whole)
{
    uint32_t got = read_file(pid, "cmdline", line, capacity);

    *whole = got > 0 && got < capacity;
    if (got == capacity)
        got = (uint32_t)strnlen(line, capacity - 1);
    if (got && (!*whole || line[got - 1]))       /* a process that writes its own title may leave out the NUL */
        line[got++] = 0;
    return got;
}

#endif
