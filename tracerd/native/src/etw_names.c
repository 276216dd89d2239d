/* Things that have a written form of their own: GUIDs, SIDs, addresses, times. */
#include <stdio.h>

#include "etw_match.h"
#include "etw_text.h"

#define TICKS_PER_SECOND 10000000u           /* of FILETIME */
#define SECONDS_PER_DAY 86400u
#define UNIX_DAYS 134774u                    /* 1601-01-01 to 1970-01-01 */
#define LAST_DAY 3067670u                    /* 9999-12-31, from 1601: later years have five digits */
#define FAMILY_IPV4 2u                       /* AF_INET and AF_INET6 of Windows */
#define FAMILY_IPV6 23u

static void put_string(struct tr_text *text, const char *words)
{
    if (!text->bare)
        tr_text_byte(text, '"');
    tr_text_plain(text, words);
    if (!text->bare)
        tr_text_byte(text, '"');
}

/* Every event has a GUID and a time: these two are written by hand, which is ten times faster than snprintf. */
void tr_text_guid(struct tr_text *text, const uint8_t *guid)
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    static const char digits[] = "0123456789abcdef";
    char words[37];
    uint32_t used = 0;

    for (uint32_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            words[used++] = '-';
        words[used++] = digits[guid[order[i]] >> 4];
        words[used++] = digits[guid[order[i]] & 15];
    }
    words[used] = 0;
    put_string(text, words);
}

/* Write a number with leading zeros, and what comes behind it. */
static char *put_digits(char *at, uint32_t value, uint32_t digits, char behind)
{
    for (uint32_t i = digits; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    at[digits] = behind;
    return at + digits + 1;
}

void tr_text_sid(struct tr_text *text, const uint8_t *sid, uint32_t bytes)
{
    char words[32 + 255 * 11];
    uint64_t authority = 0;
    size_t at;

    if (bytes < 8) {                         /* no user */
        put_string(text, "");
        return;
    }
    for (uint32_t i = 2; i < 8; i++)
        authority = authority << 8 | sid[i];
    at = (size_t)snprintf(words, 32, authority >> 32 ? "S-%u-0x%012llx" : "S-%u-%llu", sid[0],
                          (unsigned long long)authority);
    for (uint32_t i = 8; i + 4 <= bytes; i += 4)
        at += (size_t)snprintf(words + at, 12, "-%u", tr_u32(sid + i));
    put_string(text, words);
}

static void write_ipv4(char *words, const uint8_t *a)
{
    snprintf(words, 16, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
}

void tr_text_ipv4(struct tr_text *text, const uint8_t *address)
{
    char words[16];

    write_ipv4(words, address);
    put_string(text, words);
}

static uint32_t group_at(const uint8_t *address, uint32_t group)
{
    return (uint32_t)address[2 * group] << 8 | address[2 * group + 1];
}

/* The longest run of zero groups, at least two: RFC 5952 §4.2 writes it as "::". */
static uint32_t longest_zeros(const uint8_t *address, uint32_t *length)
{
    uint32_t best = 8, run = 0;

    *length = 1;
    for (uint32_t i = 0; i < 8; i++) {
        run = group_at(address, i) ? 0 : run + 1;
        if (run > *length) {
            *length = run;
            best = i + 1 - run;
        }
    }
    return best;
}

static void write_ipv6(char *words, const uint8_t *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint32_t length, gap = longest_zeros(address, &length);
    size_t at = 0;

    if (!memcmp(address, mapped, sizeof mapped)) {
        at = (size_t)snprintf(words, 8, "::ffff:");
        write_ipv4(words + at, address + 12);
        return;
    }
    for (uint32_t i = 0; i < 8; i++) {
        if (i == gap) {
            at += (size_t)snprintf(words + at, 3, i ? ":" : "::");
            i += length - 1;
            continue;
        }
        at += (size_t)snprintf(words + at, 6, i < 7 ? "%x:" : "%x", group_at(address, i));
    }
}

void tr_text_ipv6(struct tr_text *text, const uint8_t *address)
{
    char words[48];

    write_ipv6(words, address);
    put_string(text, words);
}

/* sockaddr_in {family, port, address} or sockaddr_in6 {family, port, flow, address, scope}; else in hex. */
void tr_text_sockaddr(struct tr_text *text, const uint8_t *address, uint32_t bytes)
{
    uint32_t family = bytes >= 8 ? tr_u16(address) : 0;
    char host[48], words[64];

    if (family == FAMILY_IPV4) {
        write_ipv4(host, address + 4);
        snprintf(words, sizeof words, "%s:%u", host, group_at(address, 1));
        put_string(text, words);
    } else if (family == FAMILY_IPV6 && bytes >= 24) {
        write_ipv6(host, address + 8);
        snprintf(words, sizeof words, "[%s]:%u", host, group_at(address, 1));
        put_string(text, words);
    } else {
        tr_text_bytes(text, address, bytes);
    }
}

/* Days since 1601-01-01 to year, month and day of the Gregorian calendar, by eras of 400 years from 0000-03-01. */
static char *write_date(char *at, uint64_t days)
{
    uint64_t shifted = days + 584694, era = shifted / 146097, of_era = shifted % 146097;
    uint64_t of_400 = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * of_400 + of_400 / 4 - of_400 / 100);
    uint64_t from_march = (5 * of_year + 2) / 153;
    unsigned day = (unsigned)(of_year - (153 * from_march + 2) / 5 + 1);
    unsigned month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
    unsigned year = (unsigned)(of_400 + era * 400 + (month <= 2));

    return put_digits(put_digits(put_digits(at, year, 4, '-'), month, 2, '-'), day, 2, 'T');
}

/* `days` are from 1601, `fraction` has `digits` digits. */
static void put_time(struct tr_text *text, uint64_t days, uint32_t second, uint32_t fraction, uint32_t digits)
{
    char words[40], *at = write_date(words, days);

    at = put_digits(put_digits(at, second / 3600, 2, ':'), second / 60 % 60, 2, ':');
    at = put_digits(put_digits(at, second % 60, 2, '.'), fraction, digits, 'Z');
    *at = 0;
    put_string(text, words);
}

static uint32_t scaled(uint32_t value, uint32_t has, uint32_t wants)
{
    for (; has < wants; has++)
        value *= 10;
    for (; has > wants; has--)
        value /= 10;
    return value;
}

void tr_text_filetime(struct tr_text *text, uint64_t ticks, uint32_t digits)
{
    uint64_t seconds = ticks / TICKS_PER_SECOND, days = seconds / SECONDS_PER_DAY;

    if (days > LAST_DAY && text->bare && digits == 6)
        return;                              /* a column of times has no room for it */
    if (days > LAST_DAY)
        tr_text_hex(text, ticks);
    else
        put_time(text, days, (uint32_t)(seconds % SECONDS_PER_DAY),
                 scaled((uint32_t)(ticks % TICKS_PER_SECOND), 7, digits), digits);
}

void tr_text_unix_ns(struct tr_text *text, uint64_t ns, uint32_t digits)
{
    uint64_t seconds = ns / 1000000000u;

    put_time(text, seconds / SECONDS_PER_DAY + UNIX_DAYS, (uint32_t)(seconds % SECONDS_PER_DAY),
             scaled((uint32_t)(ns % 1000000000u), 9, digits), digits);
}

/* SYSTEMTIME: u16 year, month, weekday, day, hour, minute, second, millisecond. */
void tr_text_systemtime(struct tr_text *text, const uint8_t *time)
{
    uint16_t part[8];
    char words[40];

    memcpy(part, time, sizeof part);
    if (part[0] < 1601 || part[0] > 9999 || part[1] < 1 || part[1] > 12 || part[3] < 1 || part[3] > 31 ||
        part[4] > 23 || part[5] > 59 || part[6] > 60 || part[7] > 999) {
        tr_text_bytes(text, time, 16);
        return;
    }
    snprintf(words, sizeof words, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", part[0], part[1], part[3], part[4], part[5],
             part[6], part[7]);
    put_string(text, words);
}
