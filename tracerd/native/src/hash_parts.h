/* The inside of a hash map's block: what hash.c works on and hash_repair.c makes whole again. */
#ifndef TR_HASH_PARTS_H
#define TR_HASH_PARTS_H

#include "map.h"

#define TR_CHAIN_END 0x80000000u     /* end of a chain, with the bucket's number */
#define TR_NO_SLOT 0xffffffffu       /* end of the free stack: no bucket has this number */

struct tr_bucket {
    uint32_t head;
    uint32_t lock;
};

struct tr_element {
    uint32_t next;
    uint32_t hash;
    uint32_t version;                /* odd: holds a key */
    uint32_t unused;
    uint8_t key[];
};

_Static_assert(sizeof(struct tr_element) == 16, "map.c leaves 16 bytes for the links");
_Static_assert(sizeof(struct tr_bucket) == 8, "map.c leaves 8 bytes for a bucket");

static inline struct tr_element *tr_element_at(const struct tr_map *map, uint32_t slot)
{
    return (struct tr_element *)(void *)(map->elements + slot * map->stride);
}

#endif
