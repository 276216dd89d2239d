/* What the core needs of the operating system, in one place: memory, time, randomness, a pause. */
#ifndef TR_OS_H
#define TR_OS_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed, page-aligned memory, or NULL if the system refuses it. */
void *tr_os_allocate(size_t bytes);
void tr_os_release(void *memory, size_t bytes);

/* The clock that measures durations (CLOCK_MONOTONIC, QueryPerformanceCounter), in ns. */
uint64_t tr_os_monotonic_ns(void);

/* Let another thread run: the holder of a spin lock may have been preempted. */
void tr_os_yield(void);

/* Let other threads run for about a millisecond. */
void tr_os_rest(void);

/* Unpredictable to whoever chooses map keys. */
uint64_t tr_os_random(void);

#endif
