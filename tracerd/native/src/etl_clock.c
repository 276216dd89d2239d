/* The three clocks of a recording. */
#include "etl_parts.h"

#define FILETIME_OF_1970 116444736000000000LL
#define NS_PER_SECOND 1000000000LL

static int64_t saturate(__int128 value)
{
    if (value > INT64_MAX)
        return INT64_MAX;
    return value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

/* Floor of ticks * 1e9 / frequency. Most machines count at 10 MHz: there a tick is a whole number of ns. */
static __int128 ticks_to_ns(__int128 ticks, int64_t frequency)
{
    __int128 scaled;

    if (frequency == 10000000)
        return ticks * 100;
    scaled = ticks * NS_PER_SECOND;
    if (scaled >= 0)
        return scaled / frequency;
    return -((-scaled + frequency - 1) / frequency);
}

static __int128 filetime_to_unix(int64_t filetime)
{
    return ((__int128)filetime - FILETIME_OF_1970) * 100;
}

int64_t tr_etl_unix_ns(const struct tr_etl_facts *facts, int64_t ticks)
{
    if (facts->clock == 2)
        return saturate(filetime_to_unix(ticks));
    return saturate(filetime_to_unix(facts->start_time) +
                    ticks_to_ns((__int128)ticks - facts->start_ticks, facts->frequency));
}

int64_t tr_etl_clock_ns(const struct tr_etl_facts *facts, int64_t ticks)
{
    if (facts->clock == 2)
        return saturate(filetime_to_unix(ticks));
    return saturate(ticks_to_ns(ticks, facts->frequency));
}
