/* Hashing and comparing keys: inlined with a constant size where a map's key size is a common one. */
#ifndef TR_HASH_H
#define TR_HASH_H

#include <stdint.h>
#include <string.h>

static inline uint64_t tr_hash_mix(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __uint128_t product = (__uint128_t)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t low = (a & 0xffffffff) * (b >> 32), high = (a >> 32) * (b & 0xffffffff);

    return a * b ^ (low >> 32) ^ (high >> 32) ^ ((a >> 32) * (b >> 32));
#endif
}

/* Up to 8 bytes as one number, different for different bytes of the same size. A memcpy of unknown size would be a
   call that costs more than the whole lookup. */
static inline uint64_t tr_key_word(const uint8_t *bytes, uint32_t size)
{
    uint64_t word;
    uint32_t low, high;

    if (size == 8) {
        memcpy(&word, bytes, 8);
        return word;
    }
    if (size >= 4) {
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + size - 4, 4);
        return low | (uint64_t)high << 32;
    }
    return bytes[0] | (uint32_t)bytes[size / 2] << 8 | (uint32_t)bytes[size - 1] << 16;
}

/* Multiply-and-fold over 8-byte words, the last two overlapping. The seed is secret, so whoever chooses keys cannot
   choose their buckets. */
static inline uint64_t tr_hash_key(const void *key, uint32_t size, uint64_t seed)
{
    const uint8_t *bytes = key;
    uint64_t hash = seed ^ size * 0x9e3779b97f4a7c15u;

    if (size > 8) {
        for (uint32_t at = 0; at + 8 < size; at += 8)
            hash = tr_hash_mix(tr_key_word(bytes + at, 8) ^ hash, 0xa0761d6478bd642fu ^ seed);
        bytes += size - 8;
        size = 8;
    }
    return tr_hash_mix(tr_key_word(bytes, size) ^ hash, 0xe7037ed1a0b428dbu ^ seed);
}

static inline int tr_same_key(const void *a, const void *b, uint32_t size)
{
    const uint8_t *p = a, *q = b;

    if (size > 8) {
        for (uint32_t at = 0; at + 8 < size; at += 8)
            if (tr_key_word(p + at, 8) != tr_key_word(q + at, 8))
                return 0;
        p += size - 8;
        q += size - 8;
        size = 8;
    }
    return tr_key_word(p, size) == tr_key_word(q, size);
}

#endif
