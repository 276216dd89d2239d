/* The compressions of [MS-XCA], one function each. Compressed bytes are untrusted: nothing outside `in` is read, nothing
   outside `out` is written, and every step makes output or ends. */
#ifndef TR_DECOMPRESS_H
#define TR_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TR_LZNT1 = 2, TR_XPRESS = 3, TR_XPRESS_HUFF = 4 };     /* COMPRESSION_FORMAT_* */

struct tr_packed {
    const uint8_t *in;
    uint32_t in_size;
    uint8_t *out;
    uint32_t room;                   /* bytes that are expected: decompression ends with them */
};

/* A canonical Huffman code, as a table of the next 15 bits. 64 KiB: the caller keeps it. */
#define TR_HUFFMAN_BITS 15
struct tr_huffman {
    uint16_t entries[1 << TR_HUFFMAN_BITS];      /* symbol << 4 | bits of its code */
};

/* Each returns the bytes made: less than `room` if the input is damaged or ends before. */
uint32_t tr_xpress(const struct tr_packed *packed);
uint32_t tr_xpress_huffman(const struct tr_packed *packed, struct tr_huffman *table);
uint32_t tr_lznt1(const struct tr_packed *packed);

/* Copy `length` bytes from `distance` before `made`. A match may reach into what it makes itself, so bytes go one by one
   unless source and target are apart. Returns false if it starts before the output or ends behind it. */
static inline bool tr_copy_match(uint8_t *out, uint32_t made, uint32_t room, uint32_t distance, uint32_t length)
{
    uint8_t *to = out + made;
    const uint8_t *from;

    if (distance > made || length > room - made)
        return false;
    from = to - distance;
    if (distance >= 8 && room - made >= 32 && length <= 24) {
        for (uint32_t i = 0; i < length; i += 8)
            memcpy(to + i, from + i, 8);     /* up to 7 bytes too many, inside the room: overwritten later */
        return true;
    }
    if (distance >= length) {
        memcpy(to, from, length);
        return true;
    }
    for (uint32_t i = 0; i < length; i++)
        to[i] = from[i];
    return true;
}

#endif
