/* The inside of a map: its block, the live handle, and what the kinds share. */
#ifndef TR_MAP_H
#define TR_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core.h"
#include "lock.h"

/* Linux's numbers: programs compare r0 with them on every OS. */
#define TR_EPERM 1
#define TR_ENOENT 2
#define TR_E2BIG 7
#define TR_EAGAIN 11
#define TR_EFAULT 14
#define TR_EEXIST 17
#define TR_EINVAL 22
#define TR_ERANGE 34
#define TR_EOPNOTSUPP 95

#define TR_MAP_MAGIC 0x0070616d65636172u     /* "racemap" */
#define TR_MAP_VERSION 1
#define TR_MAP_LIMIT ((uint64_t)4 << 30)     /* largest block, bytes */
#define TR_ALL_CPUS UINT32_MAX

/* The start of every block. Offsets count from here, never pointers: the block may become a file. */
struct tr_map_header {
    uint64_t magic;
    uint32_t version;
    uint32_t kind;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t flags;
    uint32_t cpus;
    uint32_t bucket_count;       /* hash kinds: a power of two */
    uint64_t bytes;              /* of the whole block */
    uint64_t seed;               /* of the hash: keys cannot be chosen to collide */
    uint64_t buckets_at;
    uint64_t elements_at;
    uint64_t value_in_element;
    uint64_t stride;
    uint64_t cpu_stride;
    uint8_t pad0[128 - 96];

    uint64_t count;              /* elements in the map */
    uint64_t refused;
    uint64_t free_list;          /* change counter << 32 | first free slot */
    uint32_t used;               /* slots that were ever filled */
    uint8_t pad1[64 - 28];

    uint64_t produced;           /* ring: bytes ever reserved */
    uint32_t ring_lock;
    uint8_t pad2[64 - 12];
    uint64_t consumed;           /* ring: bytes ever taken out */
    uint8_t pad3[64 - 8];
};

/* The live handle: where the block is in this process, and facts that every call needs. */
struct tr_map {
    struct tr_map_header *header;
    uint8_t *elements;           /* hash elements, array values, ring data */
    uint8_t *values;             /* element 0's value */
    struct tr_bucket *buckets;
    uint64_t bytes;              /* of the block */
    uint64_t stride;
    uint64_t cpu_stride;
    uint64_t seed;
    uint32_t bucket_mask;
    uint32_t kind;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t cpus;
    uint32_t flags;
};

static inline uint64_t tr_round8(uint64_t size)
{
    return (size + 7) & ~(uint64_t)7;
}

static inline int tr_map_is_per_cpu(uint32_t kind)
{
    return kind == TR_MAP_PERCPU_HASH || kind == TR_MAP_PERCPU_ARRAY;
}

static inline int tr_map_is_hash(uint32_t kind)
{
    return kind == TR_MAP_HASH || kind == TR_MAP_PERCPU_HASH;
}

static inline int tr_map_is_array(uint32_t kind)
{
    return kind == TR_MAP_ARRAY || kind == TR_MAP_PERCPU_ARRAY;
}

/* Bytes of an element's value as the control plane sees it: all CPUs, or the one. */
static inline uint64_t tr_map_whole_value(const struct tr_map *map)
{
    return tr_map_is_per_cpu(map->kind) ? map->cpus * map->cpu_stride : map->value_size;
}

/* Copy into a value whose storage is padded to 8 bytes, a word at a time, so that a reader beside us sees whole words.
   The padding is ours and becomes zero. */
static inline void tr_store_words(uint8_t *value, const uint8_t *bytes, uint64_t size)
{
    uint64_t word;

    for (; size >= 8; size -= 8, value += 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        __atomic_store_n((uint64_t *)(void *)value, word, __ATOMIC_RELAXED);
    }
    if (size) {
        word = 0;
        memcpy(&word, bytes, size);
        __atomic_store_n((uint64_t *)(void *)value, word, __ATOMIC_RELAXED);
    }
}

static inline void tr_load_words(uint8_t *bytes, const uint8_t *value, uint64_t size)
{
    uint64_t word;

    for (; size >= 8; size -= 8, value += 8, bytes += 8) {
        word = __atomic_load_n((const uint64_t *)(const void *)value, __ATOMIC_RELAXED);
        memcpy(bytes, &word, 8);
    }
    if (size) {
        word = __atomic_load_n((const uint64_t *)(const void *)value, __ATOMIC_RELAXED);
        memcpy(bytes, &word, size);
    }
}

/* Making a map (map.c): the header that a shape asks for, or 0 and one sentence; the handle of a block that is whole; the
   handle of a zeroed block that is made into an empty map. NULL if there is no memory for the handle. */
int tr_map_plan(struct tr_map_header *plan, const struct tr_map_shape *shape, char *error, size_t error_size);
struct tr_map *tr_map_handle(struct tr_map_header *block);
struct tr_map *tr_map_begin(struct tr_map_header *block, const struct tr_map_header *plan, char *error,
                            size_t error_size);

/* Hash kinds (hash.c). `cpu` is the slot to write, or TR_ALL_CPUS when `value` holds all slots. */
void *tr_hash_find(const struct tr_map *map, const void *key);
int tr_hash_read(const struct tr_map *map, const void *key, void *value);
int tr_hash_update(struct tr_map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu);
int tr_hash_delete(struct tr_map *map, const void *key);
uint32_t tr_hash_copy(const struct tr_map *map, uint8_t *keys, uint8_t *values, uint32_t capacity);
uint64_t tr_hash_function(const struct tr_map *map, const char *helper);
void tr_hash_format(struct tr_map *map);
void tr_hash_repair(struct tr_map *map, struct tr_map_repaired *repaired);       /* hash_repair.c */

/* Array kinds (array.c). */
void *tr_array_find(const struct tr_map *map, const void *key);
int tr_array_update(struct tr_map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu);
uint32_t tr_array_copy(const struct tr_map *map, uint8_t *keys, uint8_t *values, uint32_t capacity);
uint64_t tr_array_function(const struct tr_map *map, const char *helper);

/* Ring buffers (ringbuf.c). A record's data follows its 8-byte header. */
void *tr_ring_reserve(struct tr_map *map, uint64_t size);
void tr_ring_commit(void *record, int discard);
uint32_t tr_ring_record_size(const void *record);
void tr_ring_repair(struct tr_map *map, struct tr_map_repaired *repaired);

#endif
