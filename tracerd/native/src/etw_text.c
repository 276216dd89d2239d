/* Text that grows, numbers and characters. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "etw_match.h"
#include "etw_text.h"

#define FIRST_CAPACITY 65536u

void tr_text_free(struct tr_text *text)
{
    free(text->data);
    *text = (struct tr_text){0};
}

static bool make_room(struct tr_text *text, size_t bytes)
{
    size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
    char *moved;

    if (text->failed || bytes > text->limit || text->used > text->limit - bytes)
        return false;
    while (capacity < text->used + bytes)
        capacity *= 2;
    if (capacity == text->capacity)
        return true;
    moved = realloc(text->data, capacity);
    if (!moved)
        return false;
    text->data = moved;
    text->capacity = capacity;
    return true;
}

void tr_text_put(struct tr_text *text, const char *data, size_t bytes)
{
    if (text->failed || text->capacity - text->used < bytes || text->used + bytes > text->limit) {
        if (!make_room(text, bytes)) {
            text->failed = true;
            return;
        }
    }
    if (bytes)
        memcpy(text->data + text->used, data, bytes);
    text->used += bytes;
}

void tr_text_byte(struct tr_text *text, char byte)
{
    tr_text_put(text, &byte, 1);
}

static void quote(struct tr_text *text)
{
    if (!text->bare)
        tr_text_byte(text, '"');
}

void tr_text_unsigned(struct tr_text *text, uint64_t value)
{
    char digits[20];
    uint32_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    tr_text_put(text, digits + at, sizeof digits - at);
}

void tr_text_signed(struct tr_text *text, int64_t value)
{
    if (value < 0)
        tr_text_byte(text, '-');
    tr_text_unsigned(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* The shortest form that gives the same number again. What JSON has no number for is a string. */
void tr_text_double(struct tr_text *text, double value, bool single)
{
    char digits[40];

    if (isnan(value) || isinf(value)) {
        quote(text);
        tr_text_plain(text, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        quote(text);
        return;
    }
    for (int precision = single ? 6 : 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (single ? strtof(digits, NULL) == (float)value : strtod(digits, NULL) == value)
            break;
    }
    for (char *at = digits; *at; at++)
        if (*at == ',')                      /* a locale's decimal point */
            *at = '.';
    tr_text_plain(text, digits);
}

static const char hex_digits[] = "0123456789abcdef";

void tr_text_hex(struct tr_text *text, uint64_t value)
{
    char digits[16];
    uint32_t at = sizeof digits;

    do
        digits[--at] = hex_digits[value & 15];
    while (value >>= 4);
    quote(text);
    tr_text_put(text, "0x", 2);
    tr_text_put(text, digits + at, sizeof digits - at);
    quote(text);
}

static void put_hex(struct tr_text *text, const uint8_t *data, uint32_t bytes)
{
    char pairs[128];
    uint32_t used = 0;

    for (uint32_t i = 0; i < bytes; i++) {
        pairs[used++] = hex_digits[data[i] >> 4];
        pairs[used++] = hex_digits[data[i] & 15];
        if (used == sizeof pairs) {
            tr_text_put(text, pairs, used);
            used = 0;
        }
    }
    tr_text_put(text, pairs, used);
}

void tr_text_bytes(struct tr_text *text, const uint8_t *data, uint32_t bytes)
{
    quote(text);
    put_hex(text, data, bytes);
    quote(text);
}

/* What JSON must escape, and what a terminal obeys or no encoding has (as cli/output.py). */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static void put_escape(struct tr_text *text, uint32_t c)
{
    static const char letters[] = "btn\0fr";                       /* of 8 to 13; 11 has none */
    char escape[6] = {'\\', 'u', hex_digits[c >> 12], hex_digits[c >> 8 & 15], hex_digits[c >> 4 & 15],
                      hex_digits[c & 15]};

    if (c == '"' || c == '\\')
        escape[1] = (char)c;
    else if (c >= 8 && c <= 13 && c != 11)
        escape[1] = letters[c - 8];
    tr_text_put(text, escape, escape[1] == 'u' ? 6 : 2);
}

static void put_character(struct tr_text *text, uint32_t c)
{
    char utf8[4];
    uint32_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (!text->bare && needs_escape(c)) {
        put_escape(text, c);
        return;
    }
    utf8[0] = (char)c;
    for (uint32_t i = bytes - 1; i > 0; i--, c >>= 6)
        utf8[i] = (char)(0x80 | (c & 0x3f));
    if (bytes > 1)
        utf8[0] = (char)((0xf00u >> bytes & 0xff) | c);
    tr_text_put(text, utf8, bytes);
}

/* Most text is ASCII without escapes: put runs of it at once, as far as there is room. */
static uint32_t plain_run(const struct tr_text *text, const uint8_t *data, uint32_t bytes)
{
    size_t room = text->limit - text->used;
    uint32_t at = 0;

    while (at < bytes && at < room && data[at] < 0x7f && (text->bare || !needs_escape(data[at])))
        at++;
    return at;
}

/* Decode one character of UTF-8, well-formed (Unicode 3.9, table 3-7). Returns its bytes, or 0. */
static uint32_t decode_utf8(const uint8_t *data, uint32_t bytes, uint32_t *c)
{
    uint32_t length = data[0] < 0x80 ? 1 : data[0] < 0xc2 ? 0 : data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 :
                      data[0] < 0xf5 ? 4 : 0;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};

    if (!length || length > bytes)
        return 0;
    *c = length == 1 ? data[0] : data[0] & (0x7fu >> length);
    for (uint32_t i = 1; i < length; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (data[i] & 0x3fu);
    }
    return *c < least[length] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff) ? 0 : length;
}

void tr_text_utf8_part(struct tr_text *text, const uint8_t *data, uint32_t bytes)
{
    uint32_t at = 0;

    while (at < bytes && !text->failed) {
        uint32_t run = plain_run(text, data + at, bytes - at), c, length;

        tr_text_put(text, (const char *)data + at, run);
        at += run;
        if (at == bytes)
            break;
        length = decode_utf8(data + at, bytes - at, &c);
        put_character(text, length ? c : data[at]);
        at += length ? length : 1;
    }
}

void tr_text_utf8(struct tr_text *text, const uint8_t *data, uint32_t bytes)
{
    while (bytes && !data[bytes - 1])
        bytes--;
    quote(text);
    tr_text_utf8_part(text, data, bytes);
    quote(text);
}

static bool is_high(uint32_t unit) { return unit >= 0xd800 && unit <= 0xdbff; }
static bool is_low(uint32_t unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

/* The same of UTF-16. Returns the characters put. */
static uint32_t put_plain_run(struct tr_text *text, const uint8_t *data, uint32_t units)
{
    char run[64];
    size_t room = text->limit - text->used;
    uint32_t at = 0, most = units < sizeof run ? units : (uint32_t)sizeof run;

    for (; at < most && at < room; at++) {
        uint32_t c = tr_u16(data + 2 * (size_t)at);

        if (c >= 0x7f || (!text->bare && needs_escape(c)))
            break;
        run[at] = (char)c;
    }
    tr_text_put(text, run, at);
    return at;
}

void tr_text_utf16(struct tr_text *text, const uint8_t *data, uint32_t bytes)
{
    uint32_t units = bytes / 2, i = 0;

    while (units && !tr_u16(data + 2 * (size_t)(units - 1)))
        units--;
    quote(text);
    while (i < units && !text->failed) {
        uint32_t run = put_plain_run(text, data + 2 * (size_t)i, units - i), c, low;

        i += run;
        if (run)
            continue;
        c = tr_u16(data + 2 * (size_t)i);
        low = i + 1 < units ? tr_u16(data + 2 * (size_t)(i + 1)) : 0;
        i++;
        if (is_high(c) && is_low(low)) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i++;
        } else if (is_high(c) || is_low(c)) {
            c = 0xfffd;
        }
        put_character(text, c);
    }
    quote(text);
}
