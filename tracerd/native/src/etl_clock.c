/* The three clocks of a recording. */
#include "etl_parts.h"

#define FILETIME_OF_1970 116444736000000000LL
#define NS_PER_SECOND 1000000000LL
#define FARTHEST ((int64_t)1 << 62)          /* ns: 146 years, until 2116. No later time is in a .trec (clock.py). */
#define EXACT_IN_DOUBLE ((uint64_t)1 << 52)

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

/* Unix time of the start. Where nobody knows it, what the recording's own clock says. */
static __int128 start_to_unix(const struct tr_etl_facts *facts)
{
    return facts->start_time ? filetime_to_unix(facts->start_time) : ticks_to_ns(facts->start_ticks, facts->frequency);
}

bool tr_etl_start_known(const struct tr_etl_facts *facts)
{
    __int128 start = filetime_to_unix(facts->start_time);

    return start >= 0 && start <= FARTHEST;
}

int64_t tr_etl_unix_ns(const struct tr_etl_facts *facts, int64_t ticks)
{
    if (facts->clock == 2)
        return saturate(filetime_to_unix(ticks));
    return saturate(start_to_unix(facts) +
                    ticks_to_ns((__int128)ticks - facts->start_ticks, facts->frequency));
}

int64_t tr_etl_clock_ns(const struct tr_etl_facts *facts, int64_t ticks)
{
    if (facts->clock == 2)
        return saturate(filetime_to_unix(ticks));
    return saturate(ticks_to_ns(ticks, facts->frequency));
}

static void set_pace(struct tr_etl_pace *pace, const struct tr_etl_facts *facts)
{
    uint64_t frequency = (uint64_t)facts->frequency, rest = (uint64_t)NS_PER_SECOND % frequency;
    int64_t start = tr_etl_unix_ns(facts, facts->start_ticks);

    memset(pace, 0, sizeof *pace);
    pace->start_ns = start;
    if (facts->clock == 2 || frequency >= (uint64_t)1 << 32 || start < 0 || start > FARTHEST)
        return;
    pace->frequency = frequency;
    pace->inverse = 1.0 / (double)frequency;
    pace->whole = (uint64_t)NS_PER_SECOND / frequency;
    pace->part = (uint64_t)((((unsigned __int128)rest << 64) + frequency - 1) / frequency);
    pace->limit = frequency << 31;           /* 68 years, in ns still far below 2**63 */
    if (pace->limit > EXACT_IN_DOUBLE)
        pace->limit = EXACT_IN_DOUBLE;
}

/* Floor of ticks * 1e9 / frequency, for ticks below the limit. The seconds are guessed in floating point and put right.
   What is left, below the frequency f, is multiplied with 1e9 / f, of which the part below one is rounded up to 64 bits.
   That adds less than f / 2**64 to the product. The product's distance to the next whole number is at least 1 / f, which
   is more, as f is below 2**32: the floor stays the same. */
static uint64_t paced_ns(const struct tr_etl_pace *pace, uint64_t ticks)
{
    uint64_t seconds = (uint64_t)((double)ticks * pace->inverse);
    int64_t left = (int64_t)(ticks - seconds * pace->frequency);

    if (left < 0) {
        seconds--;
        left += (int64_t)pace->frequency;
    } else if (left >= (int64_t)pace->frequency) {
        seconds++;
        left -= (int64_t)pace->frequency;
    }
    return seconds * (uint64_t)NS_PER_SECOND + (uint64_t)left * pace->whole +
           (uint64_t)((unsigned __int128)(uint64_t)left * pace->part >> 64);
}

void tr_etl_set_clock(struct tr_etl_clock *clock, const struct tr_etl_facts *facts)
{
    clock->facts = facts;
    clock->shift_ns = 0;
    set_pace(&clock->pace, facts);
}

int64_t tr_etl_event_unix_ns(const struct tr_etl_clock *clock, int64_t ticks)
{
    uint64_t elapsed = (uint64_t)ticks - (uint64_t)clock->facts->start_ticks;

    if (ticks < clock->facts->start_ticks || elapsed >= clock->pace.limit)
        return tr_etl_unix_ns(clock->facts, ticks);
    return clock->pace.start_ns + (int64_t)paced_ns(&clock->pace, elapsed);
}

int64_t tr_etl_event_clock_ns(const struct tr_etl_clock *clock, int64_t ticks)
{
    if (ticks < 0 || (uint64_t)ticks >= clock->pace.limit)
        return saturate((__int128)tr_etl_clock_ns(clock->facts, ticks) + clock->shift_ns);
    return (int64_t)paced_ns(&clock->pace, (uint64_t)ticks) + clock->shift_ns;
}
