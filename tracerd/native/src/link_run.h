/* Running the programs of one event, for every source that keeps links side by side. */
#ifndef TR_LINK_RUN_H
#define TR_LINK_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "run.h"
#include "links.h"

/* Run all `count` links on a context of `bytes`; who, when and where is in `run`. A program that would read past the
   context is not run. Returns whether any of them failed. */
static inline int tr_links_run(struct tr_link *link, uint32_t count, const void *context, uint32_t bytes,
                               struct tr_run *run)
{
    struct tr_link *end = link + count;
    int failed = 0;

    run->context_bytes = bytes;
    for (; link < end; link++) {
        run->aborted = TR_ABORT_NONE;
        if (bytes >= link->need)
            tr_program_run(link->program, (void *)(uintptr_t)context, run);
        if (bytes < link->need || run->aborted != TR_ABORT_NONE) {
            link->failed++;
            failed = 1;
        } else {
            link->delivered++;
        }
    }
    return failed;
}

/* Which links are an event's: [first, first + count) of a grouped table. */
struct tr_link_range {
    uint32_t first;
    uint32_t count;
};

/* Copy links so that those of one event lie side by side, in the order given, and fill a range for each event. Every
   link's event is below `events`. Returns NULL without memory. */
struct tr_link *tr_links_grouped(const struct tr_link *links, uint32_t count, uint32_t events,
                                 struct tr_link_range *ranges);

/* Links that were there before, the same program on the same event, go on with their counts. */
void tr_links_carry(struct tr_link *links, uint32_t count, const struct tr_link *before, uint32_t count_before);

#endif
