/* Hash maps: chained, every element preallocated in one array, so element addresses never move and memory is bounded.

   Lookups take no lock. An element that is deleted may be reused at once for another key, and a lookup standing on it
   then walks another bucket's chain: chains end in a mark that names their bucket, so such a lookup notices and starts
   again. A version per element (odd while it holds a key) lets lookups and snapshots tell a whole key from one that is
   being replaced. Writers of a bucket hold its lock; free slots are a stack, so slots are taken in the same order in
   every replay. A program may keep the address of a value whose element another run deletes, as in the kernel. */

#include "hash.h"
#include "hash_parts.h"
#include "helpers.h"
#include "map.h"

static inline uint8_t *value_of(const struct tr_map *map, struct tr_element *element)
{
    return (uint8_t *)element + (map->values - map->elements);
}

static inline uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Find the slot of a key, or an end mark. Works with and without the bucket's lock. */
static inline uint32_t find(const struct tr_map *map, const void *key, uint32_t key_size, uint64_t hash)
{
    uint32_t bucket = (uint32_t)hash & map->bucket_mask;
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t slot = load(&map->buckets[bucket].head);

    for (;;) {
        const struct tr_element *element;
        uint32_t version;

        if (slot & TR_CHAIN_END) {
            if (slot == (TR_CHAIN_END | bucket))
                return slot;
            slot = load(&map->buckets[bucket].head);     /* strayed into another chain */
            continue;
        }
        element = tr_element_at(map, slot);
        version = load(&element->version);
        if (__atomic_load_n(&element->hash, __ATOMIC_RELAXED) == tag && (version & 1) &&
            tr_same_key(element->key, key, key_size)) {
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(&element->version, __ATOMIC_RELAXED) == version)
                return slot;
            slot = load(&map->buckets[bucket].head);     /* replaced while we compared */
            continue;
        }
        slot = load(&element->next);
    }
}

/* Take a free slot: the one freed last, else the next that was never used, else TR_NO_SLOT. */
static uint32_t take_slot(struct tr_map *map)
{
    struct tr_map_header *h = map->header;
    uint64_t top = __atomic_load_n(&h->free_list, __ATOMIC_ACQUIRE);
    uint32_t used;

    while ((uint32_t)top != TR_NO_SLOT) {
        /* The count in the high half changes with every push and pop, so a stale `next` is never installed. */
        uint64_t rest = ((top >> 32) + 1) << 32 | load(&tr_element_at(map, (uint32_t)top)->next);

        if (__atomic_compare_exchange_n(&h->free_list, &top, rest, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return (uint32_t)top;
    }
    used = load(&h->used);
    while (used < map->max_entries)
        if (__atomic_compare_exchange_n(&h->used, &used, used + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return used;
    return TR_NO_SLOT;
}

static void give_slot(struct tr_map *map, uint32_t slot)
{
    struct tr_map_header *h = map->header;
    uint64_t top = __atomic_load_n(&h->free_list, __ATOMIC_RELAXED);

    do
        __atomic_store_n(&tr_element_at(map, slot)->next, (uint32_t)top, __ATOMIC_RELEASE);
    while (!__atomic_compare_exchange_n(&h->free_list, &top, ((top >> 32) + 1) << 32 | slot, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED));
}

static inline void write_value(const struct tr_map *map, struct tr_element *element, const void *value, uint32_t cpu)
{
    uint8_t *at = value_of(map, element);

    if (cpu == TR_ALL_CPUS)
        tr_store_words(at, value, map->cpus * map->cpu_stride);
    else
        tr_store_words(at + cpu * map->cpu_stride, value, map->value_size);
}

/* A new element's other CPUs start at zero, whatever the slot held before. */
static void clear_value(const struct tr_map *map, struct tr_element *element)
{
    uint8_t *at = value_of(map, element);
    uint64_t size = map->cpus * map->cpu_stride;

    for (uint64_t i = 0; i < size; i += 8)
        __atomic_store_n((uint64_t *)(void *)(at + i), 0, __ATOMIC_RELAXED);
}

static int insert(struct tr_map *map, const void *key, uint32_t key_size, uint64_t hash, const void *value, uint32_t cpu)
{
    uint32_t slot = take_slot(map);
    struct tr_bucket *bucket = &map->buckets[(uint32_t)hash & map->bucket_mask];
    struct tr_element *element;

    if (slot == TR_NO_SLOT) {
        __atomic_fetch_add(&map->header->refused, 1, __ATOMIC_RELAXED);
        return -TR_E2BIG;
    }
    element = tr_element_at(map, slot);
    /* The fence keeps the new key behind the even version that the last delete left. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&element->hash, (uint32_t)(hash >> 32), __ATOMIC_RELAXED);
    memcpy(element->key, key, key_size);
    if (map->cpus > 1 && cpu != TR_ALL_CPUS)
        clear_value(map, element);
    write_value(map, element, value, cpu);
    __atomic_store_n(&element->next, bucket->head, __ATOMIC_RELAXED);
    /* Odd whatever was there: a file's slots beyond `used` are not looked at when it is opened. */
    __atomic_store_n(&element->version, (element->version + 1) | 1, __ATOMIC_RELEASE);
    __atomic_store_n(&bucket->head, slot, __ATOMIC_RELEASE);
    __atomic_fetch_add(&map->header->count, 1, __ATOMIC_RELAXED);
    return 0;
}

static inline int update(struct tr_map *map, const void *key, uint32_t key_size, const void *value, uint64_t flags,
                         uint32_t cpu)
{
    uint64_t hash = tr_hash_key(key, key_size, map->seed);
    struct tr_bucket *bucket = &map->buckets[(uint32_t)hash & map->bucket_mask];
    uint32_t slot;
    int result = 0;

    if (flags > TR_MAP_EXIST)
        return -TR_EINVAL;
    tr_lock(&bucket->lock);
    slot = find(map, key, key_size, hash);
    if (!(slot & TR_CHAIN_END)) {
        if (flags == TR_MAP_NOEXIST)
            result = -TR_EEXIST;
        else
            write_value(map, tr_element_at(map, slot), value, cpu);
    } else if (flags == TR_MAP_EXIST) {
        result = -TR_ENOENT;
    } else {
        result = insert(map, key, key_size, hash, value, cpu);
    }
    tr_unlock(&bucket->lock);
    return result;
}

static inline int delete(struct tr_map *map, const void *key, uint32_t key_size)
{
    uint64_t hash = tr_hash_key(key, key_size, map->seed);
    struct tr_bucket *bucket = &map->buckets[(uint32_t)hash & map->bucket_mask];
    uint32_t *link = &bucket->head;
    uint32_t slot;

    tr_lock(&bucket->lock);
    slot = find(map, key, key_size, hash);
    if (!(slot & TR_CHAIN_END)) {
        struct tr_element *element = tr_element_at(map, slot);

        while (*link != slot)
            link = &tr_element_at(map, *link)->next;
        __atomic_store_n(link, element->next, __ATOMIC_RELEASE);
        __atomic_store_n(&element->version, element->version + 1, __ATOMIC_RELEASE);
        give_slot(map, slot);
        __atomic_fetch_sub(&map->header->count, 1, __ATOMIC_RELAXED);
    }
    tr_unlock(&bucket->lock);
    return slot & TR_CHAIN_END ? -TR_ENOENT : 0;
}

void *tr_hash_find(const struct tr_map *map, const void *key)
{
    uint32_t slot = find(map, key, map->key_size, tr_hash_key(key, map->key_size, map->seed));

    return slot & TR_CHAIN_END ? NULL : value_of(map, tr_element_at(map, slot));
}

/* Copy a value out under the bucket's lock: its element cannot be reused meanwhile. */
int tr_hash_read(const struct tr_map *map, const void *key, void *value)
{
    uint64_t hash = tr_hash_key(key, map->key_size, map->seed);
    struct tr_bucket *bucket = &map->buckets[(uint32_t)hash & map->bucket_mask];
    uint32_t slot;

    tr_lock(&bucket->lock);
    slot = find(map, key, map->key_size, hash);
    if (!(slot & TR_CHAIN_END))
        tr_load_words(value, value_of(map, tr_element_at(map, slot)), tr_map_whole_value(map));
    tr_unlock(&bucket->lock);
    return slot & TR_CHAIN_END ? -TR_ENOENT : 0;
}

int tr_hash_update(struct tr_map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu)
{
    return update(map, key, map->key_size, value, flags, cpu);
}

int tr_hash_delete(struct tr_map *map, const void *key)
{
    return delete(map, key, map->key_size);
}

/* Copy one element if it holds a key; again if it was replaced meanwhile. */
static int copy_element(const struct tr_map *map, uint32_t slot, uint8_t *key, uint8_t *value)
{
    struct tr_element *element = tr_element_at(map, slot);
    uint32_t version = load(&element->version);

    while (version & 1) {
        uint32_t again;

        memcpy(key, element->key, map->key_size);
        for (uint32_t cpu = 0; cpu < map->cpus; cpu++)
            tr_load_words(value + (uint64_t)cpu * map->value_size, value_of(map, element) + cpu * map->cpu_stride,
                          map->value_size);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        again = load(&element->version);
        if (again == version)
            return 1;
        version = again;
    }
    return 0;
}

uint32_t tr_hash_copy(const struct tr_map *map, uint8_t *keys, uint8_t *values, uint32_t capacity)
{
    uint32_t used = load(&map->header->used);
    uint64_t row = (uint64_t)map->cpus * map->value_size;
    uint32_t rows = 0;

    for (uint32_t slot = 0; slot < used && rows < capacity; slot++)
        rows += (uint32_t)copy_element(map, slot, keys + (uint64_t)rows * map->key_size, values + rows * row);
    return rows;
}

void tr_hash_format(struct tr_map *map)
{
    map->header->free_list = TR_NO_SLOT;
    for (uint32_t i = 0; i < map->header->bucket_count; i++)
        map->buckets[i] = (struct tr_bucket){.head = TR_CHAIN_END | i};
}

/* The helpers for maps of common key sizes: r1 is the map, r2 the key. */
#define FIND(name, size)                                                                                      \
    static uint64_t name(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run) \
    {                                                                                                         \
        const struct tr_map *map = (const struct tr_map *)(uintptr_t)r1;                                      \
        const void *key = (const void *)(uintptr_t)r2;                                                        \
        uint32_t slot = find(map, key, size, tr_hash_key(key, size, map->seed));                              \
                                                                                                              \
        (void)r3, (void)r4, (void)r5, (void)run;                                                              \
        return slot & TR_CHAIN_END ? 0 : (uint64_t)(uintptr_t)value_of(map, tr_element_at(map, slot));        \
    }

FIND(find4, 4)
FIND(find8, 8)
FIND(find12, 12)
FIND(find16, 16)
FIND(find_any, map->key_size)

#define UPDATE(name, size)                                                                                    \
    static uint64_t name(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run) \
    {                                                                                                         \
        struct tr_map *map = (struct tr_map *)(uintptr_t)r1;                                                  \
                                                                                                              \
        (void)r5, (void)run;                                                                                  \
        return (uint64_t)(int64_t)update(map, (const void *)(uintptr_t)r2, size, (const void *)(uintptr_t)r3, r4, 0); \
    }

UPDATE(update4, 4)
UPDATE(update8, 8)
UPDATE(update16, 16)
UPDATE(update_any, map->key_size)

static tr_helper *find_of_size(uint32_t key_size)
{
    switch (key_size) {
    case 4: return find4;
    case 8: return find8;
    case 12: return find12;
    case 16: return find16;
    default: return find_any;
    }
}

static tr_helper *update_of_size(uint32_t key_size)
{
    switch (key_size) {
    case 4: return update4;
    case 8: return update8;
    case 16: return update16;
    default: return update_any;
    }
}

/* Per-CPU maps need the run's CPU and go the general way. */
uint64_t tr_hash_function(const struct tr_map *map, const char *helper)
{
    if (map->kind != TR_MAP_HASH)
        return 0;
    if (strcmp(helper, "map_lookup_elem") == 0)
        return (uint64_t)(uintptr_t)find_of_size(map->key_size);
    if (strcmp(helper, "map_update_elem") == 0 && !(map->flags & TR_MAP_F_RDONLY_PROG))
        return (uint64_t)(uintptr_t)update_of_size(map->key_size);
    return 0;
}
