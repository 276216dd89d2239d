/* Who has a socket open: the links in /proc/PID/fd say "socket:[INODE]" (border/proc.h). */

#if defined(__linux__)

#define _GNU_SOURCE
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

struct search {
    const uint64_t *inodes;
    uint32_t *owners;
    uint32_t count;
    uint32_t found;
};

/* The place of an inode, or `count`. */
static uint32_t place_of(const struct search *search, uint64_t inode)
{
    uint32_t low = 0, high = search->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (search->inodes[middle] < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < search->count && search->inodes[low] == inode ? low : search->count;
}

static void take_link(struct search *search, uint32_t pid, const char *link)
{
    uint32_t place;

    if (strncmp(link, "socket:[", 8) != 0)
        return;
    place = place_of(search, strtoull(link + 8, NULL, 10));
    if (place == search->count || search->owners[place])
        return;
    search->owners[place] = pid;
    search->found++;
}

/* A process that is gone or may not be looked into has nothing to find. */
static void search_process(struct search *search, uint32_t pid)
{
    char path[32], link[64];
    struct dirent *entry;
    DIR *files;

    snprintf(path, sizeof path, "/proc/%u/fd", pid);
    files = opendir(path);
    if (!files)
        return;
    while (search->found < search->count && (entry = readdir(files))) {
        ssize_t bytes = readlinkat(dirfd(files), entry->d_name, link, sizeof link - 1);
        if (bytes <= 0)
            continue;
        link[bytes] = 0;
        take_link(search, pid, link);
    }
    closedir(files);
}

uint32_t tr_proc_owners(const uint32_t *pids, uint32_t pid_count, const uint64_t *inodes, uint32_t *owners,
                        uint32_t count)
{
    struct search search = {.inodes = inodes, .owners = owners, .count = count};

    memset(owners, 0, (size_t)count * sizeof *owners);
    for (uint32_t at = 0; at < pid_count && search.found < count; at++)
        search_process(&search, pids[at]);
    return search.found;
}

#endif
