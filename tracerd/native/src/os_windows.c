/* The operating system below the core, Windows. */
#ifdef _WIN32

#define _CRT_RAND_S
#include <errno.h>
#include <stdlib.h>

#include "os.h"

#include <windows.h>

void *tr_os_allocate(size_t bytes)
{
    return VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void tr_os_release(void *memory, size_t bytes)
{
    (void)bytes;
    VirtualFree(memory, 0, MEM_RELEASE);
}

/* A view of a file cannot take the place of memory that is in use, so there are no maps in files here at all. */
int tr_os_maps_files(void)
{
    return 0;
}

int64_t tr_os_file_bytes(int fd)
{
    (void)fd;
    return -1;
}

void *tr_os_map_file(int fd, size_t bytes)
{
    (void)fd, (void)bytes;
    return NULL;
}

int tr_os_replace(void *memory, const void *same, size_t bytes, int fd)
{
    (void)memory, (void)same, (void)bytes, (void)fd;
    return -1;
}

int tr_os_sync(void *memory, size_t bytes, int wait)
{
    (void)memory, (void)bytes, (void)wait;
    return -ENOSYS;
}

uint64_t tr_os_monotonic_ns(void)
{
    LARGE_INTEGER now, frequency;
    uint64_t ticks, rate;

    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    ticks = (uint64_t)now.QuadPart;
    rate = (uint64_t)frequency.QuadPart;
    return ticks / rate * 1000000000u + ticks % rate * 1000000000u / rate;
}

void tr_os_yield(void)
{
    SwitchToThread();
}

void tr_os_rest(void)
{
    Sleep(1);
}

uint64_t tr_os_random(void)
{
    unsigned int high, low;

    if (rand_s(&high) == 0 && rand_s(&low) == 0)
        return (uint64_t)high << 32 | low;
    return tr_os_monotonic_ns() * 0x9e3779b97f4a7c15u;
}

#endif
