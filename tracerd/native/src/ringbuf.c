/* Ring buffers with the kernel's semantics: reserve, fill, then submit or discard; one reader sees records in the order
   in which they were reserved and waits at one that is still being written. */

#include "map.h"

#define HEADER_BYTES 8
#define BUSY 0x80000000u
#define DISCARDED 0x40000000u

/* Before each record: its length with the two bits above, and where it is in the block, in units of 8 bytes. */
struct record_header {
    uint32_t length;
    uint32_t position;
};

_Static_assert(sizeof(struct record_header) == HEADER_BYTES, "records are 8 bytes behind their header");

void *tr_ring_reserve(struct tr_map *map, uint64_t size)
{
    struct tr_map_header *h = map->header;
    uint64_t room = map->max_entries;
    uint64_t whole, produced;
    struct record_header *record;

    if (size > room) {
        __atomic_fetch_add(&h->refused, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    whole = tr_round8(size + HEADER_BYTES);
    tr_lock(&h->ring_lock);
    produced = h->produced;
    if (whole > room - (produced - __atomic_load_n(&h->consumed, __ATOMIC_ACQUIRE))) {
        tr_unlock(&h->ring_lock);
        __atomic_fetch_add(&h->refused, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    record = (struct record_header *)(void *)(map->elements + (produced & (room - 1)));
    __atomic_store_n(&record->length, (uint32_t)size | BUSY, __ATOMIC_RELAXED);
    record->position = (uint32_t)(((uint8_t *)record - (uint8_t *)h) / 8);
    __atomic_store_n(&h->produced, produced + whole, __ATOMIC_RELEASE);
    tr_unlock(&h->ring_lock);
    /* Old bytes would depend on how fast the reader was; replays must not. */
    memset(record + 1, 0, whole - HEADER_BYTES);
    return record + 1;
}

void tr_ring_commit(void *data, int discard)
{
    struct record_header *record = (struct record_header *)data - 1;
    uint32_t length = record->length & ~BUSY;

    __atomic_store_n(&record->length, discard ? length | DISCARDED : length, __ATOMIC_RELEASE);
}

uint32_t tr_ring_record_size(const void *data)
{
    return ((const struct record_header *)data - 1)->length & ~(BUSY | DISCARDED);
}

int64_t tr_ring_read(struct tr_map *map, void *buffer, uint64_t capacity)
{
    struct tr_map_header *h = map->header;
    uint64_t consumed = h->consumed;
    uint64_t produced = __atomic_load_n(&h->produced, __ATOMIC_ACQUIRE);
    uint8_t *to = buffer;
    int64_t result = 0;

    if (map->kind != TR_MAP_RINGBUF)
        return -TR_EINVAL;
    while (consumed < produced) {
        const struct record_header *record =
            (const struct record_header *)(void *)(map->elements + (consumed & (map->max_entries - 1)));
        uint32_t state = __atomic_load_n(&record->length, __ATOMIC_ACQUIRE);
        uint32_t length = state & ~(BUSY | DISCARDED);

        if (state & BUSY)
            break;
        if (!(state & DISCARDED)) {
            if ((uint64_t)length + 4 > capacity - (uint64_t)result) {
                result = result ? result : -TR_E2BIG;
                break;
            }
            memcpy(to + result, &length, 4);
            memcpy(to + result + 4, record + 1, length);
            result += 4 + (int64_t)length;
        }
        consumed += tr_round8((uint64_t)length + HEADER_BYTES);
    }
    /* Only now may a producer write over what was copied. */
    __atomic_store_n(&h->consumed, consumed, __ATOMIC_RELEASE);
    return result;
}
