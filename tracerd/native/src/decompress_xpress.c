/* Plain LZ77, the compression of most recordings ([MS-XCA] 2.4): flag words of 32 bits, the highest first, say of each
   item whether it is a literal byte or a match of 16 bits: 13 of distance, 3 of length. */
#include "decompress.h"

#define LITERALS_AT_ONCE 32u

struct state {
    const struct tr_packed *packed;
    uint32_t at;                     /* in the input */
    uint32_t made;
    uint32_t nibble_at;              /* of the byte whose upper half is the next length; 0: none, as no byte 0 is one */
};

/* Take a number of `bytes` bytes, 1 to 4. Returns false at the end of the input. */
static bool take(struct state *s, uint32_t bytes, uint32_t *number)
{
    if (s->packed->in_size - s->at < bytes)
        return false;
    *number = 0;
    memcpy(number, s->packed->in + s->at, bytes);
    s->at += bytes;
    return true;
}

/* Two lengths share a byte: the first takes its lower half, the second the upper. */
static bool take_nibble(struct state *s, uint32_t *nibble)
{
    if (s->nibble_at) {
        *nibble = s->packed->in[s->nibble_at] >> 4;
        s->nibble_at = 0;
        return true;
    }
    s->nibble_at = s->at;
    if (!take(s, 1, nibble))
        return false;
    *nibble &= 15;
    return true;
}

/* A length that does not fit 3 bits: 4 more, else 8 more, else 16 that stand for all, else 32. Less the minimum of 3. */
static bool take_length(struct state *s, uint32_t *length)
{
    uint32_t more;

    if (!take_nibble(s, &more))
        return false;
    *length = 7 + more;
    if (more < 15)
        return true;
    if (!take(s, 1, &more))
        return false;
    *length = 7 + 15 + more;
    if (more < 255)
        return true;
    if (!take(s, 2, length))
        return false;
    if (*length == 0 && !take(s, 4, length))
        return false;
    return *length >= 7 + 15 && *length <= UINT32_MAX - 3;
}

static bool match(struct state *s)
{
    uint32_t word, length;

    if (!take(s, 2, &word))
        return false;
    length = word & 7;
    if (length == 7 && !take_length(s, &length))
        return false;
    length += 3;
    if (!tr_copy_match(s->packed->out, s->made, s->packed->room, (word >> 3) + 1, length))
        return false;
    s->made += length;
    return true;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Returns false when the input or the room ends. */
static bool literals(struct state *s, uint32_t count)
{
    const struct tr_packed *p = s->packed;
    uint32_t in_left = p->in_size - s->at, out_left = p->room - s->made;

    if (in_left >= LITERALS_AT_ONCE && out_left >= LITERALS_AT_ONCE) {
        memcpy(p->out + s->made, p->in + s->at, LITERALS_AT_ONCE);
        s->at += count;
        s->made += count;
        return true;
    }
    in_left = least(in_left, out_left);
    memcpy(p->out + s->made, p->in + s->at, least(count, in_left));
    s->at += least(count, in_left);
    s->made += least(count, in_left);
    return count <= in_left;
}

/* The 32 items of one flag word. */
static bool group(struct state *s, uint32_t flags)
{
    uint32_t left = 32;

    while (left) {
        uint32_t run = flags ? (uint32_t)__builtin_clz(flags) : 32;

        run = least(run, left);
        if (run && !literals(s, run))
            return false;
        left -= run;
        if (!left)
            return true;
        if (!match(s))
            return false;
        flags = run == 31 ? 0 : flags << (run + 1);
        left--;
    }
    return true;
}

uint32_t tr_xpress(const struct tr_packed *packed)
{
    struct state s = {.packed = packed};
    uint32_t flags;

    while (s.made < packed->room && take(&s, 4, &flags) && group(&s, flags))
        continue;
    return s.made;
}
