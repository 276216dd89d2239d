/* What the core needs of the operating system, in one place: memory, files as memory, time, randomness, a
   pause. */
#ifndef TR_OS_H
#define TR_OS_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed, page-aligned memory, or NULL if the system refuses it. */
void *tr_os_allocate(size_t bytes);
void tr_os_release(void *memory, size_t bytes);

/* Files as shared memory; `fd` is a descriptor of the C library. 0 where this system cannot: then nothing below works. */
int tr_os_maps_files(void);
int64_t tr_os_file_bytes(int fd);                /* -1 if it cannot be told */
void *tr_os_map_file(int fd, size_t bytes);      /* NULL if the system refuses; released as memory is */

/* Put a file's pages in the place of memory, addresses unchanged, in one step for whoever reads it meanwhile. `same` is
   another mapping of that file with the same contents. 0, or -1 and the memory has its contents still. */
int tr_os_replace(void *memory, const void *same, size_t bytes, int fd);
int tr_os_sync(void *memory, size_t bytes, int wait);    /* 0, or -errno */

/* The clock that measures durations (CLOCK_MONOTONIC, QueryPerformanceCounter), in ns. */
uint64_t tr_os_monotonic_ns(void);

/* Let another thread run: the holder of a spin lock may have been preempted. */
void tr_os_yield(void);

/* Let other threads run for about a millisecond. */
void tr_os_rest(void);

/* Unpredictable to whoever chooses map keys. */
uint64_t tr_os_random(void);

#endif
