/* Recordings decoded to text, by schemas that came before and by what events say of themselves. */
#include <string.h>

#include "driver.h"

#define TEXT_DIGITS 7u                       /* of fractions of a second */

#define MOST_LABELS 16384u

static struct tr_etw_schemas *schemas;       /* of all jobs behind theirs */

static struct tr_etw_schema_key read_key(struct input *in)
{
    struct tr_etw_schema_key key;

    memcpy(key.provider, in_raw(in, sizeof key.provider), sizeof key.provider);
    key.number = (uint16_t)in_u32(in);
    key.version = (uint8_t)in_u32(in);
    key.space = (uint8_t)in_u32(in);
    return key;
}

/* Copy an array out of the job file, where it lies unaligned. Returns how many elements it has. */
static uint32_t read_array(struct input *in, void *to, size_t element, size_t most)
{
    uint32_t size;
    const uint8_t *from = in_bytes(in, &size);

    need(size % element == 0 && size / element <= most, "an array is too long, or its elements are others");
    memcpy(to, from, size);
    return size / (uint32_t)element;
}

static void read_schema(struct input *in)
{
    static struct tr_etw_field fields[TR_ETW_MAX_FIELDS];
    static struct tr_etw_label labels[MOST_LABELS];
    struct tr_etw_schema_key key = read_key(in);
    struct tr_etw_layout layout = {.fields = fields, .labels = labels};

    layout.field_count = read_array(in, fields, sizeof *fields, TR_ETW_MAX_FIELDS);
    layout.label_count = read_array(in, labels, sizeof *labels, MOST_LABELS);
    layout.texts = (const char *)in_bytes(in, &layout.text_bytes);
    layout.name = in_u32(in);
    layout.name_bytes = in_u32(in);
    need(tr_etw_schemas_add(schemas, &key, &layout) == 0, "a schema is refused");
}

void job_schemas(struct input *in, FILE *out)
{
    schemas = tr_etw_schemas_new();
    need(schemas != NULL, "no memory for schemas");
    for (uint32_t left = in_u32(in); left; left--) {
        struct tr_etw_schema_key key = read_key(in);
        const char *name = in_text(in);

        need(tr_etw_schemas_name(schemas, &key, name, (uint32_t)strlen(name)) == 0, "no memory for schemas");
    }
    for (uint32_t left = in_u32(in); left; left--)
        read_schema(in);
    fprintf(out, "schemas %u\n", tr_etw_schemas_count(schemas));
}

struct tr_etw_reader *read_fields(struct tr_etw_matcher *matcher)
{
    struct tr_etw_reader *reader = NULL;

    if (schemas) {
        reader = tr_etw_reader_new(schemas);
        need(reader != NULL, "no memory for schemas");
        tr_etw_set_reader(matcher, reader);
    }
    return reader;
}

static void take(struct tr_etw_decoder *decoder, FILE *out)
{
    uint64_t bytes;
    const char *text = tr_etw_decoder_text(decoder, &bytes);

    need(!bytes || fwrite(text, 1, (size_t)bytes, out) == bytes, "the results cannot be written");
    tr_etw_decoder_clear(decoder);
}

/* Every event to the decoder. */
static struct tr_etw_matcher *match_all(struct input *in, struct tr_program *program)
{
    struct tr_etw_matcher *matcher = read_groups(in);
    struct tr_etw_match all = {.wants = 0};

    need(tr_etw_add_match(matcher, &all) == 0, "no memory for names");
    need(tr_etw_add_link(matcher, program, 0, sizeof(struct tr_etw_context)) == 0, "the decoder is refused");
    need(tr_etw_prepare(matcher) == 0, "no memory for names");
    return matcher;
}

static void print_counts(FILE *out, const struct tr_etw_decoded *counts)
{
    uint64_t unknown = 0;

    for (uint32_t outcome = TR_ETW_DECODED + 1; outcome < TR_ETW_OUTCOMES; outcome++)
        unknown += counts->outcomes[outcome];
    fprintf(out, "decoded %llu %llu %llu %llu\n", (unsigned long long)counts->outcomes[TR_ETW_DECODED],
            (unsigned long long)unknown, (unsigned long long)counts->self_described, (unsigned long long)counts->lost);
}

void job_decode(struct input *in, FILE *out)
{
    struct tr_etw_decoder *decoder = tr_etw_decoder_new(schemas, TR_ETW_FORM_JSON, TEXT_DIGITS);
    struct tr_program *program = tr_program_new();
    struct tr_run run = {.random = SEED};
    struct tr_etw_decoded counts;
    struct tr_etl_facts facts;
    struct tr_etw_matcher *matcher;
    struct tr_etl *etl;
    int fd;

    need(decoder && program, "no memory to decode");
    tr_etw_decoder_link(decoder, program);
    etl = open_recording(in, out, &facts, &fd);
    matcher = match_all(in, program);
    need(tr_etl_set_matcher(etl, matcher) == 0 && tr_etl_begin(etl) == 0, "the recording cannot be walked");
    while (tr_etl_pump(etl, &run, 500) >= 0)
        take(decoder, out);
    take(decoder, out);
    tr_etw_decoder_counts(decoder, &counts);
    print_counts(out, &counts);
    close_recording(etl, fd);
    tr_etw_matcher_free(matcher);
    tr_etw_decoder_free(decoder);
    tr_program_free(program);
}
