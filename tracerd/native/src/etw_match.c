/* Which programs run on an event: a table made once, so that an event nobody asked for costs one look-up. */
#include <stdlib.h>

#include "etw_match.h"
#include "etw_reader.h"

#define GROUPS 256u
#define SLOTS 4096u                          /* power of two, over twice the providers there can be */
#define MAX_LINKS 1024u

/* The names that an event of one provider or group may have: [first, first + count) of `lists`. */
struct choice {
    uint32_t first, count;
};

struct provider {
    uint8_t guid[16];
    struct choice choice;
    uint16_t group;                          /* of a kernel class, or TR_ETW_NO_GROUP */
    bool used;
};

struct name {
    struct tr_etw_match match;
    struct tr_ledger ledger;
    struct tr_link_range links;              /* once prepared */
};

struct tr_etw_matcher {
    struct name *names;
    struct tr_link *links;
    uint16_t *lists;
    struct provider providers[SLOTS];
    uint8_t group_guids[GROUPS][16];
    struct choice groups[GROUPS];
    struct choice others;                    /* providers that no name mentions */
    uint32_t name_count, link_count, provider_count, list_count;
    uint64_t unmatched;
    struct tr_etw_reader *reader;            /* NULL: its programs read no fields */
    bool prepared;
};

struct tr_etw_matcher *tr_etw_matcher_new(void)
{
    struct tr_etw_matcher *matcher = calloc(1, sizeof *matcher);

    if (!matcher)
        return NULL;
    matcher->names = calloc(MAX_LINKS, sizeof *matcher->names);
    matcher->links = calloc(MAX_LINKS, sizeof *matcher->links);
    if (matcher->names && matcher->links)
        return matcher;
    tr_etw_matcher_free(matcher);
    return NULL;
}

void tr_etw_matcher_free(struct tr_etw_matcher *matcher)
{
    if (!matcher)
        return;
    free(matcher->names);
    free(matcher->links);
    free(matcher->lists);
    free(matcher);
}

static uint32_t slot_of(const struct tr_etw_matcher *matcher, const uint8_t *guid)
{
    uint64_t mixed = ((uint64_t)tr_i64(guid) ^ (uint64_t)tr_i64(guid + 8)) * 0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(mixed >> 52);

    while (matcher->providers[slot].used && memcmp(matcher->providers[slot].guid, guid, 16))
        slot = (slot + 1) & (SLOTS - 1);
    return slot;
}

static struct provider *provider_of(struct tr_etw_matcher *matcher, const uint8_t *guid)
{
    struct provider *provider = &matcher->providers[slot_of(matcher, guid)];

    if (!provider->used) {
        memcpy(provider->guid, guid, 16);
        provider->group = TR_ETW_NO_GROUP;
        provider->used = true;
        matcher->provider_count++;
    }
    return provider;
}

int32_t tr_etw_add_group(struct tr_etw_matcher *matcher, uint32_t group, const uint8_t *guid)
{
    if (group >= GROUPS || matcher->provider_count >= SLOTS / 2 || matcher->prepared)
        return -1;
    memcpy(matcher->group_guids[group], guid, 16);
    provider_of(matcher, guid)->group = (uint16_t)group;
    return 0;
}

int32_t tr_etw_add_match(struct tr_etw_matcher *matcher, const struct tr_etw_match *match)
{
    if (matcher->name_count == MAX_LINKS || matcher->provider_count >= SLOTS / 2 || matcher->prepared)
        return -1;
    if (match->wants & TR_ETW_WANT_PROVIDER)
        provider_of(matcher, match->provider);
    matcher->names[matcher->name_count].match = *match;
    return (int32_t)matcher->name_count++;
}

int32_t tr_etw_add_link(struct tr_etw_matcher *matcher, struct tr_program *program, uint32_t match, uint32_t need)
{
    if (matcher->link_count == MAX_LINKS || match >= matcher->name_count || matcher->prepared ||
        need > sizeof(struct tr_etw_context))
        return -1;
    matcher->links[matcher->link_count] = (struct tr_link){.program = program, .event = match, .need = need};
    return (int32_t)matcher->link_count++;
}

/* Group the links by name, keeping the order in which they were added. */
static bool sort_links(struct tr_etw_matcher *matcher)
{
    struct tr_link_range *ranges = calloc((size_t)matcher->name_count + 1, sizeof *ranges);
    struct tr_link *sorted = NULL;

    if (ranges)
        sorted = tr_links_grouped(matcher->links, matcher->link_count, matcher->name_count, ranges);
    for (uint32_t n = 0; sorted && n < matcher->name_count; n++)
        matcher->names[n].links = ranges[n];
    free(ranges);
    if (!sorted)
        return false;
    free(matcher->links);
    matcher->links = sorted;
    return true;
}

static bool fits(const struct tr_etw_match *match, const uint8_t *guid, uint32_t group)
{
    if (!(match->wants & (TR_ETW_WANT_PROVIDER | TR_ETW_WANT_GROUP)))
        return true;
    if (match->wants & TR_ETW_WANT_PROVIDER && guid && !memcmp(match->provider, guid, 16))
        return true;
    return match->wants & TR_ETW_WANT_GROUP && match->group == group;
}

static struct choice choose(struct tr_etw_matcher *matcher, const uint8_t *guid, uint32_t group)
{
    struct choice choice = {.first = matcher->list_count};

    for (uint32_t n = 0; n < matcher->name_count; n++)
        if (fits(&matcher->names[n].match, guid, group))
            matcher->lists[matcher->list_count++] = (uint16_t)n;
    choice.count = matcher->list_count - choice.first;
    return choice;
}

int32_t tr_etw_prepare(struct tr_etw_matcher *matcher)
{
    /* At most 2,049 + 256 + 1 lists of 1,024 names of 2 bytes: under 5 MiB. */
    size_t most = (size_t)(matcher->provider_count + GROUPS + 1) * (matcher->name_count + 1);

    if (matcher->prepared)
        return 0;
    matcher->lists = malloc(most * sizeof *matcher->lists);
    if (!matcher->lists || !sort_links(matcher))
        return -1;
    matcher->prepared = true;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (matcher->providers[i].used)
            matcher->providers[i].choice = choose(matcher, matcher->providers[i].guid, matcher->providers[i].group);
    for (uint32_t i = 0; i < GROUPS; i++)
        matcher->groups[i] = choose(matcher, NULL, i);
    matcher->others = choose(matcher, NULL, TR_ETW_NO_GROUP);
    return 0;
}

static const struct choice *choice_of(const struct tr_etw_matcher *matcher, const struct tr_etw_key *key,
                                      uint16_t *group)
{
    const struct provider *provider;

    *group = TR_ETW_NO_GROUP;
    if (!key->provider)
        return key->group < GROUPS ? &matcher->groups[key->group] : &matcher->others;
    provider = &matcher->providers[slot_of(matcher, key->provider)];
    if (!provider->used)
        return &matcher->others;
    *group = provider->group;
    return &provider->choice;
}

static bool wanted(const struct name *name, const struct tr_etw_key *key)
{
    return !(name->match.wants & TR_ETW_WANT_EVENT) || name->match.event == key->number;
}

bool tr_etw_find(const struct tr_etw_matcher *matcher, const struct tr_etw_key *key, struct tr_etw_found *found)
{
    const struct choice *choice = choice_of(matcher, key, &found->group);

    found->first = choice->first;
    found->last = choice->first + choice->count;
    while (found->first < found->last && !wanted(&matcher->names[matcher->lists[found->first]], key))
        found->first++;
    return found->first < found->last;
}

void tr_etw_set_reader(struct tr_etw_matcher *matcher, struct tr_etw_reader *reader)
{
    matcher->reader = reader;
}

void tr_etw_run(struct tr_etw_matcher *matcher, const struct tr_etw_key *key, const struct tr_etw_found *found,
                const struct tr_etw_context *context, struct tr_run *run)
{
    if (matcher->reader)
        tr_etw_reader_begin(matcher->reader, context, run->described);
    run->fields = matcher->reader;
    for (uint32_t i = found->first; i < found->last; i++) {
        struct name *name = &matcher->names[matcher->lists[i]];

        if (!wanted(name, key))
            continue;
        name->ledger.produced++;
        if (tr_links_run(matcher->links + name->links.first, name->links.count, context, sizeof *context, run))
            name->ledger.failed++;
        else
            name->ledger.delivered++;
    }
    run->fields = NULL;
}

void tr_etw_pass(struct tr_etw_matcher *matcher)
{
    matcher->unmatched++;
}

void tr_etw_filter(struct tr_etw_matcher *matcher, const struct tr_etw_key *key)
{
    struct tr_etw_found found;

    if (!tr_etw_find(matcher, key, &found))
        tr_etw_pass(matcher);
    for (uint32_t i = found.first; i < found.last; i++) {
        struct name *name = &matcher->names[matcher->lists[i]];

        if (wanted(name, key)) {
            name->ledger.produced++;
            name->ledger.filtered++;
        }
    }
}

uint16_t tr_etw_group_of(const struct tr_etw_matcher *matcher, const uint8_t *guid)
{
    const struct provider *provider = &matcher->providers[slot_of(matcher, guid)];

    return provider->used ? provider->group : TR_ETW_NO_GROUP;
}

uint64_t tr_etw_unmatched(const struct tr_etw_matcher *matcher)
{
    return matcher->unmatched;
}

const uint8_t *tr_etw_group_guid(const struct tr_etw_matcher *matcher, uint32_t group)
{
    return matcher->group_guids[group % GROUPS];
}

static bool by_hook(uint8_t kind)
{
    return kind <= TR_ETL_COMPACT64 || kind == TR_ETL_PERFINFO32 || kind == TR_ETL_PERFINFO64;
}

static bool by_id(const struct tr_etw_context *context)
{
    if (context->kind == TR_ETL_EVENT32 || context->kind == TR_ETL_EVENT64)
        return !(context->flags & TR_ETW_FLAG_CLASSIC);
    return context->kind == TR_ETL_MESSAGE;
}

struct tr_etw_key tr_etw_key_of(const struct tr_etw_context *context)
{
    return (struct tr_etw_key){
        .provider = by_hook(context->kind) ? NULL : context->provider,
        .group = context->hook >> 8,
        .number = by_id(context) ? context->id : context->opcode,
    };
}

void tr_etw_ledger(const struct tr_etw_matcher *matcher, uint32_t match, struct tr_ledger *ledger)
{
    *ledger = match < matcher->name_count ? matcher->names[match].ledger : (struct tr_ledger){0};
}

const struct tr_link *tr_etw_links(const struct tr_etw_matcher *matcher, uint32_t *count)
{
    *count = matcher->link_count;
    return matcher->links;
}

static void carry_link(struct tr_link *link, const struct tr_link *before)
{
    if (link->program != before->program)
        return;
    link->delivered = before->delivered;
    link->failed = before->failed;
}

void tr_etw_carry(struct tr_etw_matcher *matcher, const struct tr_etw_matcher *before, const int32_t *numbers)
{
    for (uint32_t n = 0; n < matcher->name_count; n++) {
        struct name *name = &matcher->names[n];
        const struct name *was;

        if (numbers[n] < 0 || (uint32_t)numbers[n] >= before->name_count)
            continue;
        was = &before->names[numbers[n]];
        name->ledger = was->ledger;
        for (uint32_t at = 0; at < name->links.count; at++)
            for (uint32_t from = 0; from < was->links.count; from++)
                carry_link(&matcher->links[name->links.first + at], &before->links[was->links.first + from]);
    }
    matcher->unmatched += before->unmatched;
}
