/* One buffer into memory, decompressed. Each buffer stands alone, so a damaged one costs no other. */
#include <stdlib.h>

#include "etl_parts.h"

#define FORMAT_TRIES 8u

static uint32_t decompress_as(uint32_t format, const struct tr_packed *packed, struct tr_huffman *huffman)
{
    switch (format) {
    case TR_LZNT1: return tr_lznt1(packed);
    case TR_XPRESS: return tr_xpress(packed);
    case TR_XPRESS_HUFF: return tr_xpress_huffman(packed, huffman);
    default: return 0;
    }
}

/* Returns the format in which all that is expected can be made, the one told if it can; 0 if there is none. Bytes of one
   format do not by chance make all of it as another. */
static uint32_t format_of(const struct tr_etl *etl, const struct tr_packed *packed)
{
    uint32_t told = etl->facts.compression;

    if (decompress_as(told, packed, etl->huffman) == packed->room)
        return told;
    for (uint32_t format = TR_LZNT1; format <= TR_XPRESS_HUFF; format++)
        if (format != told && decompress_as(format, packed, etl->huffman) == packed->room)
            return format;
    return 0;
}

/* Of a damaged buffer, what comes before the damage is made. */
static uint32_t decompress(const struct tr_etl *etl, const struct tr_packed *packed)
{
    return format_of(etl, packed) ? packed->room : decompress_as(etl->facts.compression, packed, etl->huffman);
}

static struct tr_packed read_packed(const struct tr_etl *etl, const struct tr_etl_buffer *buffer, uint8_t *to)
{
    int64_t got = tr_etl_read(etl->fd, etl->packed, buffer->stored, buffer->offset + TR_ETL_BUFFER_HEADER);

    return (struct tr_packed){
        .in = etl->packed,
        .in_size = got < 0 ? 0 : (uint32_t)got,
        .out = to + TR_ETL_BUFFER_HEADER,
        .room = buffer->end - TR_ETL_BUFFER_HEADER,
    };
}

static uint32_t load_packed(const struct tr_etl *etl, const struct tr_etl_buffer *buffer, uint8_t *to)
{
    struct tr_packed packed = read_packed(etl, buffer, to);

    return packed.in_size ? TR_ETL_BUFFER_HEADER + decompress(etl, &packed) : 0;
}

/* Find out the format of one buffer. Returns it, 0 if the buffer is damaged, or -1 without memory. */
static int64_t try_formats(const struct tr_etl *etl, const struct tr_etl_buffer *buffer)
{
    uint8_t *to = malloc(buffer->end);
    struct tr_packed packed;
    uint32_t format;

    if (!to)
        return -1;
    packed = read_packed(etl, buffer, to);
    format = format_of(etl, &packed);
    free(to);
    return format;
}

/* The field that tells the format is the header buffer's state in other files, where 3 is "flushed" as well as XPRESS. So
   the first buffers that are sound have the last word. */
int32_t tr_etl_settle_format(struct tr_etl *etl)
{
    uint32_t tried = 0;
    int64_t format = 0;

    for (uint32_t i = 0; i < etl->count && tried < FORMAT_TRIES && !format; i++) {
        if (!etl->buffers[i].stored)
            continue;
        format = try_formats(etl, &etl->buffers[i]);
        tried++;
    }
    if (format > 0)
        etl->facts.compression = (uint32_t)format;
    return format < 0 ? TR_ETL_NO_MEMORY : 0;
}

uint32_t tr_etl_load(const struct tr_etl *etl, const struct tr_etl_buffer *buffer, uint8_t *to,
                     struct tr_etl_damage *damage, bool *cut)
{
    uint32_t end;

    if (buffer->stored) {
        end = load_packed(etl, buffer, to);
    } else {
        int64_t got = tr_etl_read(etl->fd, to, buffer->end, buffer->offset);

        end = got < 0 ? 0 : (uint32_t)got;
    }
    *cut = buffer->cut || end != buffer->end;
    if (end != buffer->end && !buffer->cut) {
        damage->packed += buffer->stored && end;
        damage->gone += !buffer->stored || !end;
    }
    return end;
}

int64_t tr_decompress(uint32_t format, const uint8_t *in, uint32_t in_size, uint8_t *out, uint32_t room)
{
    struct tr_packed packed = {.in = in, .in_size = in_size, .out = out, .room = room};
    struct tr_huffman *huffman = malloc(sizeof *huffman);
    int64_t made = -1;

    if (huffman)
        made = decompress_as(format, &packed, huffman);
    free(huffman);
    return made;
}
