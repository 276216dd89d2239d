/* Making maps, and the control plane's view of them: one block of memory per map, the work by kind elsewhere. */

#include "map.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_KEY_SIZE 512                     /* as the kernel: keys come from the stack */
#define MAX_CPUS 65536
#define KNOWN_FLAGS (TR_MAP_F_NO_PREALLOC | TR_MAP_F_RDONLY_PROG | TR_MAP_F_MMAPABLE)

_Static_assert(sizeof(struct tr_map_header) == 320, "the header is part of the file format");
_Static_assert(offsetof(struct tr_map_header, count) == 128, "what changes has its own cache lines");
_Static_assert(offsetof(struct tr_map_header, produced) == 192, "producer and consumer do not share a line");

/* An element of a hash has 16 bytes of links before its key. */
#define ELEMENT_LINKS 16

static const char *wrong_shape(uint32_t kind, uint32_t key_size, uint32_t value_size, uint32_t max_entries)
{
    if (kind == TR_MAP_RINGBUF) {
        if (key_size || value_size)
            return "a ring buffer has neither key nor value";
        if (max_entries < 64 || (max_entries & (max_entries - 1)))
            return "the size of a ring buffer must be a power of two, at least 64 bytes";
        return max_entries > 1u << 30 ? "a ring buffer may have at most 1 GiB" : NULL;
    }
    if (!tr_map_is_hash(kind) && !tr_map_is_array(kind))
        return "this kind of map is not supported";
    if (tr_map_is_array(kind) && key_size != 4)
        return "an array's key must have 4 bytes";
    if (key_size == 0 || key_size > MAX_KEY_SIZE)
        return "a key must have 1 to 512 bytes";
    if (value_size == 0)
        return "a value must have at least 1 byte";
    if (max_entries == 0 || max_entries > 1u << 30)
        return "max_entries must be 1 to 2^30";
    return NULL;
}

static uint32_t power_of_two_at_least(uint32_t n)
{
    uint32_t power = 1;

    while (power < n)
        power <<= 1;
    return power;
}

/* Fill in where everything lies. Every factor is below 2^48 and is checked against the limit before it is multiplied
   again, so nothing overflows. Returns 0 if the block would be larger than the limit. */
static int lay_out(struct tr_map_header *h)
{
    uint64_t at = sizeof *h;
    uint64_t room;

    h->elements_at = at;
    if (h->kind == TR_MAP_RINGBUF) {
        /* Twice the size: a record that runs over the end continues in the second half, so records are never split and
           need no mirrored mapping. Only what the largest such record needs is ever touched. */
        h->bytes = at + 2 * (uint64_t)h->max_entries;
        return h->bytes <= TR_MAP_LIMIT;
    }
    h->cpu_stride = tr_round8(h->value_size);
    h->stride = h->cpu_stride * h->cpus;
    if (h->stride > TR_MAP_LIMIT)
        return 0;
    if (tr_map_is_hash(h->kind)) {
        h->bucket_count = power_of_two_at_least(h->max_entries);
        h->buckets_at = at;
        h->elements_at = at + (uint64_t)h->bucket_count * 8;
        h->elements_at = (h->elements_at + 63) & ~(uint64_t)63;
        h->value_in_element = ELEMENT_LINKS + tr_round8(h->key_size);
        h->stride += h->value_in_element;
    }
    room = h->elements_at < TR_MAP_LIMIT ? TR_MAP_LIMIT - h->elements_at : 0;
    if (h->stride > room / h->max_entries)
        return 0;
    h->bytes = h->elements_at + h->stride * h->max_entries;
    return 1;
}

struct tr_map *tr_map_handle(struct tr_map_header *header)
{
    struct tr_map *map = calloc(1, sizeof *map);

    if (!map)
        return NULL;
    map->header = header;
    map->elements = (uint8_t *)header + header->elements_at;
    map->values = map->elements + header->value_in_element;
    map->buckets = (struct tr_bucket *)(void *)((uint8_t *)header + header->buckets_at);
    map->bytes = header->bytes;
    map->stride = header->stride;
    map->cpu_stride = header->cpu_stride;
    map->seed = header->seed;
    map->bucket_mask = header->bucket_count - 1;
    map->kind = header->kind;
    map->key_size = header->key_size;
    map->value_size = header->value_size;
    map->max_entries = header->max_entries;
    map->cpus = header->cpus;
    map->flags = header->flags;
    return map;
}

int tr_map_plan(struct tr_map_header *plan, const struct tr_map_shape *shape, char *error, size_t error_size)
{
    const char *wrong = wrong_shape(shape->kind, shape->key_size, shape->value_size, shape->max_entries);

    *plan = (struct tr_map_header){
        .magic = TR_MAP_MAGIC, .version = TR_MAP_VERSION, .kind = shape->kind, .key_size = shape->key_size,
        .value_size = shape->value_size, .max_entries = shape->max_entries, .flags = shape->flags, .cpus = 1,
    };
    if (!wrong && (shape->flags & ~(uint32_t)KNOWN_FLAGS)) {
        snprintf(error, error_size, "map flags 0x%x are not supported", shape->flags & ~(uint32_t)KNOWN_FLAGS);
        return 0;
    }
    if (!wrong && tr_map_is_per_cpu(shape->kind)) {
        plan->cpus = shape->cpus;
        if (shape->cpus == 0 || shape->cpus > MAX_CPUS)
            wrong = "a per-CPU map needs 1 to 65536 CPUs";
    }
    if (!wrong && !lay_out(plan))
        wrong = "the map would need more than 4 GiB; lower max_entries";
    if (wrong)
        snprintf(error, error_size, "%s", wrong);
    return !wrong;
}

struct tr_map *tr_map_begin(struct tr_map_header *block, const struct tr_map_header *plan, char *error,
                            size_t error_size)
{
    struct tr_map *map;

    *block = *plan;
    block->seed = tr_os_random();
    map = tr_map_handle(block);
    if (!map)
        snprintf(error, error_size, "no memory for a map's handle");
    else if (tr_map_is_hash(map->kind))
        tr_hash_format(map);
    return map;
}

struct tr_map *tr_map_new(uint32_t kind, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags,
                          uint32_t cpus, char *error, size_t error_size)
{
    struct tr_map_shape shape = {kind, key_size, value_size, max_entries, flags, cpus};
    struct tr_map_header plan;
    struct tr_map_header *block;
    struct tr_map *map;

    if (!tr_map_plan(&plan, &shape, error, error_size))
        return NULL;
    block = tr_os_allocate((size_t)plan.bytes);
    if (!block) {
        snprintf(error, error_size, "no memory for a map of %llu bytes", (unsigned long long)plan.bytes);
        return NULL;
    }
    map = tr_map_begin(block, &plan, error, error_size);
    if (!map)
        tr_os_release(block, (size_t)plan.bytes);
    return map;
}

void tr_map_free(struct tr_map *map)
{
    if (!map)
        return;
    tr_os_release(map->header, (size_t)map->bytes);
    free(map);
}

void tr_map_layout(const struct tr_map *map, struct tr_map_layout *layout)
{
    *layout = (struct tr_map_layout){
        .values = (uint64_t)(uintptr_t)map->values,
        .stride = map->stride,
        .cpu_stride = map->cpu_stride,
        .kind = map->kind,
        .key_size = map->key_size,
        .value_size = map->value_size,
        .max_entries = map->max_entries,
        .cpus = map->cpus,
        .flags = map->flags,
    };
}

void tr_map_stats(const struct tr_map *map, struct tr_map_stats *stats)
{
    const struct tr_map_header *h = map->header;
    uint64_t consumed = __atomic_load_n(&h->consumed, __ATOMIC_ACQUIRE);

    *stats = (struct tr_map_stats){
        .max_entries = map->max_entries,
        .refused = __atomic_load_n(&h->refused, __ATOMIC_RELAXED),
        .bytes = map->bytes,
        .address = (uint64_t)(uintptr_t)h,
    };
    if (tr_map_is_array(map->kind)) {
        stats->count = stats->rows = map->max_entries;
    } else if (tr_map_is_hash(map->kind)) {
        stats->count = __atomic_load_n(&h->count, __ATOMIC_RELAXED);
        stats->rows = __atomic_load_n(&h->used, __ATOMIC_RELAXED);
    } else {
        stats->count = __atomic_load_n(&h->produced, __ATOMIC_ACQUIRE) - consumed;
    }
}

int tr_map_lookup(const struct tr_map *map, const void *key, void *value)
{
    const uint8_t *found;

    if (tr_map_is_hash(map->kind))
        return tr_hash_read(map, key, value);
    if (!tr_map_is_array(map->kind))
        return -TR_EINVAL;
    found = tr_array_find(map, key);
    if (!found)
        return -TR_ENOENT;
    tr_load_words(value, found, tr_map_whole_value(map));
    return 0;
}

int tr_map_update(struct tr_map *map, const void *key, const void *value, uint64_t flags)
{
    uint32_t cpu = tr_map_is_per_cpu(map->kind) ? TR_ALL_CPUS : 0;

    if (map->kind == TR_MAP_RINGBUF)
        return -TR_EINVAL;
    if (tr_map_is_hash(map->kind))
        return tr_hash_update(map, key, value, flags, cpu);
    return tr_array_update(map, key, value, flags, cpu);
}

int tr_map_delete(struct tr_map *map, const void *key)
{
    return tr_map_is_hash(map->kind) ? tr_hash_delete(map, key) : -TR_EINVAL;
}

int tr_map_write(struct tr_map *map, uint64_t offset, const void *bytes, uint64_t size)
{
    const uint8_t *from = bytes;
    uint64_t total = (uint64_t)map->value_size * map->max_entries;

    if (map->kind != TR_MAP_ARRAY || offset > total || size > total - offset)
        return -TR_EINVAL;
    while (size) {
        uint64_t inside = offset % map->value_size;
        uint64_t part = map->value_size - inside < size ? map->value_size - inside : size;

        memcpy(map->values + offset / map->value_size * map->stride + inside, from, part);
        from += part;
        offset += part;
        size -= part;
    }
    return 0;
}

uint32_t tr_map_copy(const struct tr_map *map, void *keys, void *values, uint32_t capacity)
{
    if (tr_map_is_hash(map->kind))
        return tr_hash_copy(map, keys, values, capacity);
    if (tr_map_is_array(map->kind))
        return tr_array_copy(map, keys, values, capacity);
    return 0;
}
