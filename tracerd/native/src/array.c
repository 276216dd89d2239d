/* Arrays: the key is the index, elements are always there and cannot be deleted. */

#include "helpers.h"
#include "map.h"

static inline uint32_t index_of(const void *key)
{
    uint32_t index;

    memcpy(&index, key, sizeof index);
    return index;
}

void *tr_array_find(const struct tr_map *map, const void *key)
{
    uint32_t index = index_of(key);

    return index < map->max_entries ? map->values + index * map->stride : NULL;
}

int tr_array_update(struct tr_map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu)
{
    uint8_t *at = tr_array_find(map, key);

    if (flags > TR_MAP_EXIST)
        return -TR_EINVAL;
    if (!at)
        return -TR_E2BIG;
    if (flags == TR_MAP_NOEXIST)
        return -TR_EEXIST;
    if (cpu == TR_ALL_CPUS)
        tr_store_words(at, value, map->cpus * map->cpu_stride);
    else
        tr_store_words(at + cpu * map->cpu_stride, value, map->value_size);
    return 0;
}

uint32_t tr_array_copy(const struct tr_map *map, uint8_t *keys, uint8_t *values, uint32_t capacity)
{
    uint32_t rows = map->max_entries < capacity ? map->max_entries : capacity;

    for (uint32_t i = 0; i < rows; i++) {
        memcpy(keys + (uint64_t)i * 4, &i, 4);
        for (uint32_t cpu = 0; cpu < map->cpus; cpu++, values += map->value_size)
            tr_load_words(values, map->values + i * map->stride + cpu * map->cpu_stride, map->value_size);
    }
    return rows;
}

static uint64_t find(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run)
{
    (void)r3, (void)r4, (void)r5, (void)run;
    return (uint64_t)(uintptr_t)tr_array_find((const struct tr_map *)(uintptr_t)r1, (const void *)(uintptr_t)r2);
}

uint64_t tr_array_function(const struct tr_map *map, const char *helper)
{
    if (map->kind == TR_MAP_ARRAY && strcmp(helper, "map_lookup_elem") == 0)
        return (uint64_t)(uintptr_t)find;
    return 0;
}
