/* Text that grows: numbers, strings and the like as JSON has them, or bare. */
#ifndef TR_ETW_TEXT_H
#define TR_ETW_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tr_text {
    char *data;
    size_t used;
    size_t capacity;
    size_t limit;                    /* beyond it nothing is put */
    bool bare;                       /* strings without quotes and escapes */
    bool failed;                     /* something found no room; stays until it is cleared */
};

void tr_text_free(struct tr_text *text);

void tr_text_put(struct tr_text *text, const char *data, size_t bytes);
void tr_text_byte(struct tr_text *text, char byte);

/* A literal that the core has written: nothing in it needs an escape. */
static inline void tr_text_plain(struct tr_text *text, const char *words)
{
    tr_text_put(text, words, strlen(words));
}

void tr_text_unsigned(struct tr_text *text, uint64_t value);
void tr_text_signed(struct tr_text *text, int64_t value);
void tr_text_double(struct tr_text *text, double value, bool single);

/* The rest are strings, in quotes unless bare. */
void tr_text_hex(struct tr_text *text, uint64_t value);                          /* 0x1f */
void tr_text_bytes(struct tr_text *text, const uint8_t *data, uint32_t bytes);   /* 001f */
void tr_text_guid(struct tr_text *text, const uint8_t *guid);
void tr_text_sid(struct tr_text *text, const uint8_t *sid, uint32_t bytes);
void tr_text_ipv4(struct tr_text *text, const uint8_t *address);
void tr_text_ipv6(struct tr_text *text, const uint8_t *address);
void tr_text_sockaddr(struct tr_text *text, const uint8_t *address, uint32_t bytes);
/* RFC 3339 in UTC. What is no date that it can write is in hex, as it lies there. `digits` of the fraction. */
void tr_text_filetime(struct tr_text *text, uint64_t ticks, uint32_t digits);
void tr_text_systemtime(struct tr_text *text, const uint8_t *time);
void tr_text_unix_ns(struct tr_text *text, uint64_t ns, uint32_t digits);

/* Text as events have it. Zeros at its end are padding and left out. What is no UTF-16 becomes U+FFFD; bytes that are
   no UTF-8 are taken for Latin-1, as an ANSI text does not say its code page. */
void tr_text_utf16(struct tr_text *text, const uint8_t *data, uint32_t bytes);
void tr_text_utf8(struct tr_text *text, const uint8_t *data, uint32_t bytes);

/* The same without the quotes, to put several together. */
void tr_text_utf8_part(struct tr_text *text, const uint8_t *data, uint32_t bytes);

#endif
