/* Maps: one block of position-independent memory each. Kinds carry Linux's numbers (platforms.model.MapKind). */

#define TR_MAP_HASH 1
#define TR_MAP_ARRAY 2
#define TR_MAP_PERCPU_HASH 5
#define TR_MAP_PERCPU_ARRAY 6
#define TR_MAP_RINGBUF 27

/* Update flags, and the map flags that are accepted (numbers of linux/bpf.h). */
#define TR_MAP_ANY 0
#define TR_MAP_NOEXIST 1
#define TR_MAP_EXIST 2
#define TR_MAP_F_NO_PREALLOC 1
#define TR_MAP_F_RDONLY_PROG 128
#define TR_MAP_F_MMAPABLE 1024

/* The live handle of a map; programs hold its address in r1 of the map helpers. */
struct tr_map;

/* `cpus` is the number of value slots of a per-CPU map (ignored by the others). NULL, and one sentence in `error`, if
   the map is not supported or there is no memory. A ring buffer has no key and no value; max_entries is its size. */
struct tr_map *tr_map_new(uint32_t kind, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags,
                          uint32_t cpus, char *error, size_t error_size);
void tr_map_free(struct tr_map *map);

/* Where values are: the value of element i on CPU c is at  values + i * stride + c * cpu_stride.  Addresses never
   change while the map lives. For arrays i is the key, so `i < max_entries` is all that a lookup has to check. Maps that
   are not per-CPU have cpus == 1. For a ring buffer `values` is its data and the strides are 0. */
struct tr_map_layout {
    uint64_t values;
    uint64_t stride;                 /* bytes from element to element */
    uint64_t cpu_stride;             /* bytes from CPU to CPU: value_size rounded up to 8 */
    uint32_t kind;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t cpus;
    uint32_t flags;
};
void tr_map_layout(const struct tr_map *map, struct tr_map_layout *layout);

struct tr_map_stats {
    uint64_t count;                  /* elements now; arrays: max_entries; ring: bytes not yet read */
    uint64_t rows;                   /* rows that tr_map_copy may need */
    uint64_t max_entries;
    uint64_t refused;                /* updates refused because the map was full; ring: records that found no room */
    uint64_t bytes;                  /* size of the block */
    uint64_t address;                /* of its first byte, which is the first of a page */
};
void tr_map_stats(const struct tr_map *map, struct tr_map_stats *stats);

/* Control plane: 0 or a negative Linux errno (-ENOENT, -EEXIST, -E2BIG, -EINVAL), on every OS. `value` has
   value_size bytes or, for a per-CPU map, cpus * (value_size rounded up to 8), as with bpf(2). Safe beside programs. */
int tr_map_lookup(const struct tr_map *map, const void *key, void *value);
int tr_map_update(struct tr_map *map, const void *key, const void *value, uint64_t flags);
int tr_map_delete(struct tr_map *map, const void *key);

/* Set `size` bytes at `offset` of an array's values (element by element, without padding between): initial contents
   of .data and .rodata. -EINVAL beyond the end or for another kind of map. */
int tr_map_write(struct tr_map *map, uint64_t offset, const void *bytes, uint64_t size);

/* Copy every element, in slot order (the order in which slots were first filled: the same in every replay): row i has
   key_size bytes in `keys` and cpus * value_size bytes (no padding) in `values`. At most `capacity` rows; returns their
   number. Never waits for writers and never stops them: a row's key is whole, a value may be torn between 8-byte words.
   0 rows for a ring buffer. */
uint32_t tr_map_copy(const struct tr_map *map, void *keys, void *values, uint32_t capacity);

/* Take finished records out of a ring buffer, oldest first: each is a uint32_t length and that many bytes, without
   padding. Discarded records are skipped; stops at one still being written or when the buffer is full. Returns the
   bytes written, or -E2BIG if the next record alone does not fit (a buffer of max_entries bytes always suffices).
   One reader at a time. */
int64_t tr_ring_read(struct tr_map *map, void *buffer, uint64_t capacity);

/* The native function of a helper by its name in platforms/ ("map_lookup_elem"), 0 if there is none. Every helper is
   uint64_t (*)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run). */
uint64_t tr_helper_address(const char *name);

/* The same, specialised for calls whose r1 is always this map (certificate.call_maps): skips the choice by kind and key
   size. Falls back to tr_helper_address. */
uint64_t tr_map_helper_address(const struct tr_map *map, const char *name);
