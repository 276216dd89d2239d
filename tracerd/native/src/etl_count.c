/* Count the events of a recording, by header kind and by provider or hook, in bounded memory. */
#include <stdlib.h>

#include "etl_parts.h"
#include "etw_traits.h"

#define HOOKS 65536u
#define SLOTS 16384u                         /* power of two; at most half of them are used */

struct tally {
    uint64_t hooks[HOOKS];
    struct tr_etl_row providers[SLOTS];
    uint32_t used;
};

static uint32_t slot_of(const struct tally *tally, const uint8_t *provider)
{
    uint64_t mixed = ((uint64_t)tr_i64(provider) ^ (uint64_t)tr_i64(provider + 8)) * 0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(mixed >> 50);

    while (tally->providers[slot].events && memcmp(tally->providers[slot].provider, provider, 16))
        slot = (slot + 1) & (SLOTS - 1);
    return slot;
}

static void take_name(struct tr_etl_row *row, const struct tr_etw_described *described)
{
    const char *name = NULL;
    uint32_t bytes = tr_etw_own_name(described, &name);

    row->name_bytes = bytes < sizeof row->name ? bytes : sizeof row->name;
    if (bytes)
        memcpy(row->name, name, row->name_bytes);
}

static void add_provider(struct tally *tally, struct tr_etl_counts *counts, const struct tr_etl_event *event)
{
    struct tr_etl_row *row = &tally->providers[slot_of(tally, event->provider)];

    if (!row->events && tally->used == SLOTS / 2) {
        counts->other++;
        return;
    }
    if (!row->events) {
        memcpy(row->provider, event->provider, 16);
        row->hook = TR_ETW_NO_HOOK;
        tally->used++;
    }
    if (event->described.traits && !row->name_bytes)
        take_name(row, &event->described);
    row->events++;
}

static void add(struct tally *tally, struct tr_etl_counts *counts, const struct tr_etl_event *event)
{
    counts->events++;
    counts->by_header[event->kind]++;
    if (event->provider)
        add_provider(tally, counts, event);
    else
        tally->hooks[event->hook]++;
}

/* Returns false if the events end in a senseless one, or too early. */
static bool count_buffer(const struct tr_etl *etl, struct tally *tally, struct tr_etl_counts *counts,
                         const uint8_t *data, uint32_t end)
{
    uint32_t at = TR_ETL_BUFFER_HEADER;
    struct tr_etl_event event;

    while (at < end) {
        enum tr_etl_step step = tr_etl_decode(data + at, end - at, &event);

        if (step == TR_ETL_END || step == TR_ETL_DAMAGED)
            return step == TR_ETL_END && tr_etl_may_end(etl, data, at, end);
        if (step == TR_ETL_EVENT)
            add(tally, counts, &event);
        at += (event.size + 7) & ~7u;
    }
    return true;
}

static bool put_row(struct tr_etl_row *rows, uint32_t capacity, int64_t *used, const struct tr_etl_row *row)
{
    if (*used == (int64_t)capacity)
        return false;
    rows[(*used)++] = *row;
    return true;
}

static int64_t fill_rows(const struct tally *tally, struct tr_etl_counts *counts, struct tr_etl_row *rows,
                         uint32_t capacity)
{
    int64_t used = 0;

    for (uint32_t i = 0; i < SLOTS; i++)
        if (tally->providers[i].events && !put_row(rows, capacity, &used, &tally->providers[i]))
            counts->other += tally->providers[i].events;
    for (uint32_t i = 0; i < HOOKS; i++) {
        struct tr_etl_row row = {.hook = i, .events = tally->hooks[i]};

        if (row.events && !put_row(rows, capacity, &used, &row))
            counts->other += row.events;
    }
    return used;
}

static uint32_t largest(const struct tr_etl *etl)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < etl->count; i++)
        most = etl->buffers[i].end > most ? etl->buffers[i].end : most;
    return most;
}

int64_t tr_etl_count(struct tr_etl *etl, struct tr_etl_counts *counts, struct tr_etl_row *rows, uint32_t capacity)
{
    struct tally *tally = calloc(1, sizeof *tally);
    uint8_t *data = malloc((size_t)largest(etl) + 1);
    int64_t used = -1;

    memset(counts, 0, sizeof *counts);
    counts->damage = etl->facts.damage;
    if (tally && data) {
        for (uint32_t i = 0; i < etl->count; i++) {
            const struct tr_etl_buffer *buffer = &etl->buffers[i];
            bool cut;
            uint32_t end = tr_etl_load(etl, buffer, data, &counts->damage, &cut);

            if (!count_buffer(etl, tally, counts, data, end) && !cut)
                counts->damage.events++;
        }
        used = fill_rows(tally, counts, rows, capacity);
    }
    free(tally);
    free(data);
    return used;
}
