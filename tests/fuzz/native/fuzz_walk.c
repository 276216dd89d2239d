/* libFuzzer target: a file as a recording. Opened, counted and walked; whatever is in it, the two agree, the balance is
   whole, and every byte a program may read can be read. Reads come from memory, in place of etl_io.c; files of some lengths
   have a sector that cannot be read. */
#include <stdlib.h>

#include "etl_parts.h"

#define SECTOR 512u
#define MOST_BYTES (32u << 20)               /* of buffers in memory: larger ones are only slow */

static const uint8_t *file;
static size_t file_size;
static size_t bad_sector;                    /* reads that touch it fail; 0: none */
static volatile uint64_t sink;

static void check(bool promise)
{
    if (!promise)
        abort();
}

int64_t tr_etl_read(int fd, void *to, uint32_t size, uint64_t offset)
{
    size_t left = offset < file_size ? file_size - offset : 0;

    (void)fd;
    if (size > left)
        size = (uint32_t)left;
    if (bad_sector && offset < bad_sector + SECTOR && offset + size > bad_sector)
        return -1;
    if (size)
        memcpy(to, file + offset, size);
    return size;
}

int64_t tr_etl_file_size(int fd)
{
    (void)fd;
    return (int64_t)file_size;
}

static uint64_t program(void *context, struct tr_run *run)
{
    const struct tr_etw_context *event = context;
    uint64_t sum = event->time_ns + run->now_ns + event->pid;

    for (const uint8_t *at = event->data; at < event->data_end; at++)
        sum += *at;
    sink += sum;
    return 0;
}

static uint64_t in_memory(const struct tr_etl *etl)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < etl->count; i++)
        bytes += etl->buffers[i].end;
    return bytes;
}

static uint64_t total(const struct tr_etl_damage *damage)
{
    return damage->headers + damage->torn + damage->packed + damage->events + damage->gone;
}

static void walk(struct tr_etl *etl, const struct tr_etl_counts *counts)
{
    struct tr_etw_match all = {0};
    struct tr_program *counting = tr_program_new();
    struct tr_etw_matcher *matcher = tr_etw_matcher_new();
    struct tr_ledger rest, own;
    struct tr_run run = {0};
    uint64_t walked = 0;
    int64_t passed;

    check(counting && matcher);
    tr_program_set_entry(counting, program, NULL);
    check(tr_etw_add_match(matcher, &all) == 0);
    check(tr_etw_add_link(matcher, counting, 0, sizeof(struct tr_etw_context)) == 0);
    check(tr_etl_set_matcher(etl, matcher) == 0);
    if (tr_etl_begin(etl) == 0) {
        while ((passed = tr_etl_pump(etl, &run, 1)) >= 0)
            walked += (uint64_t)passed;
        tr_etl_rest(etl, &rest);
        tr_etw_ledger(matcher, 0, &own);
        check(walked == counts->events && own.delivered == walked && rest.filtered == 0);
        check(rest.dropped_in_ring == total(&counts->damage));
    }
    tr_etw_matcher_free(matcher);
    tr_program_free(counting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tr_etl_row rows[64];
    struct tr_etl_facts facts;
    struct tr_etl_counts counts;
    struct tr_etl *etl;

    file = data;
    file_size = size;
    bad_sector = size % 4 == 3 ? size / 2 & ~(size_t)(SECTOR - 1) : 0;
    etl = tr_etl_open(0, &facts);
    if (!etl)
        return 0;
    check(facts.skipped_bytes + facts.unused_bytes + facts.torn_bytes <= size);
    if (in_memory(etl) <= MOST_BYTES) {
        check(tr_etl_count(etl, &counts, rows, 64) >= 0);
        walk(etl, &counts);
    }
    tr_etl_close(etl);
    return 0;
}
