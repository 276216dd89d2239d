/* The first pass: find every buffer and read its header, decide which can be walked, and order them. */
#include <errno.h>
#include <stdlib.h>

#include "etl_parts.h"

#define HEADER_BUFFER 4u                     /* ETW_BUFFER_TYPE_HEADER */
#define MOST_SESSIONS 8192u
#define MOST_RANKS 8u

struct scan {
    struct tr_etl *etl;
    uint64_t at;
    uint32_t capacity;
    uint16_t session;
};

static uint64_t left_of(const struct scan *scan)
{
    return scan->etl->facts.file_bytes - scan->at;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Bytes up to the next buffer. Uncompressed buffers have one size, mostly; a header that claims another one is believed
   if a buffer follows. If none does, either the size is damaged or the buffer that follows is: what is found first
   tells. */
static uint64_t extent_of(const struct scan *scan, const struct tr_etl_header *header)
{
    const struct tr_etl *etl = scan->etl;
    uint64_t left = left_of(scan), next;
    bool blank;

    if ((!header->packed && header->size == etl->facts.buffer_size) || header->size == left)
        return least(header->size, left);
    if (header->size < left && tr_etl_follows(etl, scan->at + header->size))
        return header->size;
    if (!header->packed && etl->facts.buffer_size <= left && tr_etl_follows(etl, scan->at + etl->facts.buffer_size))
        return etl->facts.buffer_size;
    next = tr_etl_find(etl, scan->at + TR_ETL_BUFFER_HEADER, &blank);
    return least(header->size, next - scan->at);
}

static int32_t append(struct scan *scan, const struct tr_etl_buffer *buffer)
{
    struct tr_etl *etl = scan->etl;

    if (etl->count == TR_ETL_MAX_BUFFERS)
        return TR_ETL_TOO_MANY;
    if (etl->count == scan->capacity) {
        uint32_t more = scan->capacity ? scan->capacity * 2 : 256;   /* at most TR_ETL_MAX_BUFFERS, a power of two */
        struct tr_etl_buffer *grown = realloc(etl->buffers, (size_t)more * sizeof *grown);

        if (!grown)
            return TR_ETL_NO_MEMORY;
        etl->buffers = grown;
        scan->capacity = more;
    }
    etl->buffers[etl->count++] = *buffer;
    return 0;
}

/* Say how much of a buffer is there. Bytes beyond what a wrong size claims are still the buffer's. */
static void measure(struct tr_etl_buffer *buffer, const struct tr_etl_header *header, uint64_t extent, bool torn)
{
    if (header->packed) {
        buffer->end = header->end;
        buffer->stored = (uint32_t)least(header->size, extent) - TR_ETL_BUFFER_HEADER;
        buffer->cut = torn;
        return;
    }
    buffer->end = (uint32_t)least(header->end, torn ? header->size : extent);
    buffer->cut = torn && buffer->end > extent;
    buffer->end = (uint32_t)least(buffer->end, extent);
}

/* Index one buffer if it holds events. */
static int32_t take(struct scan *scan, const struct tr_etl_header *header, uint64_t extent)
{
    struct tr_etl_facts *facts = &scan->etl->facts;
    uint32_t cpu = tr_etl_cpu(facts, header->cpu);
    bool torn = extent == left_of(scan) && header->size > extent;
    struct tr_etl_buffer buffer = {.offset = scan->at, .sequence = header->sequence, .cpu = header->cpu,
                                   .logger = header->logger};

    if (header->type == HEADER_BUFFER && scan->at && scan->session < MOST_SESSIONS - 1)
        scan->session++;
    buffer.session = (uint16_t)(scan->session * MOST_RANKS);
    measure(&buffer, header, extent, torn);
    facts->buffers++;
    facts->compressed_buffers += header->packed;
    facts->damage.torn += buffer.cut;
    facts->torn_bytes = torn ? extent : 0;
    if (buffer.end <= TR_ETL_BUFFER_HEADER || (header->packed && !buffer.stored))
        return 0;
    if (cpu >= facts->cpus)
        facts->cpus = cpu + 1;
    return append(scan, &buffer);
}

/* Go on behind bytes that are no buffer: zeros that were never used, or one or more whose headers are damaged. */
static void skip(struct scan *scan)
{
    struct tr_etl_facts *facts = &scan->etl->facts;
    uint64_t regular = scan->at + facts->buffer_size, size;
    bool blank, near = !tr_etl_compressed(facts) && regular < facts->file_bytes &&
                       tr_etl_follows(scan->etl, regular);
    uint64_t next = tr_etl_find(scan->etl, scan->at, &blank);

    if (near && regular < next && !blank)
        next = regular;
    size = next - scan->at;
    scan->at = next;
    if (blank) {
        facts->unused_bytes += size;
        return;
    }
    facts->skipped_bytes += size;
    size = tr_etl_compressed(facts) ? 1 : (size + facts->buffer_size - 1) / facts->buffer_size;
    facts->buffers += size;
    facts->damage.headers += size;
}

/* Less than a header is left. */
static void end_torn(struct scan *scan, const uint8_t *bytes)
{
    struct tr_etl_facts *facts = &scan->etl->facts;
    uint32_t left = (uint32_t)left_of(scan);

    scan->at = facts->file_bytes;
    if (tr_etl_blank(bytes, left)) {
        facts->unused_bytes += left;
        return;
    }
    facts->buffers++;
    facts->damage.torn++;
    facts->torn_bytes = left;
}

/* A sector that cannot be read costs what lies in it. */
static void pass_over(struct scan *scan)
{
    struct tr_etl_facts *facts = &scan->etl->facts;
    uint64_t size = least(facts->buffer_size, left_of(scan));

    facts->buffers++;
    facts->damage.gone++;
    facts->skipped_bytes += size;
    scan->at += size;
}

static int32_t scan_one(struct scan *scan)
{
    uint8_t bytes[TR_ETL_BUFFER_HEADER] = {0};
    struct tr_etl_header header;
    int64_t got = tr_etl_read(scan->etl->fd, bytes, sizeof bytes, scan->at);
    uint64_t extent;
    int32_t error;

    if (got < 0) {
        pass_over(scan);
        return 0;
    }
    if (got < (int64_t)sizeof bytes) {
        end_torn(scan, bytes);
        return 0;
    }
    if (!tr_etl_read_header(bytes, &header)) {
        skip(scan);
        return 0;
    }
    extent = extent_of(scan, &header);
    error = take(scan, &header, extent);
    scan->at += extent;
    return error;
}

static int order(const void *left, const void *right)
{
    const struct tr_etl_buffer *a = left, *b = right;

    if (a->cpu != b->cpu)
        return a->cpu < b->cpu ? -1 : 1;
    if (a->logger != b->logger)
        return a->logger < b->logger ? -1 : 1;
    if (a->session != b->session)
        return a->session < b->session ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool same_number(const struct tr_etl_buffer *a, const struct tr_etl_buffer *b)
{
    return a->cpu == b->cpu && a->logger == b->logger && a->session / MOST_RANKS == b->session / MOST_RANKS &&
           a->sequence == b->sequence;
}

static void put_in_order(struct tr_etl *etl)
{
    uint32_t rank = 0, ranked = 0;

    if (etl->count)
        qsort(etl->buffers, etl->count, sizeof *etl->buffers, order);
    /* A session that appends to a file counts from 1 again, with no header buffer of its own. Of buffers with one number
       the first in the file are one session's, the second the next one's: they must not be woven into one. */
    for (uint32_t i = 1; i < etl->count; i++) {
        if (!same_number(&etl->buffers[i - 1], &etl->buffers[i]))
            rank = 0;
        else if (rank < MOST_RANKS - 1)
            rank++;
        etl->buffers[i].session = (uint16_t)(etl->buffers[i].session + rank);
        ranked += rank;
    }
    if (ranked)
        qsort(etl->buffers, etl->count, sizeof *etl->buffers, order);
}

/* Make room for what loading compressed buffers takes. */
static int32_t make_room(struct tr_etl *etl)
{
    for (uint32_t i = 0; i < etl->count; i++)
        etl->packed_size = etl->buffers[i].stored > etl->packed_size ? etl->buffers[i].stored : etl->packed_size;
    if (!etl->packed_size)
        return 0;
    etl->packed = malloc(etl->packed_size);
    etl->huffman = malloc(sizeof *etl->huffman);
    if (!etl->packed || !etl->huffman)
        return TR_ETL_NO_MEMORY;
    return tr_etl_settle_format(etl);
}

int32_t tr_etl_index(struct tr_etl *etl)
{
    uint8_t head[TR_ETL_HEAD_BYTES];
    struct scan scan = {.etl = etl};
    int64_t size = tr_etl_file_size(etl->fd);
    int64_t got = size < 0 ? -1 : tr_etl_read(etl->fd, head, sizeof head, 0);
    int32_t error = 0;

    if (got < 0)
        return TR_ETL_READ;
    if (got < (int64_t)sizeof head || !tr_etl_read_facts(&etl->facts, head))
        return TR_ETL_NOT_RECORDING;
    etl->facts.file_bytes = (uint64_t)size;
    while (!error && scan.at < etl->facts.file_bytes)
        error = scan_one(&scan);
    if (error)
        return error;
    if (!etl->facts.compressed_buffers)
        etl->facts.compression = 0;
    put_in_order(etl);
    return make_room(etl);
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
    free(etl->packed);
    free(etl->huffman);
    tr_etl_threads_free(etl->threads);
    free(etl);
}
