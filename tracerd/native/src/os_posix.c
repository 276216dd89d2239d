/* The operating system below the core, POSIX. */
#ifndef _WIN32

#include "os.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

void *tr_os_allocate(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void tr_os_release(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}

int tr_os_maps_files(void)
{
    return 1;
}

int64_t tr_os_file_bytes(int fd)
{
    struct stat status;

    return fstat(fd, &status) ? -1 : (int64_t)status.st_size;
}

void *tr_os_map_file(int fd, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

int tr_os_replace(void *memory, const void *same, size_t bytes, int fd)
{
    if (mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
        return 0;
    /* The file was mapped once before, so this is the kernel being out of memory for a few bytes. It may have taken the
       old pages away already: put new ones there. Without them programs would write into nothing. */
    if (mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        abort();
    memcpy(memory, same, bytes);
    return -1;
}

int tr_os_sync(void *memory, size_t bytes, int wait)
{
    return msync(memory, bytes, wait ? MS_SYNC : MS_ASYNC) ? -errno : 0;
}

uint64_t tr_os_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void tr_os_yield(void)
{
    sched_yield();
}

void tr_os_rest(void)
{
    struct timespec pause = {.tv_nsec = 1000000};

    nanosleep(&pause, NULL);
}

uint64_t tr_os_random(void)
{
    uint64_t random;

    if (getentropy(&random, sizeof random) == 0)
        return random;
    /* No entropy device (an old container): address space layout and time are better than a constant. */
    return tr_os_monotonic_ns() * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&random;
}

#endif
