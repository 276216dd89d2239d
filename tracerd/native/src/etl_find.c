/* Buffer headers: read one, and find the next one behind damage. */
#include "etl_parts.h"

#define FLAG_PROCESSOR_INDEX 0x20u
#define FLAG_COMPRESSED 0x40u
#define KNOWN_FLAGS 0xffu
#define LAST_BUFFER_TYPE 7u
#define LAST_STATE 16u                       /* a buffer's state is a small number, or a compression format */
#define LOOK (TR_ETL_BUFFER_HEADER + 4u)     /* a header and the first event's marker */
#define CHUNK 16384u
#define OVERLAP (TR_ETL_BUFFER_HEADER + 8u)   /* a multiple of 8, more than all but one byte of a look */

/* Where valid bytes end: recent systems say it in Offset, older ones in one of the other two. */
static uint32_t valid_end(const uint8_t *at)
{
    uint32_t end = tr_u32(at + 0x30);

    if (end < TR_ETL_BUFFER_HEADER)
        end = tr_u32(at + 4);
    return end < TR_ETL_BUFFER_HEADER ? tr_u32(at + 8) : end;
}

bool tr_etl_read_header(const uint8_t *at, struct tr_etl_header *header)
{
    header->size = tr_u32(at);
    header->end = valid_end(at);
    header->sequence = tr_i64(at + 0x18);
    header->flags = tr_u16(at + 0x34);
    header->type = tr_u16(at + 0x36);
    header->cpu = header->flags & FLAG_PROCESSOR_INDEX ? tr_u16(at + 0x28) : at[0x28];
    header->logger = tr_u16(at + 0x2a);
    header->packed = header->flags & FLAG_COMPRESSED;
    if (header->size < TR_ETL_BUFFER_HEADER || header->size > TR_ETL_MAX_BUFFER || header->type > LAST_BUFFER_TYPE)
        return false;
    return !header->packed || header->end <= TR_ETL_MAX_BUFFER;
}

bool tr_etl_blank(const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        if (at[i])
            return false;
    return true;
}

bool tr_etl_follows(const struct tr_etl *etl, uint64_t offset)
{
    uint8_t bytes[TR_ETL_BUFFER_HEADER];
    struct tr_etl_header header;

    if (offset >= etl->facts.file_bytes)
        return offset == etl->facts.file_bytes;
    if (tr_etl_read(etl->fd, bytes, sizeof bytes, offset) < (int64_t)sizeof bytes)
        return true;                         /* too short to tell */
    return tr_etl_read_header(bytes, &header) || tr_etl_blank(bytes, sizeof bytes);
}

/* Payload may look like a header, so more is asked of one that is not where it was expected: known flags and state, an
   event, and another buffer behind it. */
static bool certain(const struct tr_etl *etl, const uint8_t *bytes, uint64_t offset)
{
    struct tr_etl_header header;

    if (!tr_etl_read_header(bytes, &header) || header.flags > KNOWN_FLAGS ||
        (tr_u32(bytes + 0x2c) & 0xffffu) > LAST_STATE || header.end <= TR_ETL_BUFFER_HEADER)
        return false;
    if (!header.packed && !(bytes[TR_ETL_BUFFER_HEADER + 3] & 0x80))
        return false;
    if (!header.packed && header.size == etl->facts.buffer_size && header.size > etl->facts.file_bytes - offset)
        return true;                         /* the last one, cut off */
    return tr_etl_follows(etl, offset + header.size);
}

/* Look at the `size` bytes read from `offset`. Returns how many of them come before a buffer; all if there is none. */
static uint32_t search(const struct tr_etl *etl, const uint8_t *bytes, uint32_t size, uint64_t offset)
{
    /* Sessions write buffers of a multiple of 8 bytes; compressed ones have any size. */
    uint32_t step = tr_etl_compressed(&etl->facts) ? 1 : 8;

    for (uint32_t at = 0; at + LOOK <= size; at += step)
        if (tr_u32(bytes + at) >= TR_ETL_BUFFER_HEADER && certain(etl, bytes + at, offset + at))
            return at;
    return size;
}

uint64_t tr_etl_find(const struct tr_etl *etl, uint64_t from, bool *blank)
{
    uint8_t bytes[CHUNK];

    *blank = true;
    while (from < etl->facts.file_bytes) {
        int64_t got = tr_etl_read(etl->fd, bytes, sizeof bytes, from);
        uint32_t size = got < 0 ? 0 : (uint32_t)got, before = search(etl, bytes, size, from);

        *blank = *blank && got >= 0 && tr_etl_blank(bytes, before);
        if (before < size)
            return from + before;
        if (got >= 0 && size < CHUNK)
            break;
        from += CHUNK - OVERLAP;             /* one may start in the last bytes; what cannot be read is passed over */
    }
    return etl->facts.file_bytes;
}
