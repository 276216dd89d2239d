/* One event, one row of CSV: a column of JSON for its fields, or one for each. */
#include "etw_line.h"

/* Put what is in the scratch as a cell: in quotes, those in it doubled. */
static void put_cell(struct tr_etw_line *line)
{
    const char *at = line->scratch.data, *end = at + line->scratch.used, *quote;

    tr_text_byte(&line->out, '"');
    while (line->scratch.used && (quote = memchr(at, '"', (size_t)(end - at))) != NULL) {
        tr_text_put(&line->out, at, (size_t)(quote + 1 - at));
        tr_text_byte(&line->out, '"');
        at = quote + 1;
    }
    if (line->scratch.used)
        tr_text_put(&line->out, at, (size_t)(end - at));
    tr_text_put(&line->out, "\"", 1);
    line->out.failed = line->out.failed || line->scratch.failed;
}

static struct tr_text *cell(struct tr_etw_line *line, bool bare)
{
    line->scratch.used = 0;
    line->scratch.failed = false;
    line->scratch.limit = TR_ETW_MAX_LINE;
    line->scratch.bare = bare;
    return &line->scratch;
}

static void comma(struct tr_etw_line *line)
{
    tr_text_byte(&line->out, ',');
}

/* The columns before the fields; an absent value is an empty cell without quotes. */
static void put_common(struct tr_etw_line *line, const struct tr_etw_seen *seen)
{
    const struct tr_etw_context *context = seen->context;
    const uint32_t numbers[] = {context->id, context->version, context->opcode, context->level, context->task};
    struct tr_text *out = &line->out;

    tr_text_unix_ns(out, context->time_ns, 9);
    comma(line);
    if (seen->provider) {
        tr_etw_put_name(cell(line, true), seen->provider, seen->provider_bytes);
        put_cell(line);
    }
    comma(line);
    tr_text_guid(out, context->provider);
    comma(line);
    tr_etw_put_event_name(cell(line, true), seen);
    if (line->scratch.used)
        put_cell(line);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        comma(line);
        tr_text_unsigned(out, numbers[i]);
    }
    comma(line);
    tr_text_hex(out, context->keyword);
    comma(line);
    if (tr_etw_has_task(context->pid))
        tr_text_unsigned(out, context->pid);
    comma(line);
    if (tr_etw_has_task(context->tid))
        tr_text_unsigned(out, context->tid);
    comma(line);
    tr_text_unsigned(out, context->cpu);
    comma(line);
    if (context->hook != TR_ETW_NO_HOOK)
        tr_text_hex(out, context->hook);
    comma(line);
    if (tr_etw_has_guid(context->activity))
        tr_text_guid(out, context->activity);
}

static bool is_text(const struct tr_etw_field *field)
{
    return field->count_kind != TR_ETW_ONE || field->type == TR_ETW_STRUCT || field->type >= TR_ETW_SID ||
           field->show == TR_ETW_CHAR;
}

/* A cell for each field; those behind one that fails are empty. */
static void put_columns(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    const struct tr_etw_layout *layout = &seen->schema->layout;
    enum tr_etw_step step = TR_ETW_STEP_OK;
    uint32_t at = 0;

    tr_etw_walk_event(&line->walk, seen->schema, seen->context);
    for (uint32_t i = 0; i < layout->field_count; i += 1 + layout->fields[i].members) {
        const struct tr_etw_field *field = &layout->fields[i];
        bool bare = field->type != TR_ETW_STRUCT && (field->count_kind == TR_ETW_ONE || field->show == TR_ETW_CHAR);

        comma(line);
        if (step)
            continue;
        step = tr_etw_put_field(cell(line, bare), &line->walk, i, &at, bare ? line->digits : 7);
        if (step)
            seen->failed = i;
        else if (is_text(field))
            put_cell(line);
        else
            tr_text_put(&line->out, line->scratch.data, line->scratch.used);
    }
    tr_etw_settle(seen, &line->walk, step, at);
}

static void put_empty_columns(struct tr_etw_line *line)
{
    for (uint32_t i = 0; i < line->columns; i++)
        comma(line);
}

static void put_fields_cell(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    enum tr_etw_step step;
    uint32_t at = 0;

    comma(line);
    if (!tr_etw_has_fields(seen))
        return;
    tr_etw_walk_event(&line->walk, seen->schema, seen->context);
    step = tr_etw_put_fields(cell(line, false), &line->walk, &at, &seen->failed, NULL);
    tr_etw_settle(seen, &line->walk, step, at);
    put_cell(line);
}

void tr_etw_put_row(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    line->out.bare = true;
    put_common(line, seen);
    if (line->form == TR_ETW_FORM_COLUMNS && tr_etw_has_fields(seen))
        put_columns(line, seen);
    else if (line->form == TR_ETW_FORM_COLUMNS)
        put_empty_columns(line);
    else
        put_fields_cell(line, seen);
    comma(line);
    if (seen->outcome != TR_ETW_DECODED) {
        tr_etw_put_reason(cell(line, true), seen);
        put_cell(line);
        comma(line);
        tr_text_bytes(cell(line, true), seen->context->data, tr_etw_payload_bytes(seen->context));
        put_cell(line);
    } else {
        comma(line);
    }
    tr_text_byte(&line->out, '\n');
    line->out.bare = false;
}
