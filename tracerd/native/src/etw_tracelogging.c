/* Events that describe themselves: EVENT_SCHEMA_TL to a prepared schema.
   Form: TraceLoggingProvider.h and traceloggingdynamic (both Microsoft, MIT). */
#include <stdlib.h>

#include "etw_schema.h"

#define IN_TYPE 0x1fu
#define IN_COUNT 0x60u                       /* which of these: */
#define IN_FIXED_COUNT 0x20u
#define IN_VARIABLE_COUNT 0x40u
#define IN_CUSTOM 0x60u
#define CHAIN 0x80u                          /* one more byte follows */
#define IN_STRUCT 24u

struct reader {
    const uint8_t *data;
    uint32_t at, end;
    bool bad;
};

static uint8_t next_byte(struct reader *reader)
{
    if (reader->at < reader->end)
        return reader->data[reader->at++];
    reader->bad = true;
    return 0;
}

static uint16_t next_u16(struct reader *reader)
{
    uint8_t low = next_byte(reader);

    return (uint16_t)(low | next_byte(reader) << 8);
}

/* Tags: bytes that go on while their highest bit is set. */
static void skip_tags(struct reader *reader)
{
    while (next_byte(reader) & CHAIN)
        ;
}

/* A name, zero-terminated. Returns where it begins and its bytes. */
static uint32_t next_name(struct reader *reader, uint32_t *bytes)
{
    uint32_t begin = reader->at;

    while (next_byte(reader))
        ;
    *bytes = reader->at - begin - !reader->bad;
    return begin;
}

struct in_type {
    uint8_t type, length_kind, show;
};

static const struct in_type in_types[32] = {
    [1] = {TR_ETW_UTF16, TR_ETW_ZERO, 0},
    [2] = {TR_ETW_ANSI, TR_ETW_ZERO, 0},
    [3] = {TR_ETW_INT8, 0, 0},
    [4] = {TR_ETW_UINT8, 0, 0},
    [5] = {TR_ETW_INT16, 0, 0},
    [6] = {TR_ETW_UINT16, 0, 0},
    [7] = {TR_ETW_INT32, 0, 0},
    [8] = {TR_ETW_UINT32, 0, 0},
    [9] = {TR_ETW_INT64, 0, 0},
    [10] = {TR_ETW_UINT64, 0, 0},
    [11] = {TR_ETW_FLOAT, 0, 0},
    [12] = {TR_ETW_DOUBLE, 0, 0},
    [13] = {TR_ETW_INT32, 0, TR_ETW_BOOL},
    [14] = {TR_ETW_BYTES, TR_ETW_COUNTED, 0},
    [15] = {TR_ETW_GUID, 0, 0},
    [16] = {TR_ETW_POINTER, 0, TR_ETW_HEX},
    [17] = {TR_ETW_FILETIME, 0, 0},
    [18] = {TR_ETW_SYSTEMTIME, 0, 0},
    [19] = {TR_ETW_SID, 0, 0},
    [20] = {TR_ETW_UINT32, 0, TR_ETW_HEX},
    [21] = {TR_ETW_UINT64, 0, TR_ETW_HEX},
    [22] = {TR_ETW_UTF16, TR_ETW_COUNTED, 0},
    [23] = {TR_ETW_ANSI, TR_ETW_COUNTED, 0},
    [IN_STRUCT] = {TR_ETW_STRUCT, 0, 0},
    [25] = {TR_ETW_BYTES, TR_ETW_COUNTED, 0},
};

static bool is_eight_bytes(uint8_t type)
{
    return type == TR_ETW_INT64 || type == TR_ETW_UINT64;
}

/* How an OutType shows a value; 0 where it is no hint for that type. Only what prepare accepts may come out. */
static uint8_t show_of(uint8_t type, uint8_t out)
{
    switch (out) {
    case 2: return type == TR_ETW_INT8 || type == TR_ETW_UINT8 || type == TR_ETW_UINT16 ? TR_ETW_CHAR : 0;
    case 3: return tr_etw_is_number(type) ? TR_ETW_BOOL : 0;
    case 4: case 13: case 14: case 15: case 37: return tr_etw_is_number(type) ? TR_ETW_HEX : 0;
    case 7: return type == TR_ETW_UINT16 ? TR_ETW_PORT : 0;
    case 8: return type == TR_ETW_UINT32 ? TR_ETW_IPV4 : 0;
    case 9: return type == TR_ETW_BYTES ? TR_ETW_IPV6 : 0;
    case 10: return type == TR_ETW_BYTES ? TR_ETW_SOCKADDR : 0;
    case 16: case 38: return is_eight_bytes(type) ? TR_ETW_TIME : 0;
    default: return 0;
    }
}

static void set_count(struct reader *reader, uint8_t in, struct tr_etw_field *field)
{
    uint32_t custom;

    switch (in & IN_COUNT) {
    case IN_FIXED_COUNT:
        field->count_kind = TR_ETW_FIXED;
        field->count = next_u16(reader);
        break;
    case IN_VARIABLE_COUNT:
        field->count_kind = TR_ETW_COUNTED;
        break;
    case IN_CUSTOM:                          /* a private encoding, in counted bytes; what describes it is skipped */
        custom = next_u16(reader);
        reader->bad = reader->bad || custom > reader->end - reader->at;
        reader->at += reader->bad ? 0 : custom;
        *field = (struct tr_etw_field){
            .name = field->name, .name_bytes = field->name_bytes, .type = TR_ETW_BYTES, .length_kind = TR_ETW_COUNTED
        };
        break;
    default:
        break;
    }
}

/* Read one field's description. Of a struct, *children is how many fields or structs it has. */
static void read_field(struct reader *reader, struct tr_etw_field *field, uint32_t *children)
{
    uint32_t name_bytes;
    uint8_t in, out = 0;

    memset(field, 0, sizeof *field);
    field->name = next_name(reader, &name_bytes);
    field->name_bytes = (uint16_t)name_bytes;
    in = next_byte(reader);
    if (in & CHAIN) {
        out = next_byte(reader);
        if (out & CHAIN)
            skip_tags(reader);
        out &= (uint8_t)~CHAIN;
    }
    field->type = in_types[in & IN_TYPE].type;
    field->length_kind = in_types[in & IN_TYPE].length_kind;
    field->show = show_of(field->type, out);
    if (!field->show)
        field->show = in_types[in & IN_TYPE].show;
    *children = (in & IN_TYPE) == IN_STRUCT ? out : 0;
    set_count(reader, in, field);
    reader->bad = reader->bad || !field->type;
}

/* Read the fields, closing each struct after as many children as it said. Returns their number. */
static uint32_t read_fields(struct reader *reader, struct tr_etw_field *fields)
{
    uint32_t open[TR_ETW_MAX_DEPTH], left[TR_ETW_MAX_DEPTH], depth = 0, count = 0;

    while (reader->at < reader->end && !reader->bad && count < TR_ETW_MAX_FIELDS) {
        uint32_t index = count++, children;

        read_field(reader, &fields[index], &children);
        if (depth)
            left[depth - 1]--;
        if (children && depth == TR_ETW_MAX_DEPTH)
            break;
        if (children) {
            open[depth] = index;
            left[depth++] = children;
        }
        while (depth && left[depth - 1] == 0) {
            depth--;
            fields[open[depth]].members = (uint16_t)(count - 1 - open[depth]);
        }
    }
    reader->bad = reader->bad || depth || reader->at < reader->end;
    return count;
}

struct tr_etw_schema *tr_etw_describe(const uint8_t *description, uint32_t bytes, struct tr_etw_field *fields)
{
    struct reader reader = {.data = description, .end = bytes};
    struct tr_etw_layout layout = {.texts = (const char *)description, .text_bytes = bytes, .fields = fields};
    uint32_t size = next_u16(&reader);
    struct tr_etw_schema *schema = NULL;
    int32_t error = -2;

    reader.bad = reader.bad || size > bytes;
    reader.end = reader.bad ? reader.at : size;
    skip_tags(&reader);
    layout.name = next_name(&reader, &layout.name_bytes);
    if (!reader.bad)
        layout.field_count = read_fields(&reader, fields);
    if (!reader.bad)
        schema = tr_etw_schema_prepare(&layout, &error);
    if (!schema && error == -2) {
        schema = calloc(1, sizeof *schema);
        if (schema)
            schema->bad = true;
    }
    return schema;
}
