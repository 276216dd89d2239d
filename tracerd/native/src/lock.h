/* The core's one lock: a word to spin on. */
#ifndef TR_LOCK_H
#define TR_LOCK_H

#include <stdint.h>

#include "os.h"

/* A lock held for a few dozen instructions. Its holder may be preempted, so waiting turns into yielding. */
static inline void tr_lock(uint32_t *lock)
{
    uint32_t tries = 0;

    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) {
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            if (++tries % 128 == 0)
                tr_os_yield();
    }
}

static inline void tr_unlock(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
