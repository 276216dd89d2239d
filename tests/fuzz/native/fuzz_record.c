/* libFuzzer target: EVENT_RECORDs, one after the other, into the callback of a live session. Whatever is in them, each is
   counted once, and every byte that a program may read can be read. Payloads and items lie in memory of exactly their size.

   An input is records of 24 bytes and what follows them: flags, provider (which of four), opcode, id, version, level, CPU,
   pid, tid, ticks, what is missing (1 the payload's pointer, 2 the items', 4 the items' array), items (up to 3, with type
   and size), payload's size. */
#include <stdlib.h>
#include <string.h>

#include "etw_match.h"
#include "etw_layouts.h"
#include "etw_decode.h"
#include "etw_record.h"
#include "etw_live.h"
#include "input.h"

#define CPUS 3u
#define RECORD_BYTES 24u
#define MOST_ITEMS 3u

static const uint8_t providers[4][16] = {
    {0xd0, 0xa8, 0x6f, 0x3d, 0x05, 0xfe, 0xd0, 0x11, 0x9d, 0xda, 0, 0xc0, 0x4f, 0xd7, 0xba, 0x7c},      /* Process */
    {0xd1, 0xa8, 0x6f, 0x3d, 0x05, 0xfe, 0xd0, 0x11, 0x9d, 0xda, 0, 0xc0, 0x4f, 0xd7, 0xba, 0x7c},      /* Thread */
    {1, 2, 3}, {0},
};

static volatile uint64_t sink;

static uint64_t sum(const uint8_t *from, size_t bytes)
{
    uint64_t all = 0;

    for (size_t i = 0; i < bytes; i++)
        all += from[i];
    return all;
}

static uint64_t program(void *context, struct tr_run *run)
{
    const struct tr_etw_context *event = context;
    const struct tr_etw_described *described = run->described;

    check(run->cpu < CPUS && event->data <= event->data_end && event->data_end - event->data < 65536);
    sink += event->time_ns + run->now_ns + sum(event->data, (size_t)(event->data_end - event->data));
    if (described && described->schema)
        sink += sum(described->schema, described->schema_bytes);
    if (described && described->traits)
        sink += sum(described->traits, described->traits_bytes);
    return 0;
}

static void fill(struct tr_event_header *header, const uint8_t *from)
{
    header->flags = (uint16_t)(from[0] | from[1] << 8);
    memcpy(header->provider_id, providers[from[2] & 3], 16);
    header->descriptor.opcode = from[3];
    header->descriptor.id = from[4];
    header->descriptor.version = from[5];
    header->descriptor.level = from[6];
    header->process_id = from[8] == 255 ? 0xffffffffu : from[8];
    header->thread_id = from[9] == 255 ? 0xffffffffu : from[9];
    memcpy(&header->time_stamp, from + 10, 8);
}

static void play_one(struct input *in, void (*callback)(struct tr_event_record *), struct tr_etw_live *live)
{
    const uint8_t *from = in->at;
    struct tr_extended_item items[MOST_ITEMS] = {{0}};
    uint8_t *parts[MOST_ITEMS], *payload, missing = from[18];
    struct tr_event_record record = {.user_context = live, .extended = missing & 4 ? NULL : items};

    in->at += RECORD_BYTES;
    fill(&record.header, from);
    record.buffer.processor = from[7];
    record.extended_count = from[19] & MOST_ITEMS;
    for (uint32_t i = 0; i < MOST_ITEMS; i++) {
        items[i].type = (uint16_t)(0x0a + (from[20 + i] & 3));
        parts[i] = take(in, i < record.extended_count ? from[20 + i] >> 2 : 0, &items[i].data_size);
        items[i].data_ptr = missing & 2 ? 0 : (uint64_t)(uintptr_t)parts[i];
    }
    payload = take(in, from[23], &record.user_data_length);
    record.user_data = missing & 1 ? NULL : payload;
    callback(&record);
    for (uint32_t i = 0; i < MOST_ITEMS; i++)
        free(parts[i]);
    free(payload);
}

/* Names: every event, a provider, a group, one event of a provider. */
static struct tr_etw_matcher *make_matcher(struct tr_program *counting)
{
    struct tr_etw_match matches[4] = {{.wants = 0}, {.wants = TR_ETW_WANT_PROVIDER}, {.wants = TR_ETW_WANT_GROUP},
                                      {.wants = TR_ETW_WANT_PROVIDER | TR_ETW_WANT_EVENT, .event = 7}};
    struct tr_etw_matcher *matcher = tr_etw_matcher_new();

    check(matcher && tr_etw_add_group(matcher, 3, providers[0]) == 0 && tr_etw_add_group(matcher, 5, providers[1]) == 0);
    memcpy(matches[1].provider, providers[2], 16);
    memcpy(matches[3].provider, providers[2], 16);
    matches[2].group = 5;
    for (int32_t i = 0; i < 4; i++) {
        check(tr_etw_add_match(matcher, &matches[i]) == i);
        check(tr_etw_add_link(matcher, counting, (uint32_t)i, sizeof(struct tr_etw_context)) >= 0);
    }
    check(tr_etw_prepare(matcher) == 0);
    return matcher;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct tr_etw_live_options options = {.clock = 1, .cpus = CPUS, .frequency = 10000000, .ticks = 1000,
                                          .filetime = 133444736000000000};
    struct tr_run run = {0};
    struct tr_program *counting = tr_program_new();
    struct tr_etw_matcher *matcher;
    struct tr_etw_live *live;
    struct tr_etw_live_counts counts;
    struct tr_ledger all;
    void (*callback)(struct tr_event_record *);
    void *address = tr_etw_live_callback();
    uint64_t played = 0;

    check(counting != NULL);
    tr_program_set_entry(counting, program, NULL);
    matcher = make_matcher(counting);
    live = tr_etw_live_new(&options, matcher, &run);
    check(live && tr_etw_live_ignore(live, 42, 1) == 0);
    memcpy(&callback, &address, sizeof callback);
    tr_etw_live_gate(live, 1);
    for (; (size_t)(in.end - in.at) >= RECORD_BYTES; played++)
        play_one(&in, callback, live);
    tr_etw_live_counts(live, &counts);
    tr_etw_live_ledger(live, 0, &all);
    check(counts.taken == played && counts.unmatched == 0);
    check(all.produced == all.delivered + all.filtered + all.failed && all.produced + counts.failed == played);
    tr_etw_live_free(live);
    tr_etw_matcher_free(matcher);
    tr_program_free(counting);
    return 0;
}
