/* driver JOBS RESULTS: reads the job file, does one job after the other, writes what came of each as lines. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

void need(int fact, const char *what)
{
    if (fact)
        return;
    fprintf(stderr, "driver: %s\n", what);
    exit(3);
}

const uint8_t *in_raw(struct input *in, uint32_t size)
{
    const uint8_t *raw = in->at;

    need(size <= (size_t)(in->end - in->at), "the job file ends too early");
    in->at += size;
    return raw;
}

uint32_t in_u32(struct input *in)
{
    uint32_t value;

    memcpy(&value, in_raw(in, sizeof value), sizeof value);
    return value;
}

uint64_t in_u64(struct input *in)
{
    uint64_t value;

    memcpy(&value, in_raw(in, sizeof value), sizeof value);
    return value;
}

const uint8_t *in_bytes(struct input *in, uint32_t *size)
{
    *size = in_u32(in);
    return in_raw(in, *size);
}

const char *in_text(struct input *in)
{
    uint32_t size;
    const uint8_t *text = in_bytes(in, &size);

    need(size && text[size - 1] == 0, "a text has no end");
    return (const char *)text;
}

void out_hex(FILE *out, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;

    putc(' ', out);
    for (size_t i = 0; i < size; i++) {
        putc(digits[at[i] >> 4], out);
        putc(digits[at[i] & 15], out);
    }
}

void out_ledger(FILE *out, const char *what, uint32_t number, const struct tr_ledger *ledger)
{
    const uint64_t counts[] = {
        ledger->produced, ledger->delivered, ledger->lost_in_kernel, ledger->lost_in_session, ledger->dropped_in_ring,
        ledger->filtered, ledger->failed,
    };

    fprintf(out, "%s %u", what, number);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        fprintf(out, " %llu", (unsigned long long)counts[i]);
    putc('\n', out);
}

static struct input read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    int64_t size;

    need(file != NULL, "the job file cannot be opened");
    need(fseek(file, 0, SEEK_END) == 0, "the job file cannot be read");
    size = ftell(file);
    rewind(file);
    bytes = malloc((size_t)size + 1);
    need(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size, "the job file cannot be read");
    fclose(file);
    return (struct input){bytes, bytes + size};
}

static void do_job(struct input *in, FILE *out)
{
    switch (in_u32(in)) {
    case 1: job_walk(in, out); return;
    case 2: job_case(in, out); return;
    case 3: job_hammer(in, out); return;
    case 4: job_schemas(in, out); return;
    case 5: job_decode(in, out); return;
    case 6: job_live(in, out); return;
    default: need(0, "there is no such job");
    }
}

int main(int count, char **arguments)
{
    struct input in;
    FILE *out;

    need(count == 3, "usage: driver JOBS RESULTS");
    in = read_file(arguments[1]);
    out = fopen(arguments[2], "wb");
    need(out != NULL, "the results cannot be written");
    while (in.at < in.end)
        do_job(&in, out);
    need(fclose(out) == 0, "the results cannot be written");
    return 0;
}
