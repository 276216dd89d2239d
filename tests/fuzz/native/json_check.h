/* Whether bytes are one JSON value in UTF-8, for fuzz targets: what a strict reader takes. */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define JSON_DEPTH 64

static const unsigned char *json_value(const unsigned char *at, const unsigned char *end, int depth);

/* Returns behind one character of UTF-8: none too long, no surrogate, nothing beyond U+10FFFF. NULL: it is not sound. */
static inline const unsigned char *json_utf8(const unsigned char *at, const unsigned char *end)
{
    unsigned more = *at < 0x80 ? 0 : *at < 0xc2 ? 4 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : *at < 0xf5 ? 3 : 4;

    if (more > 3 || (size_t)(end - at) <= more)
        return NULL;
    if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) || (*at == 0xf0 && at[1] < 0x90) ||
        (*at == 0xf4 && at[1] > 0x8f))
        return NULL;
    for (unsigned i = 1; i <= more; i++)
        if ((at[i] & 0xc0) != 0x80)
            return NULL;
    return at + 1 + more;
}

static inline const unsigned char *json_escape(const unsigned char *at, const unsigned char *end)
{
    if (at == end)
        return NULL;
    if (*at != 'u')
        return strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
    if (end - at < 5)
        return NULL;
    for (int i = 1; i < 5; i++)
        if (!strchr("0123456789abcdefABCDEF", at[i]) || !at[i])
            return NULL;
    return at + 5;
}

/* From behind the opening quote to behind the closing one. */
static inline const unsigned char *json_text(const unsigned char *at, const unsigned char *end)
{
    while (at && at < end && *at != '"') {
        if (*at < 0x20 || *at == 0x7f)
            return NULL;                     /* DEL: no JSON forbids it, but a terminal obeys it */
        at = *at == '\\' ? json_escape(at + 1, end) : json_utf8(at, end);
    }
    return at && at < end ? at + 1 : NULL;
}

static inline const unsigned char *json_digits(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *begin = at;

    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > begin ? at : NULL;
}

static inline const unsigned char *json_number(const unsigned char *at, const unsigned char *end)
{
    at += at < end && *at == '-';
    if (at < end && *at == '0')
        at++;
    else if (!(at = json_digits(at, end)))
        return NULL;
    if (at < end && *at == '.' && !(at = json_digits(at + 1, end)))
        return NULL;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        at = json_digits(at, end);
    }
    return at;
}

/* Members of an object or array from behind its bracket; the decoder writes no spaces. */
static inline const unsigned char *json_members(const unsigned char *at, const unsigned char *end, int depth, bool named)
{
    const unsigned char close = named ? '}' : ']';

    if (at < end && *at == close)
        return at + 1;
    while (at && at < end) {
        if (named && (*at != '"' || !(at = json_text(at + 1, end)) || at == end || *at++ != ':'))
            return NULL;
        at = json_value(at, end, depth + 1);
        if (!at || at == end)
            return NULL;
        if (*at == close)
            return at + 1;
        if (*at++ != ',')
            return NULL;
    }
    return NULL;
}

static const unsigned char *json_value(const unsigned char *at, const unsigned char *end, int depth)
{
    static const char *const words[] = {"true", "false", "null"};

    if (at == end || depth > JSON_DEPTH)
        return NULL;
    if (*at == '"')
        return json_text(at + 1, end);
    if (*at == '{' || *at == '[')
        return json_members(at + 1, end, depth, *at == '{');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((size_t)(end - at) >= strlen(words[i]) && !memcmp(at, words[i], strlen(words[i])))
            return at + strlen(words[i]);
    return json_number(at, end);
}

static inline bool is_json(const char *text, size_t bytes)
{
    const unsigned char *end = (const unsigned char *)text + bytes;

    return json_value((const unsigned char *)text, end, 0) == end;
}

#endif
