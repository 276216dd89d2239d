/* The interpreter: an image is a program decoded once, run many times, by any number of threads at once. */

/* What a helper wants in an argument register (platforms.model.Argument), for the checked interpreter. */
#define TR_ARG_ANYTHING 0
#define TR_ARG_MAP 1
#define TR_ARG_RINGBUF 2
#define TR_ARG_MAP_KEY 3
#define TR_ARG_MAP_VALUE 4
#define TR_ARG_READABLE 5            /* memory; its size is the next argument */
#define TR_ARG_WRITABLE 6
#define TR_ARG_SIZE 7
#define TR_ARG_SIZE_OR_ZERO 8
#define TR_ARG_CONSTANT_SIZE 9
#define TR_ARG_RING_RECORD 10
#define TR_ARG_CONTEXT 11
#define TR_ARG_PRINTED 12            /* need not be set: read only if the format asks for it */
#define TR_ARG_READABLE_OR_NULL 13
#define TR_ARG_TARGET 14             /* writable, of which the READABLE after it is written if it fits */
#define TR_ARG_CHANGED 15            /* readable and writable */
#define TR_ARG_NONE 255              /* the helper has no such argument */

struct tr_image_helper {
    uint32_t id;
    uint8_t arguments[8];            /* TR_ARG_* of r1 to r5; the rest unused */
    uint64_t address;                /* tr_helper_address */
};

/* One helper call bound to a function of its own: tr_map_helper_address of the one map it is given. */
struct tr_image_site {
    uint32_t slot;
    uint32_t reserved;
    uint64_t address;
};

struct tr_image_options {
    const struct tr_image_helper *helpers;
    const struct tr_image_site *sites;
    const uint32_t *fuel_edges;      /* slots whose taken backward jump costs one unit of run->fuel */
    uint32_t helper_count;
    uint32_t site_count;
    uint32_t fuel_edge_count;
    uint32_t checked;                /* 1: for tr_interpret_checked, else for tr_interpret */
};

struct tr_image;

/* Decode linked code (vm/linking.py): `slots` instructions of 8 bytes, lddw with final 64-bit addresses. Refuses, with
   one sentence in `error`, what is not an instruction of RFC 9669, a jump or local call outside the program or into the
   second slot of an lddw, a helper that is not in the table, legacy packet loads and calls through a register. */
struct tr_image *tr_image_new(const uint8_t *code, uint32_t slots, const struct tr_image_options *options, char *error,
                              size_t error_size);
void tr_image_free(struct tr_image *image);

/* Entries for tr_program_set_entry; the image is run->program->image and must be of the matching kind. A taken fuel
   edge with run->fuel == 0 ends the run with TR_ABORT_FUEL, otherwise it takes 1. */
uint64_t tr_interpret(void *context, struct tr_run *run);
uint64_t tr_interpret_checked(void *context, struct tr_run *run);

/* Run an image (of either kind) without a program: r1 and r2 as given. For tests and the conformance plugin. */
uint64_t tr_image_call(const struct tr_image *image, uint64_t r1, uint64_t r2, struct tr_run *run);

/* The checked interpreter: memory a run may touch besides its stack, the values of `maps` and the ring records it
   holds. Found through run->regions (NULL: nothing). The first fault ends the run with TR_ABORT_FAULT. */
#define TR_FAULT_NONE 0
#define TR_FAULT_MEMORY 1            /* outside every region */
#define TR_FAULT_READ_ONLY 2
#define TR_FAULT_STACK_BYTE 3        /* stack read before it was written */
#define TR_FAULT_REGISTER 4          /* register read before it was written; fault_address is its number */
#define TR_FAULT_ARGUMENT 5          /* helper argument of the wrong kind; fault_address is its number, from 1 */
#define TR_FAULT_FRAMES 6            /* more than 8 nested calls */
#define TR_FAULT_END 7               /* ran over the last instruction */
#define TR_FAULT_ALIGNMENT 8         /* atomic operation on an unaligned address */
#define TR_FAULT_LEAK 9              /* exit while a ring record is still reserved */

struct tr_region {
    uint64_t start;
    uint64_t size;
    uint32_t writable;
    uint32_t reserved;
};

struct tr_regions {
    const struct tr_region *table;
    struct tr_map *const *maps;      /* the maps r1 of a helper may be */
    uint32_t count;
    uint32_t map_count;
    uint32_t fault;                  /* TR_FAULT_* of the last run */
    uint32_t fault_slot;
    uint32_t fault_size;             /* bytes of the access */
    uint32_t reserved;
    uint64_t fault_address;
};
