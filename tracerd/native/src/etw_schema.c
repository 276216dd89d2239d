/* The table of schemas: by provider, number and version, with the names of providers. */
#include <stdlib.h>

#include "etw_schema.h"

#define MAX_ENTRIES (1u << 18)

enum what { NOTHING, PROVIDER, EVENT, VERSION };     /* how much of the key an entry stands for */

struct entry {
    struct tr_etw_schema_key key;
    uint32_t what;
    uint32_t name_bytes;
    bool described;                          /* a PROVIDER with schemas, not only with a name */
    char *name;                              /* of a PROVIDER; owned */
    struct tr_etw_schema *schema;            /* of a VERSION; owned */
};

struct tr_etw_schemas {
    struct entry *entries;
    uint32_t slots;                          /* a power of two */
    uint32_t used;
    uint32_t count;                          /* of schemas */
};

struct tr_etw_schema_key tr_etw_schema_key_of(const struct tr_etw_context *context)
{
    bool by_id = context->kind == TR_ETL_EVENT32 || context->kind == TR_ETL_EVENT64;
    struct tr_etw_key key = tr_etw_key_of(context);
    struct tr_etw_schema_key of = {.number = key.number, .version = context->version};

    of.space = by_id && !(context->flags & TR_ETW_FLAG_CLASSIC) ? TR_ETW_BY_ID : TR_ETW_BY_CLASS;
    if (key.provider) {
        memcpy(of.provider, key.provider, 16);
    } else {
        of.provider[0] = (uint8_t)key.group;
        of.space = TR_ETW_BY_GROUP;
    }
    return of;
}

struct tr_etw_schemas *tr_etw_schemas_new(void)
{
    struct tr_etw_schemas *schemas = calloc(1, sizeof *schemas);

    if (!schemas)
        return NULL;
    schemas->slots = 256;
    schemas->entries = calloc(schemas->slots, sizeof *schemas->entries);
    if (schemas->entries)
        return schemas;
    free(schemas);
    return NULL;
}

void tr_etw_schemas_free(struct tr_etw_schemas *schemas)
{
    if (!schemas)
        return;
    for (uint32_t i = 0; i < schemas->slots; i++) {
        free(schemas->entries[i].name);
        free(schemas->entries[i].schema);
    }
    free(schemas->entries);
    free(schemas);
}

/* The part of a key that an entry of that kind is found by. */
static struct tr_etw_schema_key part(const struct tr_etw_schema_key *key, enum what what)
{
    struct tr_etw_schema_key of = *key;

    if (what < VERSION)
        of.version = 0;
    if (what < EVENT)
        of.number = 0;
    return of;
}

static uint32_t slot_of(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, enum what what)
{
    uint64_t numbers = (uint64_t)key->number << 16 | (uint64_t)key->version << 8 | (uint64_t)key->space << 4 | what;
    uint64_t mixed = ((uint64_t)tr_i64(key->provider) ^ (uint64_t)tr_i64(key->provider + 8) ^ numbers << 32 ^ numbers) *
                     0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(mixed >> 32) & (schemas->slots - 1);

    while (schemas->entries[slot].what &&
           (schemas->entries[slot].what != what || memcmp(&schemas->entries[slot].key, key, sizeof *key)))
        slot = (slot + 1) & (schemas->slots - 1);
    return slot;
}

static struct entry *find(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, enum what what)
{
    struct tr_etw_schema_key of = part(key, what);
    struct entry *entry = &schemas->entries[slot_of(schemas, &of, what)];

    return entry->what ? entry : NULL;
}

static bool grow(struct tr_etw_schemas *schemas)
{
    struct tr_etw_schemas larger = {.slots = schemas->slots * 2};

    if (schemas->used < schemas->slots / 2)
        return true;
    if (schemas->used >= MAX_ENTRIES)
        return false;
    larger.entries = calloc(larger.slots, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (uint32_t i = 0; i < schemas->slots; i++) {
        const struct entry *entry = &schemas->entries[i];

        if (entry->what)
            larger.entries[slot_of(&larger, &entry->key, (enum what)entry->what)] = *entry;
    }
    free(schemas->entries);
    schemas->entries = larger.entries;
    schemas->slots = larger.slots;
    return true;
}

/* The entry for that part of the key, made if need be. NULL without memory. */
static struct entry *put(struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, enum what what)
{
    struct tr_etw_schema_key of = part(key, what);
    struct entry *entry;

    if (!grow(schemas))
        return NULL;
    entry = &schemas->entries[slot_of(schemas, &of, what)];
    schemas->used += !entry->what;
    entry->key = of;
    entry->what = what;
    return entry;
}

int32_t tr_etw_schemas_name(struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, const char *name,
                            uint32_t name_bytes)
{
    struct entry *entry = put(schemas, key, PROVIDER);
    char *copied = entry && !entry->name ? malloc((size_t)name_bytes + 1) : NULL;

    if (entry && entry->name)
        return 0;
    if (!copied)
        return -1;
    memcpy(copied, name, name_bytes);
    entry->name = copied;
    entry->name_bytes = name_bytes;
    return 0;
}

int32_t tr_etw_schemas_add(struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key,
                           const struct tr_etw_layout *layout)
{
    struct tr_etw_schema *schema;
    struct entry *version;
    int32_t error;

    if (find(schemas, key, VERSION))
        return 0;
    schema = tr_etw_schema_prepare(layout, &error);
    if (!schema)
        return error;
    version = put(schemas, key, PROVIDER) && put(schemas, key, EVENT) ? put(schemas, key, VERSION) : NULL;
    if (!version) {
        free(schema);
        return -1;
    }
    version->schema = schema;
    find(schemas, key, PROVIDER)->described = true;
    schemas->count++;
    return 0;
}

uint32_t tr_etw_schemas_count(const struct tr_etw_schemas *schemas)
{
    return schemas->count;
}

int32_t tr_etw_schemas_get(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key,
                           struct tr_etw_layout *layout)
{
    const struct entry *entry = find(schemas, key, VERSION);

    if (!entry)
        return -1;
    *layout = entry->schema->layout;
    return 0;
}

const struct tr_etw_schema *tr_etw_schemas_exact(const struct tr_etw_schemas *schemas,
                                                 const struct tr_etw_schema_key *key)
{
    const struct entry *entry = &schemas->entries[slot_of(schemas, key, VERSION)];

    return entry->schema;
}

struct tr_etw_look tr_etw_schemas_find(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key)
{
    const struct entry *provider = find(schemas, key, PROVIDER), *version;
    struct tr_etw_look look = {.known = TR_ETW_NO_PROVIDER};

    if (!provider)
        return look;
    look.provider = provider->name;
    look.provider_bytes = provider->name_bytes;
    version = find(schemas, key, VERSION);
    if (version) {
        look.schema = version->schema;
        look.known = TR_ETW_KNOWN;
    } else if (provider->described) {
        look.known = find(schemas, key, EVENT) ? TR_ETW_NO_VERSION : TR_ETW_NO_EVENT;
    }
    return look;
}
