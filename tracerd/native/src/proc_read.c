/* A row for each process (border/proc.h). Everything of a row is read through one open folder, so a pid that is reused
   meanwhile never mixes two processes. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "contexts.h"
#include "proc.h"
#include "proc_stat.h"
#include "proc_text.h"

struct reading {
    int proc;
    uint32_t wants;
    uint64_t boot_ns;                    /* unix time of the boot */
    uint64_t page_bytes;
    int sizes_count;                     /* the size of /proc/PID/fd is the number of files: since Linux 6.2 */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Whether sizes count files: this process has some open, so its own size says it. */
static int sizes_count(void)
{
    struct stat own;

    return stat("/proc/self/fd", &own) == 0 && own.st_size > 0;
}

static int count_entries(int folder, uint32_t *count)
{
    int file = openat(folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = file < 0 ? NULL : fdopendir(file);

    if (!files)
        return 0;
    for (*count = 0; readdir(files);)
        ++*count;
    *count -= *count < 2 ? *count : 2;   /* . and .. */
    closedir(files);
    return 1;
}

static void read_handles(const struct reading *reading, int folder, struct tr_proc_row *row)
{
    struct stat files;
    int known;

    if (reading->sizes_count && !(reading->wants & TR_PROC_HANDLES_COUNTED)) {
        known = fstatat(folder, "fd", &files, 0) == 0;
        row->handles = known ? (uint32_t)files.st_size : 0;
    } else {
        known = count_entries(folder, &row->handles);
    }
    row->known |= known ? TR_KNOWN_HANDLES : 0;
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *found = strstr(text, key);

    return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

static void read_io(int folder, struct tr_proc_row *row)
{
    char text[512];

    if (tr_proc_text(folder, "io", text, sizeof text) <= 0)
        return;
    row->read_bytes = number_after(text, "\nread_bytes: ");
    row->write_bytes = number_after(text, "\nwrite_bytes: ");
    row->known |= TR_KNOWN_IO;
}

/* A process is dead when its last thread is; its main thread may die before. The exit code is hidden from users who may
   not look into the process: then the kernel says that it does not sleep, which the dead always do. */
static void take_exit(const struct tr_proc_stat *stat, struct tr_proc_row *row)
{
    uint64_t status = stat->field[STAT_EXIT_CODE];

    row->exited = (stat->state == 'Z' || stat->state == 'X') && stat->field[STAT_THREADS] <= 1;
    if (!row->exited || (!status && !stat->field[STAT_SLEEPS]))
        return;
    row->exit_code = status & 0x7f ? -(int32_t)(status & 0x7f) : (int32_t)(status >> 8 & 0xff);
    row->known |= TR_KNOWN_EXIT_CODE;
}

static void take_stat(const struct reading *reading, const struct tr_proc_stat *stat, struct tr_proc_row *row)
{
    row->identity = tr_proc_stat_start(stat);
    row->start_ns = reading->boot_ns + row->identity;
    row->user_ns = tr_proc_ticks_ns(stat->field[STAT_USER_TICKS]);
    row->system_ns = tr_proc_ticks_ns(stat->field[STAT_SYSTEM_TICKS]);
    row->memory_bytes = stat->field[STAT_RESIDENT_PAGES] * reading->page_bytes;
    row->virtual_bytes = stat->field[STAT_VIRTUAL_BYTES];
    row->parent = (uint32_t)stat->field[STAT_PARENT];
    row->threads = (uint32_t)stat->field[STAT_THREADS];
    row->known = TR_KNOWN_PARENT | TR_KNOWN_USAGE | TR_KNOWN_BEGIN;
    memcpy(row->name, stat->name, stat->name_bytes);
    take_exit(stat, row);
}

/* Changes with each exec, as far as this user may see it, and with the owner of the folder: the effective user. */
static uint64_t version_of(int folder, const struct tr_proc_stat *stat)
{
    struct stat owner;

    if (fstat(folder, &owner) != 0)
        owner.st_uid = 0;
    return stat->field[STAT_ARGUMENTS] * 31 + owner.st_uid;
}

static int read_row(const struct reading *reading, const char *name, struct tr_proc_row *row)
{
    char text[TR_PROC_STAT_BYTES];
    struct tr_proc_stat stat;
    int folder = tr_proc_folder(reading->proc, name), found;

    if (folder < 0)
        return 0;
    memset(row, 0, sizeof *row);
    row->pid = tr_proc_pid(name);
    found = tr_proc_stat_read(folder, text, &stat);
    if (found) {
        take_stat(reading, &stat, row);
        row->version = version_of(folder, &stat);
        if (reading->wants & TR_PROC_IO)
            read_io(folder, row);
        if (reading->wants & (TR_PROC_HANDLES | TR_PROC_HANDLES_COUNTED))
            read_handles(reading, folder, row);
    }
    close(folder);
    return found;
}

int64_t tr_proc_read(struct tr_proc_row *rows, uint32_t capacity, uint32_t wants)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    struct reading reading = {.wants = wants, .sizes_count = sizes_count()};
    int64_t count = 0;

    if (!proc)
        return -errno;
    reading.proc = dirfd(proc);
    reading.boot_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
    reading.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    while ((entry = readdir(proc)))
        if (tr_proc_pid(entry->d_name))
            count += count >= capacity || read_row(&reading, entry->d_name, rows + count);
    closedir(proc);
    return count;
}

#endif
