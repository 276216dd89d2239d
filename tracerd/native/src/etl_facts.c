/* What a recording says of itself: the TRACE_LOGFILE_HEADER event at its start. */
#include "etl_parts.h"

#define FIRST_EVENT TR_ETL_BUFFER_HEADER
#define LOGFILE_HEADER (FIRST_EVENT + 32u)   /* TRACE_LOGFILE_HEADER behind its system header */
#define MODE_COMPRESSED 0x04000000u          /* LogFileMode: EVENT_TRACE_COMPRESSED_MODE */
#define LEAST_CPUS 64u

static bool starts_as_recording(const uint8_t *head)
{
    uint8_t kind = head[FIRST_EVENT + 2];

    return tr_u32(head) >= TR_ETL_HEAD_BYTES && tr_u32(head) <= TR_ETL_MAX_BUFFER &&
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
    if (!tr_etl_start_known(facts))
        facts->start_time = 0;
}

bool tr_etl_read_facts(struct tr_etl_facts *facts, const uint8_t *head)
{
    const uint8_t *at = head + LOGFILE_HEADER;

    if (!starts_as_recording(head))
        return false;

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
    facts->compression = tr_u32(head + 0x2c) & 0xffffu;
    facts->cpus = 1;
    read_clock(facts, head);
    return true;
}

/* Some recorders say too few processors, so small numbers are taken as they are. A large one is damage: it must not make
   every per-CPU map 65,536 slots wide. The events are as good as others and keep their order. */
uint32_t tr_etl_cpu(const struct tr_etl_facts *facts, uint32_t cpu)
{
    bool told = facts->processors >= 1 && facts->processors <= TR_ETL_MAX_CPUS;
    uint32_t limit = told ? facts->processors : TR_ETL_MAX_CPUS - 1;

    if (limit < LEAST_CPUS)
        limit = LEAST_CPUS;
    return cpu < limit ? cpu : limit;
}

bool tr_etl_compressed(const struct tr_etl_facts *facts)
{
    return facts->mode & MODE_COMPRESSED || facts->compressed_buffers;
}
