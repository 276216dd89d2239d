/* Decode one event header. Every size is checked against the room before anything behind it is read. */
#include "etl_parts.h"

#define MARKER_TRACE_HEADER 0x80u
#define FLAG_EXTENDED 0x0001u                /* EVENT_HEADER_FLAG_EXTENDED_INFO */
#define FLAG_32_BIT 0x0020u
#define PERFINFO_PEBS 0x8000u
#define ITEM_SCHEMA 0x0bu                    /* EVENT_HEADER_EXT_TYPE_EVENT_SCHEMA_TL, …_PROV_TRAITS */
#define ITEM_TRAITS 0x0cu

/* Bytes from `at` to the end of the fixed header, or 0 for a kind that does not exist. */
static uint32_t header_size(const uint8_t *at)
{
    uint16_t version = tr_u16(at);

    switch (at[2]) {
    case TR_ETL_SYSTEM32: case TR_ETL_SYSTEM64: return 32;
    case TR_ETL_COMPACT32: case TR_ETL_COMPACT64: return 24;
    case TR_ETL_PERFINFO32: case TR_ETL_PERFINFO64:
        return 16 + (version & PERFINFO_PEBS ? 8 : 0) + 8 * ((version >> 8) & 7u);
    case TR_ETL_FULL32: case TR_ETL_FULL64: return 48;
    case TR_ETL_INSTANCE32: case TR_ETL_INSTANCE64: return 72;
    case TR_ETL_EVENT32: case TR_ETL_EVENT64: return 80;
    case TR_ETL_ERROR: return 8;
    default: return 0;
    }
}

static bool sized_behind_version(uint8_t kind)
{
    return kind <= TR_ETL_COMPACT64 || kind == TR_ETL_PERFINFO32 || kind == TR_ETL_PERFINFO64;
}

static bool is_64_bit(uint8_t kind)
{
    return kind == TR_ETL_SYSTEM64 || kind == TR_ETL_COMPACT64 || kind == TR_ETL_PERFINFO64 ||
           kind == TR_ETL_EVENT64 || kind == TR_ETL_FULL64 || kind == TR_ETL_INSTANCE64;
}

static void decode_kernel(const uint8_t *at, struct tr_etl_event *event)
{
    event->hook = (uint16_t)(at[7] << 8 | at[6]);
    event->opcode = at[6];
    event->version = at[0];
    if (event->kind == TR_ETL_PERFINFO32 || event->kind == TR_ETL_PERFINFO64) {
        event->pid = event->tid = TR_ETL_NO_TASK;
        event->ticks = tr_i64(at + 8);
        return;
    }
    event->tid = tr_u32(at + 8);
    event->pid = tr_u32(at + 12);
    event->ticks = tr_i64(at + 16);
}

static void decode_classic(const uint8_t *at, struct tr_etl_event *event)
{
    uint16_t version = tr_u16(at + 6);

    event->opcode = at[4];
    event->level = at[5];
    event->version = version > 255 ? 255 : (uint8_t)version;
    event->tid = tr_u32(at + 8);
    event->pid = tr_u32(at + 12);
    event->ticks = tr_i64(at + 16);
    event->provider = at + 24;
}

/* Keep what an extended item says of the event's fields. */
static void note_item(const uint8_t *item, uint32_t total, struct tr_etl_event *event)
{
    uint16_t type = tr_u16(item + 2), bytes = tr_u16(item + 6);

    if (bytes > total - 8)
        return;
    if (type == ITEM_SCHEMA) {
        event->described.schema = item + 8;
        event->described.schema_bytes = bytes;
    } else if (type == ITEM_TRAITS) {
        event->described.traits = item + 8;
        event->described.traits_bytes = bytes;
    }
}

/* Extended items lie between header and payload: {u16 total size, u16 type, u16 linkage, u16 data size}, padded to 8. The
   padding of the last one may be what pads the event itself, which its size leaves out. Returns the bytes up to the
   payload, or 0 if they do not fit. */
static uint32_t skip_extended(const uint8_t *at, uint32_t offset, uint32_t size, struct tr_etl_event *event)
{
    bool more = true;

    while (more) {
        uint32_t left = size - offset, total;

        if (left < 8)
            return 0;
        total = (tr_u16(at + offset) + 7u) & ~7u;
        if (tr_u16(at + offset) < 8 || total > ((left + 7) & ~7u) || tr_u16(at + offset + 6) > left - 8)
            return 0;
        note_item(at + offset, total, event);
        more = tr_u16(at + offset + 4) & 1;
        offset += total < left ? total : left;
    }
    return offset;
}

static uint32_t decode_manifest(const uint8_t *at, uint32_t offset, struct tr_etl_event *event)
{
    event->flags = tr_u16(at + 4);
    event->tid = tr_u32(at + 8);
    event->pid = tr_u32(at + 12);
    event->ticks = tr_i64(at + 16);
    event->provider = at + 24;
    event->id = tr_u16(at + 40);
    event->version = at[42];
    event->channel = at[43];
    event->level = at[44];
    event->opcode = at[45];
    event->task = tr_u16(at + 46);
    event->keyword = (uint64_t)tr_i64(at + 48);
    event->activity = at + 64;
    event->by_id = !(event->flags & TR_ETW_FLAG_CLASSIC);
    if (event->flags & FLAG_32_BIT)
        event->pointer_size = 4;
    return event->flags & FLAG_EXTENDED ? skip_extended(at, offset, event->size, event) : offset;
}

static const uint8_t no_provider[16];

/* WPP: optional fields in fixed order. Returns the bytes up to the payload, or 0 if they do not fit. */
static uint32_t decode_message_fields(const uint8_t *at, struct tr_etl_event *event)
{
    enum { SEQUENCE = 1, GUID = 2, COMPONENT = 4, TIMESTAMP = 8, SYSTEM_INFO = 0x20, POINTER64 = 0x80 };
    uint16_t options = tr_u16(at + 6);
    uint32_t offset = 8;
    uint32_t needed = 8u + (options & SEQUENCE ? 4 : 0) + (options & GUID ? 16 : options & COMPONENT ? 4 : 0) +
                      (options & TIMESTAMP ? 8 : 0) + (options & SYSTEM_INFO ? 8 : 0);

    if (event->size < needed)
        return 0;
    event->pointer_size = options & POINTER64 ? 8 : 4;
    event->timed = options & TIMESTAMP;
    offset += options & SEQUENCE ? 4 : 0;
    event->provider = options & GUID ? at + offset : no_provider;
    offset += options & GUID ? 16 : options & COMPONENT ? 4 : 0;
    if (options & TIMESTAMP)
        event->ticks = tr_i64(at + offset);
    offset += options & TIMESTAMP ? 8 : 0;
    event->tid = options & SYSTEM_INFO ? tr_u32(at + offset) : TR_ETL_NO_TASK;
    event->pid = options & SYSTEM_INFO ? tr_u32(at + offset + 4) : TR_ETL_NO_TASK;
    return needed;
}

static enum tr_etl_step finish(const uint8_t *at, uint32_t offset, struct tr_etl_event *event)
{
    if (!offset)
        return TR_ETL_DAMAGED;
    event->payload = at + offset;
    event->payload_size = event->size - offset;
    return TR_ETL_EVENT;
}

static enum tr_etl_step decode_message(const uint8_t *at, uint32_t room, struct tr_etl_event *event)
{
    event->kind = TR_ETL_MESSAGE;
    event->size = tr_u16(at);
    if (event->size < 8 || event->size > room)
        return TR_ETL_DAMAGED;
    event->by_id = true;
    event->id = tr_u16(at + 4);
    event->flags = tr_u16(at + 6);
    return finish(at, decode_message_fields(at, event), event);
}

bool tr_etl_may_end(const struct tr_etl *etl, const uint8_t *data, uint32_t at, uint32_t end)
{
    uint32_t left = end - at;

    if (left < 8)
        return true;
    return end >= etl->facts.buffer_size && memcmp(data + at, data + at + 1, left - 1) == 0;
}

enum tr_etl_step tr_etl_decode(const uint8_t *at, uint32_t room, struct tr_etl_event *event)
{
    uint32_t marker, header;

    if (room < 8)
        return TR_ETL_END;
    marker = tr_u32(at);
    if (marker == 0 || marker == 0xffffffffu)
        return TR_ETL_END;
    memset(event, 0, sizeof *event);
    if ((at[3] & 0xf0u) == 0x90u)
        return decode_message(at, room, event);
    header = at[3] & MARKER_TRACE_HEADER ? header_size(at) : 0;
    event->kind = at[2];
    event->size = tr_u16(at + (sized_behind_version(at[2]) ? 4 : 0));
    if (!header || event->size < header || event->size > room)
        return TR_ETL_DAMAGED;
    event->timed = true;
    event->pointer_size = is_64_bit(event->kind) ? 8 : 4;
    switch (event->kind) {
    case TR_ETL_ERROR:
        return TR_ETL_SKIP;
    case TR_ETL_EVENT32: case TR_ETL_EVENT64:
        return finish(at, decode_manifest(at, header, event), event);
    case TR_ETL_FULL32: case TR_ETL_FULL64: case TR_ETL_INSTANCE32: case TR_ETL_INSTANCE64:
        decode_classic(at, event);
        return finish(at, header, event);
    default:
        decode_kernel(at, event);
        return finish(at, header, event);
    }
}
