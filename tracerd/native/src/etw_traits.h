/* What a TraceLogging event says of its provider. To be included after etw_decode.h. */
#ifndef TR_ETW_TRAITS_H
#define TR_ETW_TRAITS_H

#include <string.h>

/* The name in PROV_TRAITS: {u16 size, name, zero, traits}. Returns its bytes, 0 for none. */
static inline uint32_t tr_etw_own_name(const struct tr_etw_described *described, const char **name)
{
    const uint8_t *begin, *zero;

    if (!described || !described->traits || described->traits_bytes <= 2)
        return 0;
    begin = described->traits + 2;
    zero = memchr(begin, 0, described->traits_bytes - 2u);
    *name = (const char *)begin;
    return zero ? (uint32_t)(zero - begin) : 0;
}

#endif
