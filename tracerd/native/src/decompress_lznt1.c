/* LZNT1 ([MS-XCA] 2.5): chunks of at most 4,096 bytes of output, plain or of groups of eight items. The more of a chunk
   is made, the more of a match's 16 bits are distance. */
#include "decompress.h"

#define CHUNK 4096u
#define CHUNK_COMPRESSED 0x8000u
#define CHUNK_SIZE 0x0fffu
#define CHUNK_SIGNATURE 3u

static uint32_t u16_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

/* Bits of distance in a match, once `made` bytes of the chunk are there: enough for all of them, 4 to 12. */
static uint32_t distance_bits(uint32_t made)
{
    uint32_t bits = 4;

    while (bits < 12 && 1u << bits < made)
        bits++;
    return bits;
}

/* Returns the bytes a match makes, 0 if it makes no sense. `made` and `room` are the chunk's. */
static uint32_t match(uint8_t *out, uint32_t made, uint32_t room, uint32_t word)
{
    uint32_t length_bits = 16 - distance_bits(made);
    uint32_t length = (word & ((1u << length_bits) - 1)) + 3;

    return tr_copy_match(out, made, room, (word >> length_bits) + 1, length) ? length : 0;
}

/* Returns the bytes made of a compressed chunk's `size` bytes, and in *sound whether all made sense. */
static uint32_t chunk(const uint8_t *in, uint32_t size, uint8_t *out, uint32_t room, bool *sound)
{
    uint32_t at = 0, made = 0, flags = 1;    /* the flags of a group, under a 1 that tells when they are used up */

    *sound = false;
    while (at < size && made < room) {
        uint32_t got = 1;

        if (flags == 1)
            flags = 0x100u | in[at++];
        if (at >= size)
            break;                           /* a flag byte at the very end */
        if (!(flags & 1)) {
            out[made] = in[at++];
        } else {
            if (size - at < 2)
                return made;
            got = match(out, made, room, u16_at(in + at));
            at += 2;
        }
        if (!got)
            return made;
        flags >>= 1;
        made += got;
    }
    *sound = true;
    return made;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t tr_lznt1(const struct tr_packed *packed)
{
    uint32_t at = 0, made = 0;
    bool sound = true;

    while (sound && made < packed->room && packed->in_size - at >= 2) {
        uint32_t header = u16_at(packed->in + at);
        uint32_t size = (header & CHUNK_SIZE) + 1, room = least(packed->room - made, CHUNK);

        at += 2;
        if ((header >> 12 & 7) != CHUNK_SIGNATURE || size > packed->in_size - at)
            return made;
        if (header & CHUNK_COMPRESSED) {
            made += chunk(packed->in + at, size, packed->out + made, room, &sound);
        } else {
            memcpy(packed->out + made, packed->in + at, least(size, room));
            made += least(size, room);
        }
        at += size;
    }
    return made;
}
