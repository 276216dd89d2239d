/* Which programs run on an event: a table made once, so that an event nobody asked for costs one look-up. */
#include <stdlib.h>

#include "etl_parts.h"

#define GROUPS 256u
#define SLOTS 4096u                          /* power of two, over twice the providers there can be */
#define NO_GROUP 0xffffu

/* The names that an event of one provider or group may have: [first, first + count) of `lists`. */
struct choice {
    uint32_t first, count;
};

struct provider {
    uint8_t guid[16];
    struct choice choice;
    uint16_t group;                          /* of a kernel class, or NO_GROUP */
    bool used;
};

struct name {
    struct tr_etl_match match;
    struct tr_ledger ledger;
    struct tr_link_range links;              /* once prepared */
};

struct tr_etl_matcher {
    struct name *names;
    struct tr_link *links;
    uint16_t *lists;
    struct provider providers[SLOTS];
    uint8_t group_guids[GROUPS][16];
    struct choice groups[GROUPS];
    struct choice others;                    /* providers that no name mentions */
    uint32_t name_count, link_count, provider_count, list_count;
    uint64_t unmatched;
};

struct tr_etl_matcher *tr_etl_matcher_new(void)
{
    struct tr_etl_matcher *matcher = calloc(1, sizeof *matcher);

    if (!matcher)
        return NULL;
    matcher->names = calloc(TR_ETL_MAX_LINKS, sizeof *matcher->names);
    matcher->links = calloc(TR_ETL_MAX_LINKS, sizeof *matcher->links);
    if (matcher->names && matcher->links)
        return matcher;
    tr_etl_matcher_free(matcher);
    return NULL;
}

void tr_etl_matcher_free(struct tr_etl_matcher *matcher)
{
    if (!matcher)
        return;
    free(matcher->names);
    free(matcher->links);
    free(matcher->lists);
    free(matcher);
}

static struct provider *slot_of(struct tr_etl_matcher *matcher, const uint8_t *guid)
{
    uint64_t mixed = ((uint64_t)tr_i64(guid) ^ (uint64_t)tr_i64(guid + 8)) * 0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(mixed >> 52);

    while (matcher->providers[slot].used && memcmp(matcher->providers[slot].guid, guid, 16))
        slot = (slot + 1) & (SLOTS - 1);
    return &matcher->providers[slot];
}

static struct provider *provider_of(struct tr_etl_matcher *matcher, const uint8_t *guid)
{
    struct provider *provider = slot_of(matcher, guid);

    if (!provider->used) {
        memcpy(provider->guid, guid, 16);
        provider->group = NO_GROUP;
        provider->used = true;
        matcher->provider_count++;
    }
    return provider;
}

int32_t tr_etl_add_group(struct tr_etl *etl, uint32_t group, const uint8_t *guid)
{
    struct tr_etl_matcher *matcher = etl->matcher;

    if (group >= GROUPS || matcher->provider_count >= SLOTS / 2 || etl->begun)
        return -1;
    memcpy(matcher->group_guids[group], guid, 16);
    provider_of(matcher, guid)->group = (uint16_t)group;
    return 0;
}

int32_t tr_etl_add_match(struct tr_etl *etl, const struct tr_etl_match *match)
{
    struct tr_etl_matcher *matcher = etl->matcher;

    if (matcher->name_count == TR_ETL_MAX_LINKS || matcher->provider_count >= SLOTS / 2 || etl->begun)
        return -1;
    if (match->wants & TR_ETL_WANT_PROVIDER)
        provider_of(matcher, match->provider);
    matcher->names[matcher->name_count].match = *match;
    return (int32_t)matcher->name_count++;
}

int32_t tr_etl_add_link(struct tr_etl *etl, struct tr_program *program, uint32_t match, uint32_t need)
{
    struct tr_etl_matcher *matcher = etl->matcher;

    if (matcher->link_count == TR_ETL_MAX_LINKS || match >= matcher->name_count || etl->begun ||
        need > sizeof(struct tr_etw_context))
        return -1;
    matcher->links[matcher->link_count] = (struct tr_link){.program = program, .event = match, .need = need};
    return (int32_t)matcher->link_count++;
}

/* Group the links by name, keeping the order in which they were added. */
static bool sort_links(struct tr_etl_matcher *matcher)
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

static bool fits(const struct tr_etl_match *match, const uint8_t *guid, uint32_t group)
{
    if (!(match->wants & (TR_ETL_WANT_PROVIDER | TR_ETL_WANT_GROUP)))
        return true;
    if (match->wants & TR_ETL_WANT_PROVIDER && guid && !memcmp(match->provider, guid, 16))
        return true;
    return match->wants & TR_ETL_WANT_GROUP && match->group == group;
}

static struct choice choose(struct tr_etl_matcher *matcher, const uint8_t *guid, uint32_t group)
{
    struct choice choice = {.first = matcher->list_count};

    for (uint32_t n = 0; n < matcher->name_count; n++)
        if (fits(&matcher->names[n].match, guid, group))
            matcher->lists[matcher->list_count++] = (uint16_t)n;
    choice.count = matcher->list_count - choice.first;
    return choice;
}

bool tr_etl_matcher_prepare(struct tr_etl_matcher *matcher)
{
    /* At most 2,049 + 256 + 1 lists of 1,024 names of 2 bytes: under 5 MiB. */
    size_t most = (size_t)(matcher->provider_count + GROUPS + 1) * (matcher->name_count + 1);

    matcher->lists = malloc(most * sizeof *matcher->lists);
    if (!matcher->lists || !sort_links(matcher))
        return false;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (matcher->providers[i].used)
            matcher->providers[i].choice = choose(matcher, matcher->providers[i].guid, matcher->providers[i].group);
    for (uint32_t i = 0; i < GROUPS; i++)
        matcher->groups[i] = choose(matcher, NULL, i);
    matcher->others = choose(matcher, NULL, NO_GROUP);
    return true;
}

static uint64_t not_negative(int64_t ns)
{
    return ns < 0 ? 0 : (uint64_t)ns;
}

/* The context as it is before a run: programs cannot write it, so one serves all links of an event. */
static void fill_context(const struct tr_etl *etl, const struct tr_etl_event *event, uint32_t cpu,
                         const struct provider *provider, struct tr_etw_context *context)
{
    const uint8_t *guid = event->provider ? event->provider : etl->matcher->group_guids[event->hook >> 8];

    memset(context, 0, sizeof *context);
    context->data = event->payload;
    context->data_end = event->payload + event->payload_size;
    context->time_ns = not_negative(tr_etl_unix_ns(&etl->facts, event->ticks));
    memcpy(context->provider, guid, 16);
    if (event->activity)
        memcpy(context->activity, event->activity, 16);
    context->keyword = event->keyword;
    context->pid = event->pid;
    context->tid = event->tid;
    context->cpu = cpu;
    context->pointer_size = event->pointer_size;
    context->hook = event->provider ? TR_ETL_NO_HOOK : event->hook;
    if (provider && provider->used && provider->group != NO_GROUP)
        context->hook = (uint32_t)provider->group << 8 | event->opcode;
    context->id = event->id;
    context->task = event->task;
    context->version = event->version;
    context->channel = event->channel;
    context->level = event->level;
    context->opcode = event->opcode;
    context->flags = event->flags;
    context->kind = event->kind;
}

static void fill_run(const struct tr_etl *etl, const struct tr_etl_event *event, uint32_t cpu, struct tr_run *run)
{
    run->now_ns = not_negative(tr_etl_clock_ns(&etl->facts, event->ticks));
    run->pid_tgid = (uint64_t)event->pid << 32 | event->tid;
    run->uid_gid = (uint64_t)65534 << 32 | 65534;      /* unknown, and never 0 */
    memset(run->comm, 0, sizeof run->comm);
    run->cpu = cpu;
}

static bool wanted(const struct name *name, const struct tr_etl_event *event)
{
    uint16_t number = event->by_id ? event->id : event->opcode;

    return !(name->match.wants & TR_ETL_WANT_EVENT) || name->match.event == number;
}

void tr_etl_deliver(struct tr_etl *etl, const struct tr_etl_event *event, uint32_t cpu, struct tr_run *run)
{
    struct tr_etl_matcher *matcher = etl->matcher;
    const struct provider *provider = event->provider ? slot_of(matcher, event->provider) : NULL;
    const struct choice *choice = provider ? (provider->used ? &provider->choice : &matcher->others)
                                           : &matcher->groups[event->hook >> 8];
    struct tr_etw_context context;
    bool filled = false;

    for (uint32_t i = choice->first; i < choice->first + choice->count; i++) {
        struct name *name = &matcher->names[matcher->lists[i]];

        if (!wanted(name, event))
            continue;
        if (!filled) {
            fill_context(etl, event, cpu, provider, &context);
            fill_run(etl, event, cpu, run);
            filled = true;
        }
        name->ledger.produced++;
        if (tr_links_run(matcher->links + name->links.first, name->links.count, &context, sizeof context, run))
            name->ledger.failed++;
        else
            name->ledger.delivered++;
    }
    matcher->unmatched += !filled;
}

uint64_t tr_etl_unmatched(const struct tr_etl_matcher *matcher)
{
    return matcher->unmatched;
}

void tr_etl_ledger(const struct tr_etl *etl, uint32_t match, struct tr_ledger *ledger)
{
    *ledger = (struct tr_ledger){0};
    if (match < etl->matcher->name_count)
        *ledger = etl->matcher->names[match].ledger;
}
