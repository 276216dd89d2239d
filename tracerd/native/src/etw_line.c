/* One event, one line: a JSON object, or a row of CSV. */
#include "etw_line.h"

static uint32_t payload_bytes(const struct tr_etw_context *context)
{
    return context->data_end > context->data ? (uint32_t)(context->data_end - context->data) : 0;
}

static bool has_task(uint32_t id)
{
    return id != 0xffffffffu;
}

static bool has_guid(const uint8_t *guid)
{
    static const uint8_t none[16];

    return memcmp(guid, none, 16) != 0;
}

static void put_name(struct tr_text *text, const char *name, uint32_t bytes)
{
    if (name)
        tr_text_utf8(text, (const uint8_t *)name, bytes);
    else if (!text->bare)
        tr_text_plain(text, "null");
}

static void put_event_name(struct tr_text *text, const struct tr_etw_seen *seen)
{
    const struct tr_etw_layout *layout = seen->schema && !seen->schema->bad ? &seen->schema->layout : NULL;

    put_name(text, layout && layout->name_bytes ? layout->texts + layout->name : NULL, layout ? layout->name_bytes : 0);
}

/* The reason, as a part of a string. */
static void put_reason(struct tr_text *text, const struct tr_etw_seen *seen)
{
    static const char *const reasons[TR_ETW_OUTCOMES] = {
        [TR_ETW_UNKNOWN_PROVIDER] = "no schema for its provider",
        [TR_ETW_UNKNOWN_EVENT] = "no schema for its id",
        [TR_ETW_UNKNOWN_VERSION] = "no schema for its version",
        [TR_ETW_BAD_SCHEMA] = "it describes itself senselessly",
        [TR_ETW_TOO_LARGE] = "more values or text than one event may have",
        [TR_ETW_WPP] = "a WPP message: its format is in the PDB of its program",
    };

    if (seen->outcome == TR_ETW_SHORT) {
        const struct tr_etw_field *field = &seen->schema->layout.fields[seen->failed];

        tr_text_plain(text, "the payload ends in field ");
        tr_text_utf8_part(text, (const uint8_t *)tr_etw_name(seen->schema, field), field->name_bytes);
    } else if (seen->outcome == TR_ETW_LEFT) {
        tr_text_unsigned(text, seen->left);
        tr_text_plain(text, seen->left == 1 ? " byte left over" : " bytes left over");
    } else {
        tr_text_plain(text, reasons[seen->outcome]);
    }
}

static void key_unsigned(struct tr_text *text, const char *key, uint64_t value)
{
    tr_text_plain(text, key);
    tr_text_unsigned(text, value);
}

/* What the event's header says. */
static void put_header(struct tr_text *text, const struct tr_etw_seen *seen)
{
    const struct tr_etw_context *context = seen->context;

    tr_text_plain(text, "{\"time\":");
    tr_text_unix_ns(text, context->time_ns, 9);
    key_unsigned(text, ",\"time_ns\":", context->time_ns);
    tr_text_plain(text, ",\"provider\":");
    put_name(text, seen->provider, seen->provider_bytes);
    tr_text_plain(text, ",\"guid\":");
    tr_text_guid(text, context->provider);
    tr_text_plain(text, ",\"event\":");
    put_event_name(text, seen);
    key_unsigned(text, ",\"id\":", context->id);
    key_unsigned(text, ",\"version\":", context->version);
    key_unsigned(text, ",\"opcode\":", context->opcode);
    key_unsigned(text, ",\"level\":", context->level);
    key_unsigned(text, ",\"task\":", context->task);
    tr_text_plain(text, ",\"keyword\":");
    tr_text_hex(text, context->keyword);
    if (has_task(context->pid))
        key_unsigned(text, ",\"pid\":", context->pid);
    if (has_task(context->tid))
        key_unsigned(text, ",\"tid\":", context->tid);
    key_unsigned(text, ",\"cpu\":", context->cpu);
    if (context->hook != TR_ETW_NO_HOOK) {
        tr_text_plain(text, ",\"hook\":");
        tr_text_hex(text, context->hook);
    }
    if (has_guid(context->activity)) {
        tr_text_plain(text, ",\"activity\":");
        tr_text_guid(text, context->activity);
    }
}

/* Settle what became of an event whose fields were walked to `at`. */
static void settle(struct tr_etw_seen *seen, const struct tr_etw_walk *walk, enum tr_etw_step step, uint32_t at)
{
    if (step == TR_ETW_STEP_SHORT)
        seen->outcome = TR_ETW_SHORT;
    else if (step == TR_ETW_STEP_TOO_MANY)
        seen->outcome = TR_ETW_TOO_LARGE;
    else if (at < walk->size)
        seen->outcome = TR_ETW_LEFT;
    seen->left = walk->size - at;
}

/* Whether the fields take up exactly the payload. */
static bool fits_exactly(struct tr_etw_line *line, const struct tr_etw_seen *seen, uint32_t pointer_size)
{
    const struct tr_etw_layout *layout = &seen->schema->layout;
    enum tr_etw_step step = TR_ETW_STEP_OK;
    uint32_t at = 0;

    tr_etw_walk_begin(&line->walk, seen->schema, seen->context->data, payload_bytes(seen->context), pointer_size);
    for (uint32_t i = 0; i < layout->field_count && !step; i += 1 + layout->fields[i].members)
        step = tr_etw_skip(&line->walk, i, &at);
    return !step && at == line->walk.size;
}

/* The pointer size is the header's. But a 32-bit program that hands on a 64-bit kernel's events writes classic headers
   of its own around their payloads: those are told by what fits. */
static uint32_t pointer_size_of(struct tr_etw_line *line, const struct tr_etw_seen *seen)
{
    const struct tr_etw_context *context = seen->context;
    bool handed_on = context->kind == TR_ETL_FULL32 && context->hook != TR_ETW_NO_HOOK;

    if (context->pointer_size != 4)
        return 8;
    return handed_on && !fits_exactly(line, seen, 4) && fits_exactly(line, seen, 8) ? 8 : 4;
}

static void begin_walk(struct tr_etw_line *line, const struct tr_etw_seen *seen)
{
    tr_etw_walk_begin(&line->walk, seen->schema, seen->context->data, payload_bytes(seen->context),
                      pointer_size_of(line, seen));
}

static bool has_fields(const struct tr_etw_seen *seen)
{
    return seen->schema && !seen->schema->bad && seen->outcome != TR_ETW_TOO_LARGE;
}

static void put_json(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    struct tr_text *text = &line->out;

    put_header(text, seen);
    if (has_fields(seen)) {
        struct tr_etw_labelled labelled = {.count = 0};
        enum tr_etw_step step;
        uint32_t at = 0;

        begin_walk(line, seen);
        tr_text_plain(text, ",\"fields\":");
        step = tr_etw_put_fields(text, &line->walk, &at, &seen->failed, &labelled);
        settle(seen, &line->walk, step, at);
        if (labelled.count) {
            tr_text_plain(text, ",\"labels\":");
            tr_etw_put_labels(text, seen->schema, &labelled);
        }
    }
    if (seen->outcome != TR_ETW_DECODED) {
        tr_text_plain(text, ",\"reason\":\"");
        put_reason(text, seen);
        tr_text_plain(text, "\",\"payload\":");
        tr_text_bytes(text, seen->context->data, payload_bytes(seen->context));
    }
    tr_text_put(text, "}\n", 2);
}

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
        put_name(cell(line, true), seen->provider, seen->provider_bytes);
        put_cell(line);
    }
    comma(line);
    tr_text_guid(out, context->provider);
    comma(line);
    put_event_name(cell(line, true), seen);
    if (line->scratch.used)
        put_cell(line);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        comma(line);
        tr_text_unsigned(out, numbers[i]);
    }
    comma(line);
    tr_text_hex(out, context->keyword);
    comma(line);
    if (has_task(context->pid))
        tr_text_unsigned(out, context->pid);
    comma(line);
    if (has_task(context->tid))
        tr_text_unsigned(out, context->tid);
    comma(line);
    tr_text_unsigned(out, context->cpu);
    comma(line);
    if (context->hook != TR_ETW_NO_HOOK)
        tr_text_hex(out, context->hook);
    comma(line);
    if (has_guid(context->activity))
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

    begin_walk(line, seen);
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
    settle(seen, &line->walk, step, at);
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
    if (!has_fields(seen))
        return;
    begin_walk(line, seen);
    step = tr_etw_put_fields(cell(line, false), &line->walk, &at, &seen->failed, NULL);
    settle(seen, &line->walk, step, at);
    put_cell(line);
}

static void put_row(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    line->out.bare = true;
    put_common(line, seen);
    if (line->form == TR_ETW_FORM_COLUMNS && has_fields(seen))
        put_columns(line, seen);
    else if (line->form == TR_ETW_FORM_COLUMNS)
        put_empty_columns(line);
    else
        put_fields_cell(line, seen);
    comma(line);
    if (seen->outcome != TR_ETW_DECODED) {
        put_reason(cell(line, true), seen);
        put_cell(line);
        comma(line);
        tr_text_bytes(cell(line, true), seen->context->data, payload_bytes(seen->context));
        put_cell(line);
    } else {
        comma(line);
    }
    tr_text_byte(&line->out, '\n');
    line->out.bare = false;
}

bool tr_etw_put_line(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    size_t begin = line->out.used;
    uint32_t outcome = seen->outcome;

    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        line->out.limit = begin + TR_ETW_MAX_LINE;
        line->form == TR_ETW_FORM_JSON ? put_json(line, seen) : put_row(line, seen);
        if (!line->out.failed && seen->outcome != TR_ETW_TOO_LARGE)
            return true;
        if (!line->out.failed && (outcome == TR_ETW_TOO_LARGE || attempt))
            return true;
        line->out.used = begin;              /* once more, without the fields */
        line->out.failed = false;
        line->out.bare = false;
        seen->outcome = TR_ETW_TOO_LARGE;
    }
    return false;
}
