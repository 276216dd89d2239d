/* One CPU's ring: what the kernel has written, records in one piece, and giving space back. */

#if defined(__linux__)

#include "perf_parts.h"

/* Read how far the kernel has written; returns the bytes to take. */
uint64_t tr_perf_ring_look(struct ring *ring)
{
    ring->head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
    return ring->head - ring->tail;
}

/* Put a record that wraps the ring's end into one piece. */
void tr_perf_ring_copy(const struct ring *ring, uint32_t size, uint8_t *into)
{
    uint64_t offset = ring->tail & (ring->size - 1);
    uint64_t until_end = ring->size - offset;

    memcpy(into, ring->data + offset, until_end);
    memcpy(into + until_end, ring->data, size - until_end);
}

/* The kernel may overwrite what lies before the tail: no program uses a record after it was taken. */
void tr_perf_ring_publish(struct ring *ring)
{
    if (ring->published == ring->tail)
        return;
    __atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
    ring->published = ring->tail;
}

#endif
