/* libFuzzer target: an event's payload and what is said of it, both hostile: a schema to prepare, a description of the
   event's own, its traits. Decoded twice in any form, it is counted once each, is told alike, and JSON is JSON. Fields are
   also looked for one by one. Everything lies in memory of exactly its size, so that a byte outside is found.

   An input: flags (1 wide pointers, 2 and 4 the form, 8 described, 16 with traits, 32 a classic event, 64 one by hook), the
   low byte of the EVENT_HEADER's flags, its level; fields (a number of 0 to 63, then 12 bytes each); labels (a number of 0
   to 15, then 8 bytes each); the description and the traits (two bytes of length each, where there are any); the payload
   is the rest. tests/fuzz/etw_seeds.py writes such. */
#include <stdlib.h>
#include <string.h>

#include "etw_match.h"
#include "etw_layouts.h"
#include "etw_decode.h"
#include "input.h"
#include "json_check.h"

#define MOST_PLACES 64u

static const char TEXTS[] = "Count Length \"quoted\\\" \x1b[31m\n\t\x7f caf\xc3\xa9 Name Field Value";

struct event {
    struct tr_etw_context context;
    struct tr_etw_described described;
    uint8_t *schema, *traits, *payload;
    uint32_t form;
};

static uint8_t next(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint16_t next16(struct input *in)
{
    uint8_t low = next(in);

    return (uint16_t)(low | next(in) << 8);
}

static uint32_t read_fields(struct input *in, struct tr_etw_field *fields)
{
    uint32_t count = next(in) & 63;

    for (uint32_t i = 0; i < count; i++) {
        struct tr_etw_field field = {.type = next(in), .show = next(in), .length_kind = next(in),
                                     .count_kind = next(in)};

        field.length = next16(in);
        field.count = next16(in);
        field.members = next16(in);
        field.map = next(in);
        field.name = next(in) & 63;
        field.name_bytes = field.name > sizeof TEXTS - 8 ? 100 : 6;
        fields[i] = field;
    }
    return count;
}

static uint32_t read_labels(struct input *in, struct tr_etw_label *labels)
{
    uint32_t count = next(in) & 15;

    for (uint32_t i = 0; i < count; i++) {
        labels[i] = (struct tr_etw_label){.map = next(in), .bit = next(in)};
        labels[i].value = next16(in) | (uint32_t)next16(in) << 16;
        labels[i].text = next(in) & 31;
        labels[i].text_bytes = next(in) & 15;
    }
    return count;
}

/* Prepare what the input says of fields, for the event's key; many make no sense and are refused. */
static void add_schema(struct input *in, struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key)
{
    struct tr_etw_field fields[64];
    struct tr_etw_label labels[16];
    struct tr_etw_layout layout = {.fields = fields, .labels = labels, .texts = TEXTS, .text_bytes = sizeof TEXTS - 1,
                                   .name = 6, .name_bytes = 6};

    layout.field_count = read_fields(in, fields);
    layout.label_count = read_labels(in, labels);
    if (layout.field_count)
        check(tr_etw_schemas_add(schemas, key, &layout) != -1);
}

static struct tr_etw_schema_key read_event(struct input *in, struct event *event)
{
    struct tr_etw_schema_key key = {.provider = {1, 2, 3}, .number = 7, .version = 1, .space = TR_ETW_BY_ID};
    uint8_t flags = next(in);
    struct tr_etw_context *context = &event->context;

    *context = (struct tr_etw_context){.provider = {1, 2, 3}, .time_ns = 1700000000123456700u, .id = 7, .opcode = 7,
                                       .version = 1, .pid = 9, .tid = 10, .hook = 0xffffffffu,
                                       .pointer_size = flags & 1 ? 8 : 4, .kind = TR_ETL_EVENT64};
    event->form = flags >> 1 & 3;
    event->described = (struct tr_etw_described){.schema = flags & 8 ? (uint8_t *)"" : NULL,
                                                 .traits = flags & 16 ? (uint8_t *)"" : NULL};
    if (flags & 32)
        context->kind = TR_ETL_FULL64;
    if (flags & 64) {
        context->kind = TR_ETL_SYSTEM64;
        context->hook = 0x0107;
        memset(context->provider, 0, sizeof context->provider);
        memset(key.provider, 0, sizeof key.provider);
        key.provider[0] = 1;
    }
    key.space = flags & 64 ? TR_ETW_BY_GROUP : flags & 32 ? TR_ETW_BY_CLASS : TR_ETW_BY_ID;
    context->flags = next(in);
    context->level = next(in);
    return key;
}

static void read_rest(struct input *in, struct event *event)
{
    uint16_t bytes;

    event->schema = take(in, event->described.schema ? next16(in) : 0, &event->described.schema_bytes);
    if (event->described.schema)
        event->described.schema = event->schema;
    event->traits = take(in, event->described.traits ? next16(in) : 0, &event->described.traits_bytes);
    if (event->described.traits)
        event->described.traits = event->traits;
    event->payload = take(in, 65535, &bytes);
    event->context.data = event->payload;
    event->context.data_end = event->payload + bytes;
}

static uint64_t total(const struct tr_etw_decoded *counts)
{
    uint64_t events = counts->filtered + counts->lost;

    for (uint32_t i = 0; i < TR_ETW_OUTCOMES; i++)
        events += counts->outcomes[i];
    return events;
}

static void decode(const struct tr_etw_schemas *schemas, struct event *event)
{
    struct tr_etw_decoder *decoder = tr_etw_decoder_new(schemas, event->form, 7);
    struct tr_program *program = tr_program_new();
    struct tr_run run = {.described = &event->described};
    struct tr_etw_decoded counts;
    uint64_t first, both;
    const char *text;

    check(decoder && program);
    tr_etw_decoder_link(decoder, program);
    tr_etw_decoder_columns(decoder, 3);
    tr_program_run(program, &event->context, &run);
    tr_etw_decoder_text(decoder, &first);
    tr_program_run(program, &event->context, &run);
    text = tr_etw_decoder_text(decoder, &both);
    tr_etw_decoder_counts(decoder, &counts);
    check(total(&counts) == 2 && counts.lost == 0);
    check(both == 2 * first && (!both || !memcmp(text, text + first, first)));
    check(event->form == TR_ETW_FORM_LOOK ? !first : first && text[first - 1] == '\n');
    if (event->form == TR_ETW_FORM_JSON)
        check(is_json(text, first - 1));
    tr_program_free(program);
    tr_etw_decoder_free(decoder);
}

/* Each place begins where the one before it ends, and none leaves the payload. */
static void look_at_places(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key,
                           const struct event *event)
{
    struct tr_etw_place places[MOST_PLACES];
    uint32_t bytes = (uint32_t)(event->context.data_end - event->context.data), outcome, at = 0;
    int32_t found = tr_etw_places(schemas, key, event->payload, bytes, event->context.pointer_size, places, MOST_PLACES,
                                  &outcome);

    for (int32_t i = 0; i < found; i++) {
        check(places[i].offset == at && places[i].bytes <= bytes - at);
        at += places[i].bytes;
    }
    if (found >= 0 && outcome == TR_ETW_DECODED)
        check(at == bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct tr_etw_schemas *schemas = tr_etw_schemas_new();
    struct event event;
    struct tr_etw_schema_key key = read_event(&in, &event);

    check(schemas != NULL);
    add_schema(&in, schemas, &key);
    read_rest(&in, &event);
    decode(schemas, &event);
    look_at_places(schemas, &key, &event);
    free(event.schema);
    free(event.traits);
    free(event.payload);
    tr_etw_schemas_free(schemas);
    return 0;
}
