/* The socket tables /proc/net/{tcp,tcp6,udp,udp6} (border/proc.h). A line is
     sl  local_address:port  remote_address:port  st  tx:rx  tr:when  retrnsmt  uid  timeout  inode  …
   where addresses are words of the machine's byte order, in hex. */

#if defined(__linux__)

#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "proc_sockets.h"

struct table {
    const char *path;
    uint32_t family;
    uint32_t protocol;
};

static const struct table tables[] = {
    {"/proc/net/tcp", 4, 6}, {"/proc/net/tcp6", 6, 6}, {"/proc/net/udp", 4, 17}, {"/proc/net/udp6", 6, 17},
};

#define TABLES (sizeof tables / sizeof *tables)

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Up to 8 hex digits at *at, which is moved behind them. */
static uint32_t take_hex(const char **at)
{
    uint32_t value = 0;

    for (int digits = 0; digits < 8 && hex_digit(**at) >= 0; digits++)
        value = value << 4 | (uint32_t)hex_digit(*(*at)++);
    return value;
}

static void skip_blanks(const char **at)
{
    while (**at == ' ')
        ++*at;
}

static void skip_words(const char **at, int words)
{
    while (words--) {
        skip_blanks(at);
        while (**at && **at != ' ')
            ++*at;
    }
    skip_blanks(at);
}

/* ADDRESS:PORT. Returns whether it was one. */
static int take_endpoint(const char **at, uint32_t family, uint8_t address[16], uint32_t *port)
{
    for (uint32_t word = 0; word < (family == 6 ? 4u : 1u); word++) {
        uint32_t value = take_hex(at);
        memcpy(address + 4 * word, &value, 4);
    }
    if (**at != ':')
        return 0;
    ++*at;
    *port = take_hex(at);
    return 1;
}

static uint64_t take_decimal(const char **at)
{
    char *end;
    uint64_t value = strtoull(*at, &end, 10);

    *at = end;
    return value;
}

/* Returns whether the line is a socket of a process. */
static int parse_line(const char *line, const struct table *table, struct tr_proc_socket *row)
{
    uint32_t state;

    memset(row, 0, sizeof *row);
    row->family = table->family;
    row->protocol = table->protocol;
    skip_words(&line, 1);
    if (!take_endpoint(&line, table->family, row->local, &row->local_port))
        return 0;
    skip_blanks(&line);
    if (!take_endpoint(&line, table->family, row->remote, &row->remote_port))
        return 0;
    skip_blanks(&line);
    state = take_hex(&line);
    row->state = table->protocol == 6 ? state : 0;
    skip_words(&line, 3);
    row->uid = (uint32_t)take_decimal(&line);
    skip_words(&line, 1);
    row->identity = take_decimal(&line);
    return row->identity != 0;
}

/* Appends to `rows` from `count` on; returns the new count, or -errno. */
static int64_t read_table(const struct table *table, struct tr_proc_socket *rows, uint32_t capacity, int64_t count)
{
    FILE *file = fopen(table->path, "re");
    struct tr_proc_socket row;
    char line[512];

    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file)) {
        if (!parse_line(line, table, &row))
            continue;
        if (count < capacity)
            rows[count] = row;
        count++;
    }
    fclose(file);
    return count;
}

int64_t tr_proc_sockets_tables(struct tr_proc_socket *rows, uint32_t capacity)
{
    int64_t count = 0, error = 0;
    size_t failed = 0;

    for (size_t table = 0; table < TABLES; table++) {
        int64_t now = read_table(tables + table, rows, capacity, count);
        if (now >= 0)
            count = now;
        else
            failed++, error = now;       /* a kernel without IPv6 lacks two of them */
    }
    return failed == TABLES ? error : count;
}

#endif
