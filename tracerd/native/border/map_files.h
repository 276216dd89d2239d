/* Maps whose block is a file: the block of border/maps.h as it is, mapped shared. docs/pins.md has the format.

   Everything about names, locks and permissions is done before a descriptor comes here (vm/map_files.py). What is in a
   file is never trusted: its header must be the one that the wanted shape gives, and the rest is made whole again. */

struct tr_map_shape {
    uint32_t kind;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t flags;
    uint32_t cpus;                   /* of a per-CPU map; the others have 1, whatever is said */
};

/* What had to be mended when a file was opened. */
struct tr_map_repaired {
    uint64_t duplicates;             /* hash: elements whose key was there already; the first one stays */
    uint64_t miscounted;             /* hash: elements by which the header's count was wrong */
    uint64_t unfinished;             /* ring: records that were never submitted, now discarded */
    uint64_t dropped_bytes;          /* ring: bytes dropped because they were no sequence of records */
    uint32_t emptied;                /* ring: 1 if that happened */
};

/* Where things are in a file, for those who read it without mapping it. */
struct tr_map_file_layout {
    struct tr_map_shape shape;
    uint64_t bytes;
    uint64_t elements_at;
    uint64_t stride;
    uint64_t value_in_element;
    uint64_t cpu_stride;
    uint64_t refused;
    uint32_t used;                   /* hash: slots that were ever filled, at most max_entries */
    uint32_t version_in_element;     /* hash: a u32, odd while the element holds a key */
    uint32_t key_in_element;
};

/* 0 where this system has no maps in files (Windows). */
int tr_map_files_supported(void);

/* Bytes that a file for that shape needs; 0 and one sentence if there can be no such map. */
uint64_t tr_map_file_bytes(const struct tr_map_shape *shape, char *error, size_t error_size);

/* Make an empty map in a file of zeros of just that size; all its blocks must be allocated already. The descriptor
   stays the caller's. NULL and one sentence if it cannot be done. */
struct tr_map *tr_map_create_file(int fd, const struct tr_map_shape *shape, char *error, size_t error_size);

/* Take over what another process left. Refuses a header that is not the wanted shape's, byte for byte; then mends. */
struct tr_map *tr_map_open_file(int fd, const struct tr_map_shape *shape, struct tr_map_repaired *repaired,
                                char *error, size_t error_size);

/* Move a live map into a file of zeros, without moving its addresses. `stage` maps the file and copies the block into
   it, beside running programs. `settle` copies it once more and puts the file's pages in the place of the map's:
   nobody may write meanwhile, others may read; returns 0, or -1 with one sentence and the map as it was. The staging
   is to be released in the end, whatever happened. */
void *tr_map_stage(const struct tr_map *map, int fd, char *error, size_t error_size);
int tr_map_settle(struct tr_map *map, void *staging, int fd, char *error, size_t error_size);
void tr_map_unstage(const struct tr_map *map, void *staging);

/* Write a map in a file to the disk: 0 begins it, 1 waits until it is there. 0, or -errno. */
int tr_map_sync(const struct tr_map *map, int wait);

/* Read the head of a file (`size` bytes of it; TR_MAP_HEAD_BYTES are needed) of `file_bytes` bytes. 0 and one sentence
   if it is no map's. */
#define TR_MAP_HEAD_BYTES 320
int tr_map_file_layout(const void *head, uint64_t size, uint64_t file_bytes, struct tr_map_file_layout *layout,
                       char *error, size_t error_size);
