/* A process's parent, beginning and command line from /proc. */

#if defined(__linux__)

#include <stdint.h>
#include <time.h>

#include "proc_stat.h"
#include "proc_text.h"
#include "process_parts.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* starttime counts from boot and goes on while the machine sleeps; the monotonic clock does not. To the millisecond,
   since the two clocks are read one after the other and one process must have one beginning. */
static uint64_t began_at(uint64_t after_boot_ns)
{
    uint64_t slept_ms = (clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC) + 500000U) / 1000000U;

    return after_boot_ns - slept_ms * 1000000U;
}

int tr_process_read(uint32_t pid, uint32_t *parent, uint64_t *began_ns)
{
    char text[TR_PROC_STAT_BYTES];
    struct tr_proc_stat stat;

    if (tr_proc_text_of(pid, "stat", text, sizeof text) <= 0 || !tr_proc_stat_parse(text, &stat))
        return 0;
    *parent = (uint32_t)stat.field[STAT_PARENT];
    *began_ns = began_at(tr_proc_stat_start(&stat));
    return 1;
}

uint32_t tr_process_read_line(uint32_t pid, char *line, uint32_t capacity, int *whole)
{
    return tr_proc_arguments(line, tr_proc_text_of(pid, "cmdline", line, capacity), capacity - 1, whole);
}

#endif
