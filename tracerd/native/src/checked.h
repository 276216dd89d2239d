/* What the checked interpreter watches: every register and stack byte before it is read, every address before it is
   touched, every helper argument before the call. */
#ifndef TR_CHECKED_H
#define TR_CHECKED_H

#include "image.h"

struct tr_checker {
    const struct tr_image *image;
    struct tr_run *run;
    struct tr_regions *regions;
    uint64_t context;                            /* r1 at entry */
    uint64_t stack;                              /* lowest address */
    uint32_t depth;                              /* frames below the first */
    uint16_t known[TR_MAX_FRAMES];               /* registers that hold a value, by frame */
    uint64_t written[TR_STACK_BYTES / 64];       /* one bit per stack byte */
};

void tr_check_start(struct tr_checker *check, const struct tr_image *image, struct tr_run *run, const void *stack,
                    uint64_t context);

/* Check the operation that is about to run, and note what it will have set. Returns 0 if it must not run. */
int tr_check(struct tr_checker *check, const struct tr_op *op, const uint64_t *r);

#endif
