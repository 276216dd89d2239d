/* Looking into the list of ignored processes (border/processes.h, included before) while another thread changes it. */
#ifndef TR_IGNORED_H
#define TR_IGNORED_H

#include <stdint.h>

/* Relaxed loads: a process that is named this moment may still have an event told, as one named a moment later would. */
static inline int tr_is_ignored(const struct tr_ignored *list, uint32_t pid)
{
    uint32_t count = __atomic_load_n(&list->count, __ATOMIC_ACQUIRE);

    for (uint32_t at = 0; at < count; at++)
        if (__atomic_load_n(list->pid + at, __ATOMIC_RELAXED) == pid)
            return 1;
    return 0;
}

#endif
