/* What of a process changes seldom: its user and its command line (border/proc.h). */

#if defined(__linux__)

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "proc.h"
#include "proc_stat.h"
#include "proc_text.h"

#define UNKNOWN_ID 65534u                /* the kernel's overflow id */

static void read_ids(int folder, struct tr_proc_description *description)
{
    char text[1024];                     /* Name … Gid are the first ten lines */

    if (tr_proc_text(folder, "status", text, sizeof text) < 0)
        text[0] = 0;
    description->uid = tr_proc_number(text, "\nUid:\t", UNKNOWN_ID);
    description->gid = tr_proc_number(text, "\nGid:\t", UNKNOWN_ID);
}

static void read_command_line(int folder, struct tr_proc_description *description)
{
    int64_t got = tr_proc_text(folder, "cmdline", description->command_line, sizeof description->command_line);
    int whole;

    description->bytes = tr_proc_arguments(description->command_line, got, TR_PROC_COMMAND_LINE, &whole);
    description->whole = (uint32_t)whole;
}

int tr_proc_describe(uint32_t pid, uint64_t identity, struct tr_proc_description *description)
{
    char path[32], text[TR_PROC_STAT_BYTES];
    struct tr_proc_stat stat;
    int folder, same;

    snprintf(path, sizeof path, "/proc/%u", pid);
    folder = tr_proc_folder(AT_FDCWD, path);
    if (folder < 0)
        return 0;
    same = tr_proc_stat_read(folder, text, &stat) && tr_proc_stat_start(&stat) == identity;
    if (same) {
        read_ids(folder, description);
        read_command_line(folder, description);
        description->whole &= stat.state != 'Z';         /* the dead have none */
    }
    close(folder);
    return same;
}

#endif
