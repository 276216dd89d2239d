/* /proc/PID/stat, taken apart: "PID (NAME) S PARENT …". The name may have anything in it, parentheses too; behind the
   last one there are only a letter and numbers. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "proc_stat.h"
#include "proc_text.h"

/* The number at *at, which is moved behind it; a negative one wraps, as the kernel's own casts do. */
static uint64_t take_number(const char **at)
{
    const char *p = *at;
    int negative = *p == '-';
    uint64_t value = 0;

    for (p += negative; *p >= '0' && *p <= '9'; p++)
        value = 10 * value + (uint64_t)(*p - '0');
    *at = p;
    return negative ? 0 - value : value;
}

int tr_proc_stat_parse(char *text, struct tr_proc_stat *stat)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')'), *at;

    memset(stat, 0, sizeof *stat);
    if (!open || !close || close < open || close[1] != ' ' || !close[2])
        return 0;
    stat->name = open + 1;
    stat->name_bytes = tr_proc_name_bytes(open + 1, (uint32_t)(close - open - 1));
    stat->state = close[2];
    at = close + 3;
    for (int field = STAT_PARENT; field < STAT_FIELDS && *at == ' '; field++) {
        at++;
        stat->field[field] = take_number(&at);
    }
    return 1;
}

int tr_proc_stat_read(int folder, char *text, struct tr_proc_stat *stat)
{
    return tr_proc_text(folder, "stat", text, TR_PROC_STAT_BYTES) > 0 && tr_proc_stat_parse(text, stat);
}

uint64_t tr_proc_ticks_ns(uint64_t ticks)
{
    return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t tr_proc_stat_start(const struct tr_proc_stat *stat)
{
    return tr_proc_ticks_ns(stat->field[STAT_START_TICKS]);
}

#endif
