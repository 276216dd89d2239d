/* Recordings: opened, counted and walked through the matcher to programs, as sources/etl.py does it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#define O_BINARY 0
#endif

#include "driver.h"

#define CATCH_UP 100000u                     /* sources/ticks.py RECORDED_CATCH_UP */
#define MOST_ROWS 73728u

static void print_counts(FILE *out, struct tr_etl *etl)
{
    struct tr_etl_row *rows = calloc(MOST_ROWS, sizeof *rows);
    struct tr_etl_counts counts;
    int64_t used;

    need(rows != NULL, "no memory to count events");
    memset(&counts, 0, sizeof counts);
    used = tr_etl_count(etl, &counts, rows, MOST_ROWS);
    need(used >= 0, "no memory to count events");
    fputs("counts", out);
    out_hex(out, &counts, sizeof counts);
    putc('\n', out);
    for (int64_t i = 0; i < used; i++) {
        fputs("provider", out);
        out_hex(out, &rows[i], sizeof rows[i]);
        putc('\n', out);
    }
    free(rows);
}

struct tr_etl *open_recording(struct input *in, FILE *out, struct tr_etl_facts *facts, int *fd)
{
    const char *path = in_text(in);
    struct tr_etl *etl;

    *fd = open(path, O_RDONLY | O_BINARY);
    need(*fd >= 0, path);
    etl = tr_etl_open(*fd, facts);
    need(etl != NULL, path);
    fputs("facts", out);
    out_hex(out, facts, sizeof *facts);
    putc('\n', out);
    print_counts(out, etl);
    return etl;
}

void close_recording(struct tr_etl *etl, int fd)
{
    tr_etl_close(etl);
    close(fd);
}

static struct tr_etw_match read_match(struct input *in)
{
    struct tr_etw_match match;

    memcpy(match.provider, in_raw(in, sizeof match.provider), sizeof match.provider);
    match.wants = in_u32(in);
    match.group = (uint16_t)in_u32(in);
    match.event = (uint16_t)in_u32(in);
    return match;
}

static struct tr_program *program_of(const struct scene *scene, uint32_t number)
{
    need(number < scene->program_count, "a link has no program");
    return scene->programs[number];
}

struct tr_etw_matcher *read_groups(struct input *in)
{
    struct tr_etw_matcher *matcher = tr_etw_matcher_new();

    need(matcher != NULL, "no memory for names");
    for (uint32_t left = in_u32(in); left; left--) {
        uint32_t group = in_u32(in);

        need(tr_etw_add_group(matcher, group, in_raw(in, 16)) == 0, "a group is refused");
    }
    return matcher;
}

struct tr_etw_matcher *read_matcher(struct input *in, const struct scene *scene, uint32_t *matches)
{
    struct tr_etw_matcher *matcher = read_groups(in);

    *matches = in_u32(in);
    for (uint32_t i = 0; i < *matches; i++) {
        struct tr_etw_match match = read_match(in);

        need(tr_etw_add_match(matcher, &match) == (int32_t)i, "a name is refused");
    }
    for (uint32_t left = in_u32(in); left; left--) {
        struct tr_program *program = program_of(scene, in_u32(in));
        uint32_t match = in_u32(in), bytes = in_u32(in);

        need(tr_etw_add_link(matcher, program, match, bytes) >= 0, "a link is refused");
    }
    need(tr_etw_prepare(matcher) == 0, "no memory for names");
    return matcher;
}

/* Timed programs, on the recording's clock. NULL where there are none; `groups` is how many ledgers they have. */
static struct tr_ticks *read_ticks(struct input *in, const struct scene *scene, int64_t offset_ns, uint32_t *groups)
{
    uint32_t left = in_u32(in);
    struct tr_ticks *ticks = left ? tr_ticks_new(offset_ns, 0, CATCH_UP) : NULL;

    *groups = 0;
    for (; left; left--) {
        struct tr_program *program = program_of(scene, in_u32(in));
        uint32_t kind = in_u32(in), bytes, group;
        uint64_t interval_ns = in_u64(in);

        bytes = in_u32(in);
        group = in_u32(in);
        need(tr_ticks_add(ticks, program, kind, interval_ns, bytes, group) >= 0, "a timed program is refused");
        *groups = group + 1 > *groups ? group + 1 : *groups;
    }
    return ticks;
}

static int64_t clock_offset(const struct tr_etl_facts *facts)
{
    return tr_etl_unix_ns(facts, facts->start_ticks) - tr_etl_clock_ns(facts, facts->start_ticks);
}

static void print_walk(FILE *out, const struct tr_etl *etl, const struct tr_run *run)
{
    struct tr_etl_damage damage;
    struct tr_ledger ledger;

    tr_etl_rest(etl, &ledger);
    out_ledger(out, "rest", 0, &ledger);
    tr_etl_damage(etl, &damage);
    fputs("damage", out);
    out_hex(out, &damage, sizeof damage);
    fprintf(out, "\ndisorder %llu\nunprinted %u\nprinted", (unsigned long long)tr_etl_disorder(etl), run->print_dropped);
    out_hex(out, run->print_buffer, run->printed);
    putc('\n', out);
}

static void print_ledgers(FILE *out, const struct tr_etw_matcher *matcher, uint32_t matches, const struct tr_ticks *ticks,
                          uint32_t groups)
{
    struct tr_ledger ledger;

    for (uint32_t i = 0; i < matches; i++) {
        tr_etw_ledger(matcher, i, &ledger);
        out_ledger(out, "events", i, &ledger);
    }
    for (uint32_t i = 0; i < groups; i++) {
        tr_ticks_ledger(ticks, i, &ledger);
        out_ledger(out, "timed", i, &ledger);
    }
}

/* As a source does: set up, pump to the end in turns, let the end programs run. Returns the events passed. */
static uint64_t pump(struct tr_etl *etl, struct tr_ticks *ticks, struct tr_run *run)
{
    uint64_t passed = 0;
    int64_t more;

    need(tr_etl_begin(etl) == 0, "the recording cannot be walked");
    while ((more = tr_etl_pump(etl, run, 10)) >= 0)
        passed += (uint64_t)more;
    if (ticks)
        tr_ticks_end(ticks, run);
    return passed;
}

void job_walk(struct input *in, FILE *out)
{
    static char printed[PRINT_BYTES];
    struct tr_run run = {.random = SEED, .print_buffer = printed, .print_capacity = PRINT_BYTES};
    struct tr_etl_facts facts;
    struct scene scene;
    struct tr_etw_matcher *matcher;
    struct tr_etw_reader *reader;
    struct tr_ticks *ticks;
    struct tr_etl *etl;
    uint32_t matches, groups;
    int fd;

    etl = open_recording(in, out, &facts, &fd);
    scene_read(in, &scene);
    matcher = read_matcher(in, &scene, &matches);
    reader = read_fields(matcher);
    ticks = read_ticks(in, &scene, clock_offset(&facts), &groups);
    need(tr_etl_set_matcher(etl, matcher) == 0, "the names are refused");
    if (ticks)
        tr_etl_set_ticks(etl, ticks);
    fprintf(out, "passed %llu\n", (unsigned long long)pump(etl, ticks, &run));
    scene_print(out, &scene);
    print_ledgers(out, matcher, matches, ticks, groups);
    print_walk(out, etl, &run);
    close_recording(etl, fd);
    tr_etw_matcher_free(matcher);
    if (reader)
        tr_etw_reader_free(reader);
    if (ticks)
        tr_ticks_free(ticks);
    scene_free(&scene);
}
