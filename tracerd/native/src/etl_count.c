/* Count the events of a recording, by header kind and by provider or hook, in bounded memory. */
#include <stdlib.h>

#include "etl_parts.h"
#include "etw_traits.h"

#define HOOKS 65536u
#define SLOTS 16384u                         /* power of two; at most half of them are used */

struct counted {
    uint8_t provider[16];
    uint64_t events;                         /* 0: the slot is free */
};

struct own_name {
    uint32_t bytes;
    char text[sizeof ((struct tr_etl_row *)0)->name];
};

struct tally {
    uint64_t hooks[HOOKS];
    struct counted providers[SLOTS];
    struct own_name names[SLOTS];            /* apart: few have one, so that most of its memory is never touched */
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

static void take_name(struct own_name *own, const struct tr_etw_described *described)
{
    const char *name = NULL;
    uint32_t bytes = tr_etw_own_name(described, &name);

    if (own->bytes || !bytes)
        return;
    own->bytes = bytes < sizeof own->text ? bytes : sizeof own->text;
    memcpy(own->text, name, own->bytes);
}

static void add_provider(struct tally *tally, struct tr_etl_counts *counts, const struct tr_etl_event *event)
{
    uint32_t slot = slot_of(tally, event->provider);
    struct counted *counted = &tally->providers[slot];

    if (!counted->events && tally->used == SLOTS / 2) {
        counts->other++;
        return;
    }
    if (!counted->events) {
        memcpy(counted->provider, event->provider, 16);
        tally->used++;
    }
    counted->events++;
    if (event->described.traits)
        take_name(&tally->names[slot], &event->described);
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

static void put_row(struct tr_etl_row *rows, uint32_t capacity, int64_t *used, struct tr_etl_counts *counts,
                    struct tr_etl_row row)
{
    if (*used < capacity)
        rows[(*used)++] = row;
    else
        counts->other += row.events;
}

static struct tr_etl_row provider_row(const struct tally *tally, uint32_t slot)
{
    struct tr_etl_row row = {.hook = TR_ETW_NO_HOOK, .events = tally->providers[slot].events};

    memcpy(row.provider, tally->providers[slot].provider, 16);
    row.name_bytes = tally->names[slot].bytes;
    memcpy(row.name, tally->names[slot].text, sizeof row.name);
    return row;
}

static int64_t fill_rows(const struct tally *tally, struct tr_etl_counts *counts, struct tr_etl_row *rows,
                         uint32_t capacity)
{
    int64_t used = 0;

    for (uint32_t i = 0; i < SLOTS; i++)
        if (tally->providers[i].events)
            put_row(rows, capacity, &used, counts, provider_row(tally, i));
    for (uint32_t i = 0; i < HOOKS; i++)
        if (tally->hooks[i])
            put_row(rows, capacity, &used, counts, (struct tr_etl_row){.hook = i, .events = tally->hooks[i]});
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
