/* Helpers: what programs call. One ABI for all of them and for every engine. */
#ifndef TR_HELPERS_H
#define TR_HELPERS_H

#include <stdint.h>

struct tr_run;

typedef uint64_t tr_helper(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run);

/* print.c: format the kernel's subset of printf into run->print_buffer. */
tr_helper tr_helper_trace_printk;

/* etw_helpers.c: fields of the event whose programs run. */
tr_helper tr_helper_etw_field_number;
tr_helper tr_helper_etw_field_text;
tr_helper tr_helper_etw_field_bytes;
tr_helper tr_helper_etw_field_address;

/* Give back, as discarded, the ring records a run still holds. */
void tr_discard_reserved(struct tr_run *run);

#endif
