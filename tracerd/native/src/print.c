/* bpf_trace_printk: the kernel's small subset of printf, into the run's print buffer, one line per call.

   Source: kernel/bpf/helpers.c bpf_bprintf_prepare. What would need another address space (%s) prints "(?)". */

#include "helpers.h"
#include "map.h"

#include <stdio.h>

#define MAX_LINE 512             /* the kernel cuts at 1024; a bound keeps a run's cost known */
#define MAX_WIDTH 64

struct line {
    char text[MAX_LINE];
    size_t length;
};

static void put(struct line *line, const char *text, size_t length)
{
    if (length > sizeof line->text - line->length)
        length = sizeof line->text - line->length;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static int is_flag(char c)
{
    return c == '-' || c == '+' || c == ' ' || c == '0' || c == '#';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One conversion as the kernel knows it: flags, width, length, letter. */
struct conversion {
    char flags[6];
    uint32_t width;
    int longs;                   /* number of 'l': 0 means 32 bits */
    char letter;
};

/* Read a conversion behind its '%'. Returns the characters read, 0 if it is none. */
static size_t read_conversion(const char *at, struct conversion *c)
{
    const char *start = at;
    size_t flags = 0;

    memset(c, 0, sizeof *c);
    for (; is_flag(*at); at++)
        if (flags < sizeof c->flags - 1 && !strchr(c->flags, *at))
            c->flags[flags++] = *at;
    for (; is_digit(*at); at++) {
        c->width = c->width * 10 + (uint32_t)(*at - '0');
        if (c->width > MAX_WIDTH)
            return 0;
    }
    while (*at == 'l' && c->longs < 2) {
        c->longs++;
        at++;
    }
    c->letter = *at;
    if (!*at || !strchr("diuxXpcs", *at) || (c->longs && strchr("pcs", *at)))
        return 0;
    return (size_t)(at + 1 - start);
}

static void print_value(struct line *line, const struct conversion *c, uint64_t value)
{
    char format[24], text[MAX_WIDTH + 32];
    int length;

    switch (c->letter) {
    case 'c':
        text[0] = (char)value;
        put(line, text, 1);
        return;
    case 's':
        put(line, "(?)", 3);
        return;
    case 'p':
        length = snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
        break;
    case 'd':
    case 'i':
        snprintf(format, sizeof format, "%%%s%.0u%s", c->flags, c->width, "lld");
        length = snprintf(text, sizeof text, format, c->longs ? (long long)value : (long long)(int32_t)value);
        break;
    default:
        snprintf(format, sizeof format, "%%%s%.0u%s%c", c->flags, c->width, "ll", c->letter);
        length = snprintf(text, sizeof text, format, c->longs ? (unsigned long long)value : (uint32_t)value);
    }
    if (length > 0)
        put(line, text, (size_t)length);
}

/* Returns 0, or -EINVAL for a format the kernel would refuse too. */
static int format_line(struct line *line, const char *format, const uint64_t *values)
{
    uint32_t used = 0;

    for (; *format; format++) {
        struct conversion conversion;
        size_t length;

        if ((unsigned char)*format >= 0x80 || (*format < ' ' && *format != '\n' && *format != '\t'))
            return -TR_EINVAL;
        if (*format != '%') {
            put(line, format, 1);
            continue;
        }
        if (format[1] == '%') {
            put(line, ++format, 1);
            continue;
        }
        length = read_conversion(format + 1, &conversion);
        if (length == 0 || used == 3)
            return -TR_EINVAL;
        print_value(line, &conversion, values[used++]);
        format += length;
    }
    return 0;
}

/* Whole lines only: half a line would be read as another. */
static void keep(struct tr_run *run, const struct line *line)
{
    size_t length = line->length;

    if (!run->print_buffer || run->printed > run->print_capacity ||
        length + 1 > run->print_capacity - run->printed) {
        run->print_dropped++;
        return;
    }
    memcpy(run->print_buffer + run->printed, line->text, length);
    run->print_buffer[run->printed + length] = '\n';
    run->printed += (uint32_t)length + 1;
}

uint64_t tr_helper_trace_printk(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct tr_run *run)
{
    const char *format = (const char *)(uintptr_t)r1;
    const uint64_t values[3] = {r3, r4, r5};
    struct line line;
    uint64_t length;

    line.length = 0;
    if (r2 == 0 || format[r2 - 1] != 0 || format_line(&line, format, values) != 0)
        return (uint64_t)-(int64_t)TR_EINVAL;
    length = line.length;
    if (line.length && line.text[line.length - 1] == '\n')
        line.length--;                        /* written when the newline was still the program's work */
    keep(run, &line);
    return length;
}
