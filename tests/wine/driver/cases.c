/* Cases of bpf_conformance: a program, its memory, what it returns, in either build of the interpreter. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

void job_case(struct input *in, FILE *out)
{
    uint32_t code_size, size;
    const uint8_t *code = in_bytes(in, &code_size), *given = in_bytes(in, &size);
    struct tr_image_options options = {.checked = in_u32(in)};
    uint8_t *memory = calloc(1, (size_t)size + 1);
    struct tr_region region = {.start = (uint64_t)(uintptr_t)memory, .size = size, .writable = 1};
    struct tr_regions regions = {.table = &region, .count = 1};
    struct tr_run run = {.regions = &regions};
    char error[256] = "";
    struct tr_image *image = tr_image_new(code, code_size / 8, &options, error, sizeof error);
    uint64_t result;

    need(memory != NULL, "no memory for a case");
    if (!image) {
        fprintf(out, "refused %s\n", error);
    } else {
        if (size)
            memcpy(memory, given, size);
        result = tr_image_call(image, region.start, size, &run);
        fprintf(out, "case %llu aborted %u fault %u", (unsigned long long)result, run.aborted, regions.fault);
        out_hex(out, memory, size);
        putc('\n', out);
    }
    tr_image_free(image);
    free(memory);
}
