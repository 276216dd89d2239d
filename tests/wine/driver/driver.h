/* The driver: does the jobs of a file with the core alone, no Python, and writes down what came of them. Built for Linux
   and for Windows from the same sources; tests/wine/jobs.py writes the jobs, expected.py what Python makes of them.

   A job file is jobs up to its end. All numbers are u32 and little-endian unless said otherwise; BYTES is a number and so
   many bytes, TEXT the same with a zero at its end that counts, LIST of X is a number and so many X. A job is one of

   1 walk      TEXT recording, SCENE, NAMES, LIST of {program, kind, u64 interval, need, group} ticks
   2 case      BYTES code, BYTES memory, checked
   3 hammer    SCENE of one program, threads, u64 runs of each
   4 schemas   LIST of {KEY, TEXT name}, LIST of {KEY, BYTES fields, BYTES labels, BYTES texts, name, name bytes}; for the
               jobs that follow. Fields and labels lie as in border/etw_layouts.h
   5 decode    TEXT recording, GROUPS
   6 live      TEXT recording, SCENE, NAMES, cpus, u64 frequency, u64 ticks, u64 FILETIME and u64 ns of the monotonic clock
               at these ticks

   GROUPS      LIST of {group, 16 bytes class GUID}
   NAMES       GROUPS, LIST of {16 bytes provider, wants, group, event} matches, LIST of {program, match, need} links
   KEY         16 bytes provider, number, version, space
   SCENE       LIST of MAP, LIST of PROGRAM
   MAP         kind, key size, value size, max entries, flags, cpus, BYTES contents (of an array's values)
   PROGRAM     BYTES linked code without addresses, u64 fuel, LIST of fuel edges, LIST of {slot, map, values} references
               (what the lddw at that slot has is added to the map's handle, or to where its values are), LIST of {slot, map,
               TEXT name} calls of a helper with that one map, LIST of {id, 8 bytes arguments, TEXT name} helpers */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdio.h>

#include "core.h"
#include "links.h"
#include "ticks.h"
#include "etw.h"
#include "etw_layouts.h"
#include "etw_decode.h"
#include "etw_read.h"
#include "etl.h"

#define MOST 64u                             /* of maps and of programs */
#define PRINT_BYTES 65536u                   /* of a walk's run, and its seed: as sources/etl.py has them */
#define SEED 0x7472616365726400u
#define LIVE_SEED 1u                         /* sources/etw/source.py */

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

/* Whatever is not as it must be ends the driver: a job file comes from the test beside it. */
void need(int fact, const char *what);

uint32_t in_u32(struct input *in);
uint64_t in_u64(struct input *in);
const uint8_t *in_raw(struct input *in, uint32_t size);
const uint8_t *in_bytes(struct input *in, uint32_t *size);
const char *in_text(struct input *in);

void out_hex(FILE *out, const void *bytes, size_t size);
void out_ledger(FILE *out, const char *what, uint32_t number, const struct tr_ledger *ledger);

struct scene {
    struct tr_map *maps[MOST];
    struct tr_program *programs[MOST];
    struct tr_image *images[MOST];
    uint32_t map_count;
    uint32_t program_count;
};

void scene_read(struct input *in, struct scene *scene);
void scene_print(FILE *out, const struct scene *scene);
void scene_print_maps(FILE *out, const struct scene *scene, uint32_t count);
void scene_free(struct scene *scene);

/* Open a recording of the next job; the caller closes both. */
struct tr_etl *open_recording(struct input *in, FILE *out, struct tr_etl_facts *facts, int *fd);
void close_recording(struct tr_etl *etl, int fd);

/* Names that nothing is asked of yet, with the kernel groups of the job; and those of a job, prepared. */
struct tr_etw_matcher *read_groups(struct input *in);
struct tr_etw_matcher *read_matcher(struct input *in, const struct scene *scene, uint32_t *matches);

/* Let programs read fields by the schemas of a job before; NULL without. Free it after the matcher. */
struct tr_etw_reader *read_fields(struct tr_etw_matcher *matcher);

void job_walk(struct input *in, FILE *out);
void job_case(struct input *in, FILE *out);
void job_hammer(struct input *in, FILE *out);
void job_schemas(struct input *in, FILE *out);
void job_decode(struct input *in, FILE *out);
void job_live(struct input *in, FILE *out);

#endif
