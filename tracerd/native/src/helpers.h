/* Helpers: what programs call. One ABI for all of them and for every engine. */
#ifndef TR_HELPERS_H
#define TR_HELPERS_H

#include "map.h"

typedef uint64_t tr_helper(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run);

/* print.c: format the kernel's subset of printf into run->print_buffer. */
tr_helper tr_helper_trace_printk;

/* Give back, as discarded, the ring records a run still holds. */
void tr_discard_reserved(struct tr_run *run);

#endif
