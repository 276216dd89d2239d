/* Grouping links by event, once, so that a run finds them side by side. */

#include <stdlib.h>

#include "link_run.h"

struct tr_link *tr_links_grouped(const struct tr_link *links, uint32_t count, uint32_t events,
                                 struct tr_link_range *ranges)
{
    struct tr_link *grouped = calloc((size_t)count + 1, sizeof *grouped);
    uint32_t placed = 0;

    if (!grouped)
        return NULL;
    for (uint32_t event = 0; event < events; event++) {
        ranges[event].first = placed;
        for (uint32_t at = 0; at < count; at++)
            if (links[at].event == event)
                grouped[placed++] = links[at];
        ranges[event].count = placed - ranges[event].first;
    }
    return grouped;
}

void tr_links_carry(struct tr_link *links, uint32_t count, const struct tr_link *before, uint32_t count_before)
{
    for (uint32_t at = 0; at < count; at++)
        for (uint32_t old = 0; old < count_before; old++)
            if (links[at].program == before[old].program && links[at].event == before[old].event) {
                links[at].delivered = before[old].delivered;
                links[at].failed = before[old].failed;
            }
}
