/* LZ77 with a Huffman code ([MS-XCA] 2.2): blocks of 64 KiB of output, each with the lengths of its 512 codes first.
   Symbols below 256 are literals; the others hold a match's length and how many bits of distance follow. */
#include "decompress.h"

#define SYMBOLS 512u
#define TABLE_BYTES 256u                     /* two lengths of 4 bits in a byte */
#define ENTRIES (1u << TR_HUFFMAN_BITS)
#define BLOCK 65536u

/* Bits come in words of 16; at least 16 of them are ahead of what is decoded. */
struct bits {
    const uint8_t *in;
    uint32_t in_size;
    uint32_t at;
    uint32_t next;                   /* the bits ahead, left-aligned */
    int32_t extra;                   /* how many more than 16 they are */
    int32_t missing;                 /* words that were taken from behind the input */
};

static uint32_t length_of(const uint8_t *lengths, uint32_t symbol)
{
    return symbol & 1 ? lengths[symbol / 2] >> 4 : lengths[symbol / 2] & 15u;
}

/* Codes are handed out by length and then by symbol. Returns false unless they use up all of the table. */
static bool make_table(struct tr_huffman *table, const uint8_t *lengths)
{
    uint32_t used = 0;

    for (uint32_t bits = 1; bits <= TR_HUFFMAN_BITS; bits++) {
        for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
            uint32_t count = 1u << (TR_HUFFMAN_BITS - bits);

            if (length_of(lengths, symbol) != bits)
                continue;
            if (count > ENTRIES - used)
                return false;
            for (uint32_t i = 0; i < count; i++)
                table->entries[used + i] = (uint16_t)(symbol << 4 | bits);
            used += count;
        }
    }
    return used == ENTRIES;
}

/* Bits are read ahead, so the last words may lie behind the input: they are zero there, and counted. */
static uint32_t take_word(struct bits *b)
{
    uint16_t word = 0;

    if (b->at > b->in_size || b->in_size - b->at < 2) {
        b->missing++;
        return 0;
    }
    memcpy(&word, b->in + b->at, sizeof word);
    b->at += 2;
    return word;
}

/* Returns whether bits were used that are not in the input. */
static bool overran(const struct bits *b)
{
    return b->missing * 16 > b->extra + 16;
}

static void begin(struct bits *b)
{
    b->next = take_word(b) << 16;
    b->next |= take_word(b);
    b->extra = 16;
}

/* Use up 0 to 15 bits. */
static void drop(struct bits *b, uint32_t count)
{
    b->next <<= count;
    b->extra -= (int32_t)count;
    if (b->extra < 0) {
        b->next |= take_word(b) << -b->extra;
        b->extra += 16;
    }
}

static bool take(struct bits *b, uint32_t bytes, uint32_t *number)
{
    if (b->at > b->in_size || b->in_size - b->at < bytes)
        return false;
    *number = 0;
    memcpy(number, b->in + b->at, bytes);
    b->at += bytes;
    return true;
}

/* A length that does not fit 4 bits: 8 more, else 16 that stand for all, else 32. Less the minimum of 3. */
static bool take_length(struct bits *b, uint32_t *length)
{
    uint32_t more;

    if (!take(b, 1, &more))
        return false;
    *length = 15 + more;
    if (more < 255)
        return true;
    if (!take(b, 2, length))
        return false;
    if (*length == 0 && !take(b, 4, length))
        return false;
    return *length >= 15 && *length <= UINT32_MAX - 3;
}

/* Returns the bytes the match made, 0 if it makes no sense. */
static uint32_t match(struct bits *b, const struct tr_packed *packed, uint32_t made, uint32_t symbol)
{
    uint32_t length = symbol & 15u, distance_bits = symbol >> 4 & 15u;
    uint32_t distance = 1u << distance_bits;

    if (length == 15 && !take_length(b, &length))
        return 0;
    if (distance_bits)
        distance += b->next >> (32 - distance_bits);
    drop(b, distance_bits);
    length += 3;
    return tr_copy_match(packed->out, made, packed->room, distance, length) ? length : 0;
}

/* One block, behind its table. Returns what is made in all; less than `until` if it ends in damage. */
static uint32_t block(struct bits *b, const struct tr_packed *packed, const struct tr_huffman *table, uint32_t made)
{
    uint32_t until = packed->room - made > BLOCK ? made + BLOCK : packed->room;

    while (made < until) {
        uint16_t entry = table->entries[b->next >> (32 - TR_HUFFMAN_BITS)];
        uint32_t symbol = entry >> 4, got = 1;

        drop(b, entry & 15u);
        if (overran(b))
            return made;
        if (symbol < 256)
            packed->out[made] = (uint8_t)symbol;
        else
            got = match(b, packed, made, symbol - 256);
        if (!got)
            return made;
        made += got;
    }
    return made;
}

uint32_t tr_xpress_huffman(const struct tr_packed *packed, struct tr_huffman *table)
{
    struct bits bits = {.in = packed->in, .in_size = packed->in_size};
    uint32_t made = 0;

    while (made < packed->room) {
        uint32_t before = made;

        if (bits.at > bits.in_size || bits.in_size - bits.at < TABLE_BYTES)
            return made;
        if (!make_table(table, packed->in + bits.at))
            return made;
        bits.at += TABLE_BYTES;
        begin(&bits);
        made = block(&bits, packed, table, made);
        if (made < packed->room && made - before < BLOCK)
            return made;
    }
    return made;
}
