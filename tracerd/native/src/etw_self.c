/* Schemas of events that describe themselves, kept by provider and description, in bounds. */
#include <stdlib.h>

#include "etw_schema.h"

#define SLOTS 4096u                          /* a power of two */
#define MAX_SCHEMAS (SLOTS / 2)
#define MAX_BYTES (2u << 20)                 /* of descriptions; prepared they are up to twenty times larger */

struct kept {
    struct tr_etw_schema *schema;            /* NULL: a free slot */
    uint8_t *description;
    uint32_t bytes;
    uint8_t provider[16];
};

struct tr_etw_self {
    struct kept kept[SLOTS];
    struct tr_etw_field fields[TR_ETW_MAX_FIELDS];       /* while a description is read */
    uint32_t used;
    uint64_t bytes;
    uint64_t emptied;
};

struct tr_etw_self *tr_etw_self_new(void)
{
    return calloc(1, sizeof(struct tr_etw_self));
}

static void forget_all(struct tr_etw_self *self)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        free(self->kept[i].schema);
        free(self->kept[i].description);
        self->kept[i] = (struct kept){0};
    }
    self->used = 0;
    self->bytes = 0;
}

void tr_etw_self_free(struct tr_etw_self *self)
{
    if (!self)
        return;
    forget_all(self);
    free(self);
}

uint64_t tr_etw_self_emptied(const struct tr_etw_self *self)
{
    return self->emptied;
}

/* FNV-1a by eight bytes: only speed depends on it, as what is found is compared in full. */
static uint64_t hash_of(const uint8_t *provider, const uint8_t *description, uint32_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)tr_i64(provider) ^ (uint64_t)tr_i64(provider + 8) << 1;
    uint32_t at = 0;

    for (; at + 8 <= bytes; at += 8)
        hash = ((hash ^ (uint64_t)tr_i64(description + at)) * 0x100000001b3u) ^ hash >> 29;
    for (; at < bytes; at++)
        hash = (hash ^ description[at]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static bool is_it(const struct kept *kept, const uint8_t *provider, const uint8_t *description, uint32_t bytes)
{
    return kept->bytes == bytes && !memcmp(kept->provider, provider, 16) &&
           !memcmp(kept->description, description, bytes);
}

static struct kept *slot_of(struct tr_etw_self *self, const uint8_t *provider, const uint8_t *description,
                            uint32_t bytes)
{
    uint32_t slot = (uint32_t)hash_of(provider, description, bytes) & (SLOTS - 1);

    while (self->kept[slot].schema && !is_it(&self->kept[slot], provider, description, bytes))
        slot = (slot + 1) & (SLOTS - 1);
    return &self->kept[slot];
}

const struct tr_etw_schema *tr_etw_self_find(struct tr_etw_self *self, const uint8_t *provider,
                                             const uint8_t *description, uint32_t bytes)
{
    struct kept *kept = slot_of(self, provider, description, bytes);

    if (kept->schema)
        return kept->schema;
    if (self->used == MAX_SCHEMAS || self->bytes + bytes > MAX_BYTES) {
        forget_all(self);
        self->emptied++;
        kept = slot_of(self, provider, description, bytes);
    }
    kept->description = malloc((size_t)bytes + 1);
    if (!kept->description)
        return NULL;
    memcpy(kept->description, description, bytes);
    kept->schema = tr_etw_describe(description, bytes, self->fields);
    if (!kept->schema) {
        free(kept->description);
        *kept = (struct kept){0};
        return NULL;
    }
    kept->bytes = bytes;
    memcpy(kept->provider, provider, 16);
    self->used++;
    self->bytes += bytes;
    return kept->schema;
}
