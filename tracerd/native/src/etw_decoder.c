/* The decoder: filters events, finds their schemas, has them written. */
#include <stdlib.h>

#include "etw_line.h"
#include "etw_traits.h"

#define MAX_RULES 1024u
#define MUCH_TEXT (512u << 10)               /* then the walk of a file pauses, so that the text is taken */
#define MOST_TEXT (64u << 20)                /* more is lost: of a source that cannot wait, when nobody takes it */

struct tr_etw_decoder {
    struct tr_etw_finder finder;
    const struct tr_etw_schema *only;        /* of all events so far; NULL: none yet */
    bool several;
    struct tr_etw_line line;
    struct tr_etw_rule *rules;
    uint32_t rule_count;
    uint32_t pid;
    bool by_pid;
    uint64_t left;                           /* events until the limit */
    struct tr_etw_decoded counts;
};

struct tr_etw_decoder *tr_etw_decoder_new(const struct tr_etw_schemas *schemas, uint32_t form, uint32_t digits)
{
    struct tr_etw_decoder *decoder = calloc(1, sizeof *decoder);

    if (!decoder)
        return NULL;
    decoder->line.form = form;
    decoder->line.digits = digits;
    decoder->left = UINT64_MAX;
    decoder->rules = calloc(MAX_RULES, sizeof *decoder->rules);
    if (tr_etw_finder_init(&decoder->finder, schemas) && decoder->rules)
        return decoder;
    tr_etw_decoder_free(decoder);
    return NULL;
}

void tr_etw_decoder_free(struct tr_etw_decoder *decoder)
{
    if (!decoder)
        return;
    tr_etw_finder_release(&decoder->finder);
    tr_text_free(&decoder->line.out);
    tr_text_free(&decoder->line.scratch);
    free(decoder->rules);
    free(decoder);
}

int32_t tr_etw_decoder_add_rule(struct tr_etw_decoder *decoder, const struct tr_etw_rule *rule)
{
    if (decoder->rule_count == MAX_RULES)
        return -1;
    decoder->rules[decoder->rule_count++] = *rule;
    return 0;
}

void tr_etw_decoder_columns(struct tr_etw_decoder *decoder, uint32_t columns)
{
    decoder->line.columns = columns;
}

void tr_etw_decoder_only_pid(struct tr_etw_decoder *decoder, uint32_t pid)
{
    decoder->pid = pid;
    decoder->by_pid = true;
}

void tr_etw_decoder_limit(struct tr_etw_decoder *decoder, uint64_t events)
{
    decoder->left = events;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_named(const struct tr_etw_rule *rule, const struct tr_etw_described *described)
{
    const char *name = NULL;
    uint32_t bytes = tr_etw_own_name(described, &name);

    if (!bytes || bytes != rule->name_bytes)
        return false;
    for (uint32_t i = 0; i < bytes && i < sizeof rule->name; i++)
        if (lower(name[i]) != lower(rule->name[i]))
            return false;
    return true;
}

static bool is_providers(const struct tr_etw_rule *rule, const struct tr_etw_context *context,
                         const struct tr_etw_described *described)
{
    const uint32_t any = TR_ETW_WANT_PROVIDER | TR_ETW_WANT_GROUP | TR_ETW_WANT_NAME;

    return !(rule->wants & any) ||
           (rule->wants & TR_ETW_WANT_PROVIDER && !memcmp(rule->provider, context->provider, 16)) ||
           (rule->wants & TR_ETW_WANT_GROUP && context->hook >> 8 == rule->group) ||
           (rule->wants & TR_ETW_WANT_NAME && is_named(rule, described));
}

static bool fits(const struct tr_etw_rule *rule, const struct tr_etw_context *context,
                 const struct tr_etw_described *described, uint16_t number)
{
    if (!is_providers(rule, context, described))
        return false;
    if (rule->wants & TR_ETW_WANT_EVENT && rule->event != number)
        return false;
    if (rule->level && context->level > rule->level)
        return false;
    return !context->keyword || ((!rule->any_keyword || context->keyword & rule->any_keyword) &&
                                 (context->keyword & rule->all_keywords) == rule->all_keywords);
}

static bool passes(const struct tr_etw_decoder *decoder, const struct tr_etw_context *context,
                   const struct tr_etw_described *described, uint16_t number)
{
    bool fit = decoder->rule_count == 0;

    if (decoder->by_pid && context->pid != decoder->pid)
        return false;
    for (uint32_t i = 0; i < decoder->rule_count && !fit; i++)
        fit = fits(&decoder->rules[i], context, described, number);
    return fit;
}

static void find_schema(struct tr_etw_decoder *decoder, struct tr_etw_seen *seen,
                        const struct tr_etw_described *described)
{
    static const uint8_t outcomes[] = {
        [TR_ETW_KNOWN] = TR_ETW_DECODED, [TR_ETW_NO_PROVIDER] = TR_ETW_UNKNOWN_PROVIDER,
        [TR_ETW_NO_EVENT] = TR_ETW_UNKNOWN_EVENT, [TR_ETW_NO_VERSION] = TR_ETW_UNKNOWN_VERSION,
        [TR_ETW_SENSELESS] = TR_ETW_BAD_SCHEMA, [TR_ETW_WPP_MESSAGE] = TR_ETW_WPP,
    };
    struct tr_etw_look look = tr_etw_find_schema(&decoder->finder, seen->context, described);

    seen->schema = look.schema;
    seen->outcome = outcomes[look.known];
    seen->provider = look.provider;
    seen->provider_bytes = look.provider_bytes;
    if (!seen->provider)
        seen->provider_bytes = tr_etw_own_name(described, &seen->provider);
    if (!seen->provider_bytes)
        seen->provider = NULL;
}

/* Schemas of one's own may be forgotten and their memory used again: then nothing is known of "only" any more. */
static void note_schema(struct tr_etw_decoder *decoder, const struct tr_etw_seen *seen)
{
    if (!seen->schema || seen->schema->bad)
        return;
    decoder->several = decoder->several || (decoder->only && decoder->only != seen->schema) ||
                       tr_etw_self_emptied(decoder->finder.self);
    decoder->only = seen->schema;
}

/* Whether an event has the columns that the look found: not if the file has changed since then. */
static bool has_columns(const struct tr_etw_decoder *decoder, const struct tr_etw_seen *seen)
{
    uint32_t columns = 0;

    if (seen->schema->bad)
        return true;
    for (uint32_t i = 0; i < seen->schema->layout.field_count; i += 1 + seen->schema->layout.fields[i].members)
        columns++;
    return !decoder->several && columns == decoder->line.columns;
}

static uint64_t decode(void *context, struct tr_run *run)
{
    struct tr_etw_decoder *decoder = run->program->image;
    struct tr_etw_seen seen = {.context = context};
    struct tr_etw_key key = tr_etw_key_of(context);

    if (!decoder->left || !passes(decoder, context, run->described, key.number)) {
        decoder->counts.filtered++;
        return 0;
    }
    find_schema(decoder, &seen, run->described);
    note_schema(decoder, &seen);
    if (decoder->line.form == TR_ETW_FORM_COLUMNS && seen.schema && !has_columns(decoder, &seen)) {
        seen.schema = NULL;
        seen.outcome = TR_ETW_UNKNOWN_EVENT;
    }
    if (decoder->line.out.used > MOST_TEXT ||
        (decoder->line.form != TR_ETW_FORM_LOOK && !tr_etw_put_line(&decoder->line, &seen))) {
        decoder->counts.lost++;
        run->aborted = TR_ABORT_FAULT;
        return 0;
    }
    decoder->counts.outcomes[seen.outcome]++;
    decoder->counts.self_described += seen.outcome == TR_ETW_DECODED && run->described &&
                                      ((const struct tr_etw_described *)run->described)->schema;
    decoder->left--;
    run->pause |= !decoder->left || decoder->line.out.used > MUCH_TEXT;
    return 0;
}

void tr_etw_decoder_link(struct tr_etw_decoder *decoder, struct tr_program *program)
{
    tr_program_set_entry(program, decode, decoder);
}

const char *tr_etw_decoder_text(const struct tr_etw_decoder *decoder, uint64_t *bytes)
{
    *bytes = decoder->line.out.used;
    return decoder->line.out.data;
}

void tr_etw_decoder_clear(struct tr_etw_decoder *decoder)
{
    decoder->line.out.used = 0;
}

int32_t tr_etw_decoder_full(const struct tr_etw_decoder *decoder)
{
    return !decoder->left;
}

void tr_etw_decoder_counts(const struct tr_etw_decoder *decoder, struct tr_etw_decoded *counts)
{
    *counts = decoder->counts;
}

int32_t tr_etw_decoder_only_schema(const struct tr_etw_decoder *decoder, struct tr_etw_layout *layout)
{
    if (!decoder->only || decoder->several)
        return decoder->only ? -1 : -2;
    *layout = decoder->only->layout;
    return 0;
}

int32_t tr_etw_places(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, const uint8_t *payload,
                      uint32_t bytes, uint32_t pointer_size, struct tr_etw_place *places, uint32_t capacity,
                      uint32_t *outcome)
{
    struct tr_etw_look look = tr_etw_schemas_find(schemas, key);
    struct tr_etw_walk walk;
    uint32_t at = 0, found = 0;

    if (!look.schema || bytes > 65535 || (pointer_size != 4 && pointer_size != 8))
        return -1;
    tr_etw_walk_begin(&walk, look.schema, payload, bytes, pointer_size);
    for (uint32_t i = 0; i < look.schema->layout.field_count; i += 1 + look.schema->layout.fields[i].members) {
        uint32_t begin = at;
        enum tr_etw_step step = tr_etw_skip(&walk, i, &at);

        if (step) {
            *outcome = step == TR_ETW_STEP_SHORT ? TR_ETW_SHORT : TR_ETW_TOO_LARGE;
            return (int32_t)found;
        }
        if (found < capacity)
            places[found++] = (struct tr_etw_place){.field = i, .offset = begin, .bytes = at - begin};
    }
    *outcome = at < bytes ? TR_ETW_LEFT : TR_ETW_DECODED;
    return (int32_t)found;
}
