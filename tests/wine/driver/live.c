/* A recording played into the callback of a live session, event by event, as Windows' EVENT_RECORDs: tests/sources/
   etw_records.py does the same in Python. */
#include <string.h>

#include "event_record.h"
#include "driver.h"
#include "etw_live.h"

#define ITEM_SCHEMA 0x000b                   /* EVENT_HEADER_EXT_TYPE_EVENT_SCHEMA_TL, …_PROV_TRAITS: mingw-w64 lacks them */
#define ITEM_TRAITS 0x000c
#define NO_TASK 0xffffffffu

static struct {
    event_record_callback callback;
    struct tr_etw_live *live;
    int64_t frequency;
} player;

static uint16_t flags_of(const struct tr_etw_context *event)
{
    uint16_t flags = EVENT_HEADER_FLAG_PROCESSOR_INDEX;

    flags |= event->pointer_size == 4 ? EVENT_HEADER_FLAG_32_BIT_HEADER : EVENT_HEADER_FLAG_64_BIT_HEADER;
    if (event->kind == 18 || event->kind == 19)
        return flags | (event->flags & ~(EVENT_HEADER_FLAG_32_BIT_HEADER | EVENT_HEADER_FLAG_64_BIT_HEADER));
    return flags | (event->kind == 15 ? EVENT_HEADER_FLAG_TRACE_MESSAGE : EVENT_HEADER_FLAG_CLASSIC_HEADER);
}

/* Ticks of the session's clock: as many as make at least that many ns. */
static int64_t ticks_of(uint64_t now_ns)
{
    return (int64_t)(((__int128)now_ns * player.frequency + 999999999) / 1000000000);
}

static uint16_t put_item(EVENT_HEADER_EXTENDED_DATA_ITEM *items, uint16_t count, uint16_t type, const uint8_t *data,
                         uint16_t bytes)
{
    if (!data)
        return count;
    memset(&items[count], 0, sizeof items[count]);
    items[count].ExtType = type;
    items[count].DataSize = bytes;
    items[count].DataPtr = (uint64_t)(uintptr_t)data;
    return (uint16_t)(count + 1);
}

static void describe(EVENT_RECORD *record, EVENT_HEADER_EXTENDED_DATA_ITEM *items,
                     const struct tr_etw_described *described)
{
    record->ExtendedData = items;
    if (!described)
        return;
    record->ExtendedDataCount = put_item(items, 0, ITEM_SCHEMA, described->schema, described->schema_bytes);
    record->ExtendedDataCount = put_item(items, record->ExtendedDataCount, ITEM_TRAITS, described->traits,
                                         described->traits_bytes);
}

static uint64_t play(void *context, struct tr_run *run)
{
    const struct tr_etw_context *event = context;
    int perfinfo = event->kind == 16 || event->kind == 17;
    EVENT_HEADER_EXTENDED_DATA_ITEM items[2];
    EVENT_RECORD record;

    memset(&record, 0, sizeof record);
    record.EventHeader.Flags = flags_of(event);
    record.EventHeader.ThreadId = perfinfo ? NO_TASK : event->tid;
    record.EventHeader.ProcessId = perfinfo ? NO_TASK : event->pid;
    record.EventHeader.TimeStamp.QuadPart = ticks_of(run->now_ns);
    memcpy(&record.EventHeader.ProviderId, event->provider, 16);
    memcpy(&record.EventHeader.ActivityId, event->activity, 16);
    record.EventHeader.EventDescriptor.Id = event->id;
    record.EventHeader.EventDescriptor.Version = event->version;
    record.EventHeader.EventDescriptor.Channel = event->channel;
    record.EventHeader.EventDescriptor.Level = event->level;
    record.EventHeader.EventDescriptor.Opcode = event->opcode;
    record.EventHeader.EventDescriptor.Task = event->task;
    record.EventHeader.EventDescriptor.Keyword = event->keyword;
    record.BufferContext.ProcessorIndex = (uint16_t)event->cpu;
    record.UserDataLength = (uint16_t)(event->data_end - event->data);
    record.UserData = (void *)(uintptr_t)event->data;
    record.UserContext = player.live;
    describe(&record, items, run->described);
    player.callback(&record);
    return 0;
}

/* Every event of the recording, in order, to the callback; kernel events with the class of their group. */
static void play_all(struct tr_etl *etl, struct input *groups)
{
    struct tr_program *program = tr_program_new();
    struct tr_etw_matcher *matcher = read_groups(groups);
    struct tr_etw_match all = {.wants = 0};
    struct tr_run run = {.random = SEED};

    need(program != NULL, "no memory to play a recording");
    tr_program_set_entry(program, play, NULL);
    need(tr_etw_add_match(matcher, &all) == 0 && tr_etw_add_link(matcher, program, 0, sizeof(struct tr_etw_context)) >= 0,
         "the player is refused");
    need(tr_etw_prepare(matcher) == 0 && tr_etl_set_matcher(etl, matcher) == 0, "no memory for names");
    need(tr_etl_begin(etl) == 0, "the recording cannot be walked");
    while (tr_etl_pump(etl, &run, 1000) >= 0)
        ;
    tr_etw_matcher_free(matcher);
    tr_program_free(program);
}

static void print_live(FILE *out, struct tr_etw_live *live, uint32_t matches)
{
    static char printed[PRINT_BYTES];
    struct tr_ledger ledger;
    uint32_t bytes;

    for (uint32_t i = 0; i < matches; i++) {
        tr_etw_live_ledger(live, i, &ledger);
        out_ledger(out, "events", i, &ledger);
    }
    bytes = tr_etw_live_printed(live, printed, sizeof printed);
    fputs("printed", out);
    out_hex(out, printed, bytes);
    putc('\n', out);
}

void job_live(struct input *in, FILE *out)
{
    static char buffer[PRINT_BYTES];
    struct tr_run run = {.random = LIVE_SEED, .print_buffer = buffer, .print_capacity = PRINT_BYTES};
    struct tr_etw_live_options options = {.clock = 1};
    struct tr_etw_matcher *matcher;
    struct tr_etw_reader *reader;
    struct input groups;
    struct tr_etl_facts facts;
    struct scene scene;
    struct tr_etl *etl;
    uint32_t matches;
    void *callback = tr_etw_live_callback();
    int fd;

    etl = open_recording(in, out, &facts, &fd);
    scene_read(in, &scene);
    groups = *in;
    matcher = read_matcher(in, &scene, &matches);
    reader = read_fields(matcher);
    options.cpus = in_u32(in);
    player.frequency = options.frequency = (int64_t)in_u64(in);
    options.ticks = (int64_t)in_u64(in);
    options.filetime = (int64_t)in_u64(in);
    options.monotonic_ns = (int64_t)in_u64(in);
    player.live = tr_etw_live_new(&options, matcher, &run);
    need(player.live != NULL, "no memory for a session");
    memcpy(&player.callback, &callback, sizeof callback);
    tr_etw_live_gate(player.live, 1);
    play_all(etl, &groups);
    scene_print(out, &scene);
    print_live(out, player.live, matches);
    close_recording(etl, fd);
    tr_etw_live_free(player.live);
    tr_etw_matcher_free(matcher);
    if (reader)
        tr_etw_reader_free(reader);
    scene_free(&scene);
}
