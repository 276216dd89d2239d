/* libFuzzer target: an odd first byte makes the rest a capture of packets, an even one the payload of an event that a hook
   takes apart. Programs touch every byte that they may read; payloads lie in memory of exactly their size, and of a capture
   no byte is in two packets. */
#include <stdlib.h>

#include "etw_reader.h"
#include "hooks.h"
#include "packets.h"

typedef uint64_t helper(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run);

/* As border/maps.h has it; run.h comes with the schemas already. */
uint64_t tr_helper_address(const char *name);

static const uint8_t *file;
static size_t file_size;
static uint64_t touched;
static volatile uint64_t sink;

int64_t tr_etl_read(int fd, void *to, uint32_t size, uint64_t offset)
{
    size_t left = offset < file_size ? file_size - offset : 0;

    (void)fd;
    if (size > left)
        size = (uint32_t)left;
    if (size)
        memcpy(to, file + offset, size);
    return size;
}

int64_t tr_etl_file_size(int fd)
{
    (void)fd;
    return (int64_t)file_size;
}

static uint64_t touch(const uint8_t *at, const uint8_t *end)
{
    uint64_t sum = 0;

    if (!at || end < at || end - at > 65535)
        abort();
    touched += (uint64_t)(end - at);
    while (at < end)
        sum += *at++;
    sink += sum;
    return sum;
}

/* All contexts but the monitor's begin with the two pointers; a process's path is asked for as a program would. */
static uint64_t program(void *context, struct tr_run *run)
{
    const uint8_t *const *pointers = context;
    uint8_t path[64];

    if (run->hook) {
        helper *get = (helper *)(uintptr_t)tr_helper_address("process_get_image_path");

        get((uintptr_t)context, (uintptr_t)path, sizeof path, 0, 0, run);
        touch(path, path + sizeof path);
        touched -= sizeof path;
    }
    return touch(pointers[0], pointers[1]) % 20;
}

static uint64_t monitor(void *context, struct tr_run *run)
{
    const struct tr_netevent_event_md *md = context;

    (void)run;
    return touch(md->data, md->data_end) % 3;
}

#define FIELD(at, kind, ...) {.type = kind, .name = at, .name_bytes = 1, __VA_ARGS__}     /* of NAMES */

static const struct tr_etw_field PROCESS[] = {
    FIELD(0, TR_ETW_POINTER), FIELD(1, TR_ETW_UINT32), FIELD(2, TR_ETW_UINT32), FIELD(3, TR_ETW_WBEM_SID),
    FIELD(4, TR_ETW_ANSI, .length_kind = TR_ETW_ZERO), FIELD(5, TR_ETW_UTF16, .length_kind = TR_ETW_ZERO),
};
static const struct tr_etw_field BIND[] = {
    FIELD(0, TR_ETW_UINT32), FIELD(1, TR_ETW_BYTES, .length_kind = TR_ETW_FIELD, .length = 0), FIELD(2, TR_ETW_UINT32),
};
static const struct tr_etw_field FRAME[] = {
    FIELD(0, TR_ETW_UINT32), FIELD(1, TR_ETW_UINT16), FIELD(2, TR_ETW_BYTES, .length_kind = TR_ETW_FIELD, .length = 1),
};

#define NAMES "abcdef"
#define NO_PART 0xffffu

static const struct {
    uint32_t kind, count;
    const struct tr_etw_field *fields;
    uint16_t parts[6];               /* of each field */
} SHAPES[] = {
    {TR_HOOK_PROCESS, 6, PROCESS, {NO_PART, TR_PART_PID, TR_PART_PARENT, TR_PART_SID, TR_PART_IMAGE, TR_PART_COMMAND}},
    {TR_HOOK_BIND, 3, BIND, {NO_PART, TR_PART_ADDRESS, TR_PART_STATUS}},
    {TR_HOOK_XDP, 3, FRAME, {TR_PART_INTERFACE, NO_PART, TR_PART_FRAME}},
    {TR_HOOK_NETEVENT, 3, FRAME, {TR_PART_INTERFACE, NO_PART, TR_PART_FRAME}},
};

/* The number of a field whose name is one letter (FNV-1a). */
static uint32_t number_of(char name)
{
    return ((2166136261u ^ (uint8_t)name) * 16777619u) | (uint32_t)TR_ETW_BY_NAME;
}

static void run_event(uint8_t choice, const uint8_t *data, size_t size)
{
    uint32_t which = choice / 2 % 4;
    struct tr_etw_schema_key key = {.number = 1};
    struct tr_etw_layout layout = {
        .fields = SHAPES[which].fields, .field_count = SHAPES[which].count, .texts = NAMES, .text_bytes = 6
    };
    uint32_t fields[TR_PARTS * TR_PART_NAMES] = {0};
    struct tr_etw_schemas *schemas = tr_etw_schemas_new();
    struct tr_program *target = tr_program_new(), *linked = tr_program_new();
    struct tr_etw_reader *reader = tr_etw_reader_new(schemas);
    struct tr_hook *hook;
    uint8_t *payload = malloc(size ? size : 1);
    struct tr_etw_context event = {
        .data = payload, .data_end = payload + size, .id = 1, .kind = TR_ETL_EVENT64, .hook = TR_ETW_NO_HOOK,
        .pointer_size = choice & 64 ? 4 : 8, .keyword = 0x40000000,
    };
    struct tr_run run = {.fields = reader};

    for (uint16_t i = 0; i < SHAPES[which].count; i++)
        if (SHAPES[which].parts[i] != NO_PART)
            fields[SHAPES[which].parts[i] * TR_PART_NAMES] = number_of(NAMES[i]);
    hook = tr_hook_new(SHAPES[which].kind, choice >> 7, fields, target);
    if (!hook || !reader || tr_etw_schemas_add(schemas, &key, &layout))
        abort();
    tr_program_set_entry(target, SHAPES[which].kind == TR_HOOK_NETEVENT ? monitor : program, NULL);
    tr_hook_link_events(hook, linked);
    if (size)
        memcpy(payload, data, size);
    tr_etw_reader_begin(reader, &event, NULL);
    tr_program_run(linked, &event, &run);
    free(payload);
    tr_hook_free(hook);
    tr_program_free(target);
    tr_program_free(linked);
    tr_etw_reader_free(reader);
    tr_etw_schemas_free(schemas);
}

static void run_capture(const uint8_t *data, size_t size)
{
    int32_t error, system;
    struct tr_capture *capture;
    struct tr_program *target = tr_program_new(), *linked = tr_program_new();
    struct tr_hook *hook = tr_hook_new(TR_HOOK_NETEVENT, 0, NULL, target);
    struct tr_link link = {.program = linked, .need = sizeof(struct tr_packet_context)};
    struct tr_ledger ledger;
    struct tr_run run = {0};

    file = data;
    file_size = size;
    tr_program_set_entry(target, monitor, NULL);
    tr_hook_link_packets(hook, linked);
    capture = tr_capture_open(3, &error, &system);
    if (capture) {
        if (tr_capture_set_links(capture, &link, 1, 1))
            abort();
        while (tr_capture_pump(capture, &run, 1) >= 0)
            ;
        tr_capture_ledger(capture, 0, &ledger);
        if (ledger.produced != ledger.delivered + ledger.dropped_in_ring + ledger.failed || touched > size)
            abort();
    }
    tr_capture_free(capture);
    tr_hook_free(hook);
    tr_program_free(target);
    tr_program_free(linked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    touched = 0;
    if (size < 1 || size > 65536)
        return 0;
    if (data[0] & 1)
        run_capture(data + 1, size - 1);
    else
        run_event(data[0], data + 1, size - 1);
    return 0;
}
