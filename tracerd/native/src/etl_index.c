/* The first pass: read the trace header and every buffer's header, decide which buffers can be walked. */
#include <errno.h>
#include <stdlib.h>

#include "etl_parts.h"

#define FLAG_PROCESSOR_INDEX 0x20u
#define FLAG_COMPRESSED 0x40u
#define MODE_COMPRESSED 0x04000000u          /* LogFileMode: EVENT_TRACE_COMPRESSED_MODE */
#define LAST_BUFFER_TYPE 7u
#define FIRST_EVENT TR_ETL_BUFFER_HEADER
#define LOGFILE_HEADER (FIRST_EVENT + 32u)   /* TRACE_LOGFILE_HEADER behind its system header */
#define HEAD_BYTES (LOGFILE_HEADER + 280u)

static bool starts_as_recording(const uint8_t *head)
{
    uint8_t kind = head[FIRST_EVENT + 2];

    return tr_u32(head) >= HEAD_BYTES && tr_u32(head) <= TR_ETL_MAX_BUFFER &&
           (kind == TR_ETL_SYSTEM32 || kind == TR_ETL_SYSTEM64) && head[FIRST_EVENT + 3] == 0xc0 &&
           tr_u16(head + FIRST_EVENT + 6) == 0;
}

static void read_clock(struct tr_etl_facts *facts, const uint8_t *head)
{
    const uint8_t *at = head + LOGFILE_HEADER + (facts->pointer_size == 8 ? 248 : 240);
    uint32_t mhz = tr_u32(head + LOGFILE_HEADER + 52);

    facts->boot_time = tr_i64(at);
    facts->frequency = tr_i64(at + 8);
    facts->start_time = tr_i64(at + 16);
    facts->clock = tr_u32(at + 24);
    facts->buffers_lost = tr_u32(at + 28);
    facts->start_ticks = tr_i64(head + FIRST_EVENT + 16);
    if (facts->clock < 1 || facts->clock > 3)
        facts->clock = 1;                    /* 0 is "raw", as the machine's counter gives it: QPC */
    if (facts->clock == 3)
        facts->frequency = (int64_t)mhz * 1000000;
    if (facts->frequency <= 0)
        facts->frequency = 10000000;         /* what Windows 10 and later count at */
}

static void read_facts(struct tr_etl_facts *facts, const uint8_t *head)
{
    const uint8_t *at = head + LOGFILE_HEADER;

    facts->buffer_size = tr_u32(head);
    facts->os_major = at[4];
    facts->os_minor = at[5];
    facts->os_build = tr_u32(at + 8);
    facts->processors = tr_u32(at + 12);
    facts->end_time = tr_i64(at + 16);
    facts->mode = tr_u32(at + 32);
    facts->buffers_written = tr_u32(at + 36);
    facts->pointer_size = tr_u32(at + 44);
    facts->events_lost = tr_u32(at + 48);
    if (facts->pointer_size != 4 && facts->pointer_size != 8)
        facts->pointer_size = head[FIRST_EVENT + 2] == TR_ETL_SYSTEM64 ? 8 : 4;
    if (facts->mode & MODE_COMPRESSED)
        facts->compression = tr_u32(head + 0x2c) & 0xffffu;
    read_clock(facts, head);
}

static bool plausible(const uint8_t *header)
{
    uint32_t size = tr_u32(header);

    return size >= TR_ETL_BUFFER_HEADER && size <= TR_ETL_MAX_BUFFER && size % 8 == 0 &&
           tr_u16(header + 0x36) <= LAST_BUFFER_TYPE && !(tr_u16(header + 0x34) & FLAG_COMPRESSED);
}

/* Where valid bytes end: recent systems say it in Offset, older ones in one of the other two. */
static uint32_t valid_end(const uint8_t *header)
{
    uint32_t size = tr_u32(header), end = tr_u32(header + 0x30);

    if (end < TR_ETL_BUFFER_HEADER)
        end = tr_u32(header + 4);
    if (end < TR_ETL_BUFFER_HEADER)
        end = tr_u32(header + 8);
    return end < size ? end : size;
}

static uint32_t cpu_of(const uint8_t *header)
{
    return tr_u16(header + 0x34) & FLAG_PROCESSOR_INDEX ? tr_u16(header + 0x28) : header[0x28];
}

/* A CPU the machine did not have is damage: it must not make every per-CPU map 4,096 slots wide. */
static uint32_t cpu_limit(const struct tr_etl_facts *facts)
{
    bool told = facts->processors >= 1 && facts->processors <= TR_ETL_MAX_CPUS;

    return told ? facts->processors : TR_ETL_MAX_CPUS;
}

/* Buffers of one recording have one size, so a header that claims another one is believed only if the buffer behind
   it makes sense, too. */
static uint32_t stride(const struct tr_etl *etl, const uint8_t *header, uint64_t offset)
{
    uint8_t next[TR_ETL_BUFFER_HEADER];
    uint32_t size = tr_u32(header);

    if (!plausible(header) || size == etl->facts.buffer_size)
        return etl->facts.buffer_size;
    if (offset + size == etl->facts.file_bytes)
        return size;
    if (tr_etl_read(etl->fd, next, sizeof next, offset + size) < (int64_t)sizeof next)
        return etl->facts.buffer_size;
    return plausible(next) ? size : etl->facts.buffer_size;
}

static int32_t append(struct tr_etl *etl, uint32_t *capacity, const struct tr_etl_buffer *buffer)
{
    if (etl->count == TR_ETL_MAX_BUFFERS)
        return TR_ETL_TOO_MANY;
    if (etl->count == *capacity) {
        uint32_t more = *capacity ? *capacity * 2 : 256;      /* at most TR_ETL_MAX_BUFFERS, a power of two */
        struct tr_etl_buffer *grown = realloc(etl->buffers, (size_t)more * sizeof *grown);

        if (!grown)
            return TR_ETL_NO_MEMORY;
        etl->buffers = grown;
        *capacity = more;
    }
    etl->buffers[etl->count++] = *buffer;
    return 0;
}

/* Look at one buffer; index it if it holds events. */
static int32_t take(struct tr_etl *etl, uint32_t *capacity, const uint8_t *header, uint64_t offset)
{
    uint64_t left = etl->facts.file_bytes - offset;
    uint32_t cpu = cpu_of(header);
    struct tr_etl_buffer buffer = {
        .offset = offset,
        .sequence = tr_i64(header + 0x18),
        .end = valid_end(header),
        .cpu = (uint16_t)cpu,
        .logger = tr_u16(header + 0x2a),
    };

    if (!plausible(header) || cpu >= cpu_limit(&etl->facts)) {
        etl->facts.bad_buffers++;
        return 0;
    }
    if (buffer.end > left) {
        buffer.end = (uint32_t)left;
        buffer.cut = true;
        etl->facts.bad_buffers++;
    }
    if (buffer.end <= TR_ETL_BUFFER_HEADER)
        return 0;
    if (cpu >= etl->facts.cpus)
        etl->facts.cpus = cpu + 1;
    return append(etl, capacity, &buffer);
}

static int order(const void *left, const void *right)
{
    const struct tr_etl_buffer *a = left, *b = right;

    if (a->cpu != b->cpu)
        return a->cpu < b->cpu ? -1 : 1;
    if (a->logger != b->logger)
        return a->logger < b->logger ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int32_t index_buffers(struct tr_etl *etl)
{
    uint8_t header[TR_ETL_BUFFER_HEADER];
    uint32_t capacity = 0;
    uint64_t offset = 0;

    while (offset < etl->facts.file_bytes) {
        uint64_t left = etl->facts.file_bytes - offset;
        uint32_t size;
        int64_t got = tr_etl_read(etl->fd, header, sizeof header, offset);
        int32_t error = 0;

        if (got < 0)
            return TR_ETL_READ;
        etl->facts.buffers++;
        if (got < (int64_t)sizeof header) {
            etl->facts.bad_buffers++;
            etl->facts.torn_bytes = left;
            break;
        }
        size = stride(etl, header, offset);
        if (size > left)
            etl->facts.torn_bytes = left;
        error = take(etl, &capacity, header, offset);
        if (error)
            return error;
        offset += size;
    }
    if (etl->count)
        qsort(etl->buffers, etl->count, sizeof *etl->buffers, order);
    return 0;
}

int32_t tr_etl_index(struct tr_etl *etl)
{
    uint8_t head[HEAD_BYTES];
    int64_t size = tr_etl_file_size(etl->fd);
    int64_t got = size < 0 ? -1 : tr_etl_read(etl->fd, head, sizeof head, 0);

    if (got < 0)
        return TR_ETL_READ;
    if (got < (int64_t)sizeof head || !starts_as_recording(head))
        return TR_ETL_NOT_RECORDING;
    etl->facts.file_bytes = (uint64_t)size;
    etl->facts.cpus = 1;
    read_facts(&etl->facts, head);
    if (etl->facts.mode & MODE_COMPRESSED)
        return TR_ETL_COMPRESSED;
    return index_buffers(etl);
}

uint32_t tr_etl_load(const struct tr_etl *etl, const struct tr_etl_buffer *buffer, uint8_t *to)
{
    int64_t got = tr_etl_read(etl->fd, to, buffer->end, buffer->offset);

    return got < 0 ? 0 : (uint32_t)got;
}

struct tr_etl *tr_etl_open(int fd, struct tr_etl_facts *facts)
{
    struct tr_etl *etl = calloc(1, sizeof *etl);
    int32_t error = TR_ETL_NO_MEMORY;

    memset(facts, 0, sizeof *facts);
    if (etl) {
        etl->fd = fd;
        errno = 0;
        error = tr_etl_index(etl);
        *facts = etl->facts;
    }
    facts->error = error;
    facts->system_error = error == TR_ETL_READ ? errno : 0;
    if (!error)
        return etl;
    if (etl)
        tr_etl_close(etl);
    return NULL;
}

void tr_etl_close(struct tr_etl *etl)
{
    for (uint32_t i = 0; i < etl->lane_count; i++)
        free(etl->lanes[i].data);
    free(etl->lanes);
    free(etl->heap);
    free(etl->buffers);
    free(etl);
}
