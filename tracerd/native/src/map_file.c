/* Maps in files: made, taken over, and moved into. Naming and locking files is the caller's (vm/map_files.py). */

#include "hash_parts.h"
#include "map.h"

#include <stdio.h>

#define FIELD(name) {#name, offsetof(struct tr_map_header, name), sizeof(((struct tr_map_header *)0)->name)}

_Static_assert(TR_MAP_HEAD_BYTES == sizeof(struct tr_map_header), "the border names the header's size");

struct field {
    const char *name;
    size_t at;
    size_t size;
};

/* What a map is, and what follows from it. The seed is left out: it is drawn anew. */
static const struct field SHAPE[] = {
    FIELD(kind), FIELD(key_size), FIELD(value_size), FIELD(max_entries), FIELD(flags), FIELD(cpus),
};
static const struct field GEOMETRY[] = {
    FIELD(bucket_count), FIELD(bytes), FIELD(buckets_at), FIELD(elements_at), FIELD(value_in_element), FIELD(stride),
    FIELD(cpu_stride), FIELD(pad0),
};

static const struct field *difference(const struct field *fields, size_t count, const struct tr_map_header *a,
                                      const struct tr_map_header *b)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp((const uint8_t *)a + fields[i].at, (const uint8_t *)b + fields[i].at, fields[i].size))
            return &fields[i];
    return NULL;
}

static uint32_t number(const struct tr_map_header *header, const struct field *field)
{
    uint32_t value;

    memcpy(&value, (const uint8_t *)header + field->at, sizeof value);
    return value;
}

/* 1 if the bytes begin as the header of a map of ours. */
static int is_map(const struct tr_map_header *file, char *error, size_t error_size)
{
    if (file->magic == __builtin_bswap64(TR_MAP_MAGIC))
        snprintf(error, error_size, "was written on a machine with the other byte order");
    else if (file->magic != TR_MAP_MAGIC)
        snprintf(error, error_size, "is no map, or its header is damaged");
    else if (file->version != TR_MAP_VERSION)
        snprintf(error, error_size, "has format %u, and this version of tracerd knows %u", file->version,
                 TR_MAP_VERSION);
    else
        return 1;
    return 0;
}

/* 1 if the file holds a map of the planned shape, with everything where the plan has it. */
static int matches(const struct tr_map_header *file, const struct tr_map_header *plan, int64_t bytes, char *error,
                   size_t error_size)
{
    const struct field *field;

    if (!is_map(file, error, error_size))
        return 0;
    field = difference(SHAPE, sizeof SHAPE / sizeof *SHAPE, file, plan);
    if (field) {
        snprintf(error, error_size, "holds a map of another shape: its %s is %u, the program's map has %u",
                 field->name, number(file, field), number(plan, field));
        return 0;
    }
    field = difference(GEOMETRY, sizeof GEOMETRY / sizeof *GEOMETRY, file, plan);
    if (field)
        snprintf(error, error_size, "has a damaged header: %s is wrong", field->name);
    else if (bytes != (int64_t)plan->bytes)
        snprintf(error, error_size, "has %lld bytes, a map of its shape has %llu", (long long)bytes,
                 (unsigned long long)plan->bytes);
    return !field && bytes == (int64_t)plan->bytes;
}

int tr_map_files_supported(void)
{
    return tr_os_maps_files();
}

uint64_t tr_map_file_bytes(const struct tr_map_shape *shape, char *error, size_t error_size)
{
    struct tr_map_header plan;

    return tr_map_plan(&plan, shape, error, error_size) ? plan.bytes : 0;
}

/* Map a file that must have just that size. */
static struct tr_map_header *map_file(int fd, uint64_t bytes, char *error, size_t error_size)
{
    struct tr_map_header *block = NULL;
    int64_t there = tr_os_file_bytes(fd);

    if (there != (int64_t)bytes)
        snprintf(error, error_size, "has %lld bytes, not %llu", (long long)there, (unsigned long long)bytes);
    else if (!(block = tr_os_map_file(fd, (size_t)bytes)))
        snprintf(error, error_size, "cannot be mapped: the system has no room for %llu bytes",
                 (unsigned long long)bytes);
    return block;
}

struct tr_map *tr_map_create_file(int fd, const struct tr_map_shape *shape, char *error, size_t error_size)
{
    struct tr_map_header plan;
    struct tr_map_header *block;
    struct tr_map *map;

    if (!tr_map_plan(&plan, shape, error, error_size))
        return NULL;
    block = map_file(fd, plan.bytes, error, error_size);
    if (!block)
        return NULL;
    map = tr_map_begin(block, &plan, error, error_size);
    if (!map)
        tr_os_release(block, (size_t)plan.bytes);
    return map;
}

/* Look at the header alone first: a file of another shape has another size too, and the shape says more. */
static int file_matches(int fd, const struct tr_map_header *plan, char *error, size_t error_size)
{
    int64_t bytes = tr_os_file_bytes(fd);
    struct tr_map_header *head;
    int good;

    if (bytes < (int64_t)sizeof *head) {
        snprintf(error, error_size, "is no map: it has %lld bytes, less than a map's header", (long long)bytes);
        return 0;
    }
    head = tr_os_map_file(fd, sizeof *head);
    if (!head) {
        snprintf(error, error_size, "cannot be mapped: the system refuses");
        return 0;
    }
    good = matches(head, plan, bytes, error, error_size);
    tr_os_release(head, sizeof *head);
    return good;
}

struct tr_map *tr_map_open_file(int fd, const struct tr_map_shape *shape, struct tr_map_repaired *repaired,
                                char *error, size_t error_size)
{
    struct tr_map_header plan;
    struct tr_map_header *block;
    struct tr_map *map;

    memset(repaired, 0, sizeof *repaired);
    if (!tr_map_plan(&plan, shape, error, error_size) || !file_matches(fd, &plan, error, error_size))
        return NULL;
    block = map_file(fd, plan.bytes, error, error_size);
    if (!block)
        return NULL;
    /* The seed was secret while it lived; nothing in the file depends on it that is not made anew. */
    block->seed = tr_os_random();
    map = tr_map_handle(block);
    if (!map) {
        snprintf(error, error_size, "cannot be opened: no memory for a map's handle");
        tr_os_release(block, (size_t)plan.bytes);
    } else if (tr_map_is_hash(map->kind)) {
        tr_hash_repair(map, repaired);
    } else if (map->kind == TR_MAP_RINGBUF) {
        tr_ring_repair(map, repaired);
    }
    return map;
}

void *tr_map_stage(const struct tr_map *map, int fd, char *error, size_t error_size)
{
    void *staging = map_file(fd, map->bytes, error, error_size);

    if (staging)
        memcpy(staging, map->header, (size_t)map->bytes);
    return staging;
}

/* Someone may hold a lock for reading just now (tr_map_lookup): what he opens again is the map's, not the copy's. */
static void open_locks(struct tr_map_header *block)
{
    struct tr_bucket *buckets = (struct tr_bucket *)(void *)((uint8_t *)block + block->buckets_at);

    block->ring_lock = 0;
    for (uint32_t i = 0; i < block->bucket_count; i++)
        buckets[i].lock = 0;
}

int tr_map_settle(struct tr_map *map, void *staging, int fd, char *error, size_t error_size)
{
    size_t bytes = (size_t)map->bytes;

    if (tr_os_file_bytes(fd) != (int64_t)bytes) {
        snprintf(error, error_size, "was changed by someone else");
        return -1;
    }
    memcpy(staging, map->header, bytes);
    open_locks(staging);
    if (tr_os_replace(map->header, staging, bytes, fd)) {
        snprintf(error, error_size, "cannot be mapped: the system refuses");
        return -1;
    }
    return 0;
}

void tr_map_unstage(const struct tr_map *map, void *staging)
{
    if (staging)
        tr_os_release(staging, (size_t)map->bytes);
}

int tr_map_sync(const struct tr_map *map, int wait)
{
    return tr_os_sync(map->header, (size_t)map->bytes, wait);
}

int tr_map_file_layout(const void *head, uint64_t size, uint64_t file_bytes, struct tr_map_file_layout *layout,
                       char *error, size_t error_size)
{
    struct tr_map_header file, plan;

    if (size < sizeof file) {
        snprintf(error, error_size, "is no map: it has %llu bytes, less than a map's header",
                 (unsigned long long)file_bytes);
        return 0;
    }
    memcpy(&file, head, sizeof file);
    layout->shape = (struct tr_map_shape){
        file.kind, file.key_size, file.value_size, file.max_entries, file.flags, file.cpus,
    };
    /* Its own shape must be one that could be made, and give just this header. */
    if (!is_map(&file, error, error_size) || !tr_map_plan(&plan, &layout->shape, error, error_size) ||
        !matches(&file, &plan, file_bytes > INT64_MAX ? -1 : (int64_t)file_bytes, error, error_size))
        return 0;
    layout->bytes = plan.bytes;
    layout->elements_at = plan.elements_at;
    layout->stride = plan.stride;
    layout->value_in_element = plan.value_in_element;
    layout->cpu_stride = plan.cpu_stride;
    layout->refused = file.refused;
    layout->used = file.used < plan.max_entries ? file.used : plan.max_entries;
    layout->version_in_element = offsetof(struct tr_element, version);
    layout->key_in_element = offsetof(struct tr_element, key);
    return 1;
}
