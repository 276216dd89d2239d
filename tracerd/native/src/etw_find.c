/* From an event's header to its schema. */
#include <stdlib.h>

#include "etw_find.h"

#define FLAG_STRING_ONLY 0x0004u             /* EVENT_HEADER_FLAG_STRING_ONLY: EventWriteString */

static struct tr_etw_schema *message_schema(void)
{
    static const struct tr_etw_field field = {.name_bytes = 7, .type = TR_ETW_UTF16, .length_kind = TR_ETW_ZERO};
    static const struct tr_etw_layout layout = {
        .fields = &field, .field_count = 1, .texts = "message", .text_bytes = 7
    };
    int32_t error;

    return tr_etw_schema_prepare(&layout, &error);
}

bool tr_etw_finder_init(struct tr_etw_finder *finder, const struct tr_etw_schemas *schemas)
{
    finder->schemas = schemas;
    finder->self = tr_etw_self_new();
    finder->message = message_schema();
    return finder->self && finder->message;
}

void tr_etw_finder_release(struct tr_etw_finder *finder)
{
    tr_etw_self_free(finder->self);
    free(finder->message);
    *finder = (struct tr_etw_finder){0};
}

struct tr_etw_look tr_etw_find_schema(const struct tr_etw_finder *finder, const struct tr_etw_context *context,
                                      const struct tr_etw_described *described)
{
    struct tr_etw_schema_key of = tr_etw_schema_key_of(context);
    struct tr_etw_look look = tr_etw_schemas_find(finder->schemas, &of);

    if (described && described->schema) {
        look.schema = tr_etw_self_find(finder->self, context->provider, described->schema, described->schema_bytes);
        look.known = look.schema && !look.schema->bad ? TR_ETW_KNOWN : TR_ETW_SENSELESS;
    } else if (!look.schema && context->kind == TR_ETL_MESSAGE) {
        look.known = TR_ETW_WPP_MESSAGE;
    } else if (!look.schema && context->flags & FLAG_STRING_ONLY) {
        look.schema = finder->message;
        look.known = TR_ETW_KNOWN;
    }
    return look;
}

const struct tr_etw_schema *tr_etw_schema_of(const struct tr_etw_finder *finder, const struct tr_etw_context *context,
                                             const struct tr_etw_described *described)
{
    struct tr_etw_schema_key of = tr_etw_schema_key_of(context);
    const struct tr_etw_schema *known = NULL;

    if (!described || !described->schema)
        known = tr_etw_schemas_exact(finder->schemas, &of);
    if (!known)
        known = tr_etw_find_schema(finder, context, described).schema;
    return known && !known->bad ? known : NULL;
}
