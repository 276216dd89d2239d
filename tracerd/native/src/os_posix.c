/* The operating system below the core, POSIX. */
#ifndef _WIN32

#include "os.h"

#include <sched.h>
#include <sys/mman.h>
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
