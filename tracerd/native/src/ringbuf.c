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

/* Look at what waits as the bytes of a stranger: 1 if it is a sequence of records. Those that were never submitted become
   discarded ones. */
static int mend_records(struct tr_map *map, struct tr_map_repaired *repaired)
{
    struct tr_map_header *h = map->header;
    uint64_t room = map->max_entries;
    uint64_t at = h->consumed;

    /* Far from where counting would turn over; nobody gets there by writing records. */
    if (h->produced >> 63 || at > h->produced || h->produced - at > room || (at | h->produced) % 8)
        return 0;
    while (at < h->produced) {
        struct record_header *record = (struct record_header *)(void *)(map->elements + (at & (room - 1)));
        uint32_t length = record->length & ~(BUSY | DISCARDED);
        uint64_t whole = tr_round8((uint64_t)length + HEADER_BYTES);

        if (whole > h->produced - at || record->position != (uint32_t)(((uint8_t *)record - (uint8_t *)h) / 8))
            return 0;
        if (record->length & BUSY) {
            record->length = length | DISCARDED;
            repaired->unfinished++;
        }
        at += whole;
    }
    return 1;
}

/* Why a kill between any two instructions leaves something that this mends: reserve writes a record's header before it
   moves `produced`, so whatever lies before `produced` has one. It says BUSY until the record is submitted, and that is
   one store behind all of the record's own. The reader moves `consumed` once, behind everything it copied: killed before
   that, it finds the same records again. After a loss of power pages are of different ages, and nothing need fit. */
void tr_ring_repair(struct tr_map *map, struct tr_map_repaired *repaired)
{
    struct tr_map_header *h = map->header;

    h->ring_lock = 0;
    if (mend_records(map, repaired))
        return;
    repaired->emptied = 1;
    if (h->produced > h->consumed)
        repaired->dropped_bytes = h->produced - h->consumed < map->max_entries ? h->produced - h->consumed
                                                                               : map->max_entries;
    h->produced = h->consumed = 0;
}
