/* Which processes there are, and their command lines: bounded, made once, never allocated again. */

#include <string.h>

#include "process_parts.h"

/* Process ids are handed out one after the other, so their low bits spread evenly over the sets. */
static struct process_set *set_of(const struct tr_processes *processes, uint32_t pid)
{
    return &processes->sets[pid & processes->mask];
}

struct process *tr_process_find(const struct tr_processes *processes, uint32_t pid)
{
    struct process_set *set = set_of(processes, pid);

    for (uint32_t way = 0; way < TR_PROCESS_WAYS; way++)
        if (set->way[way].pid == pid && set->way[way].state != PROCESS_FREE)
            return &set->way[way];
    return NULL;
}

static struct process *free_way(struct process_set *set)
{
    for (uint32_t way = 0; way < TR_PROCESS_WAYS; way++)
        if (set->way[way].state == PROCESS_FREE)
            return &set->way[way];
    return NULL;
}

/* The place for a process: its own if it has one, a free one, else that of another by turns. What it holds is the
   caller's to part with. */
struct process *tr_process_slot(struct tr_processes *processes, uint32_t pid)
{
    struct process_set *set = set_of(processes, pid);
    struct process *found = tr_process_find(processes, pid);

    if (found)
        return found;
    found = free_way(set);
    if (found) {
        processes->counted.processes++;
        return found;
    }
    found = &set->way[set->hand];
    set->hand = (set->hand + 1) % TR_PROCESS_WAYS;
    processes->counted.evicted++;
    return found;
}

/* Keep the first bytes of `text` as the process's line. A line lies in one piece: one that would wrap begins at the
   store's beginning. */
void tr_process_keep_line(struct tr_processes *processes, struct process *process, uint32_t bytes, int whole)
{
    uint64_t left = TR_LINE_STORE - processes->stored % TR_LINE_STORE;

    if (left < bytes)
        processes->stored += left;
    process->line = processes->stored;
    process->line_bytes = (uint16_t)bytes;
    process->known &= ~(uint32_t)TR_KNOWN_COMMAND_LINE;
    process->known |= whole ? TR_KNOWN_COMMAND_LINE : 0;
    memcpy(processes->lines + process->line % TR_LINE_STORE, processes->text, bytes);
    processes->stored += bytes;
}

/* The process's line, or NULL if younger ones were written over it. */
const char *tr_process_line(const struct tr_processes *processes, const struct process *process)
{
    if (processes->stored - process->line > TR_LINE_STORE)
        return NULL;
    return processes->lines + process->line % TR_LINE_STORE;
}
