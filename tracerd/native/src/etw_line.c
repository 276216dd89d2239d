/* One event, one line: what JSON and CSV share, and the JSON object. */
#include "etw_line.h"

void tr_etw_put_name(struct tr_text *text, const char *name, uint32_t bytes)
{
    if (name)
        tr_text_utf8(text, (const uint8_t *)name, bytes);
    else if (!text->bare)
        tr_text_plain(text, "null");
}

void tr_etw_put_event_name(struct tr_text *text, const struct tr_etw_seen *seen)
{
    static const struct tr_etw_layout none;
    const struct tr_etw_layout *layout = seen->schema ? &seen->schema->layout : &none;

    tr_etw_put_name(text, layout->name_bytes ? layout->texts + layout->name : NULL, layout->name_bytes);
}

/* The reason, as a part of a string. */
void tr_etw_put_reason(struct tr_text *text, const struct tr_etw_seen *seen)
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
    tr_etw_put_name(text, seen->provider, seen->provider_bytes);
    tr_text_plain(text, ",\"guid\":");
    tr_text_guid(text, context->provider);
    tr_text_plain(text, ",\"event\":");
    tr_etw_put_event_name(text, seen);
    key_unsigned(text, ",\"id\":", context->id);
    key_unsigned(text, ",\"version\":", context->version);
    key_unsigned(text, ",\"opcode\":", context->opcode);
    key_unsigned(text, ",\"level\":", context->level);
    key_unsigned(text, ",\"task\":", context->task);
    tr_text_plain(text, ",\"keyword\":");
    tr_text_hex(text, context->keyword);
    if (tr_etw_has_task(context->pid))
        key_unsigned(text, ",\"pid\":", context->pid);
    if (tr_etw_has_task(context->tid))
        key_unsigned(text, ",\"tid\":", context->tid);
    key_unsigned(text, ",\"cpu\":", context->cpu);
    if (context->hook != TR_ETW_NO_HOOK) {
        tr_text_plain(text, ",\"hook\":");
        tr_text_hex(text, context->hook);
    }
    if (tr_etw_has_guid(context->activity)) {
        tr_text_plain(text, ",\"activity\":");
        tr_text_guid(text, context->activity);
    }
}

/* Settle what became of an event whose fields were walked to `at`. */
void tr_etw_settle(struct tr_etw_seen *seen, const struct tr_etw_walk *walk, enum tr_etw_step step, uint32_t at)
{
    if (step == TR_ETW_STEP_SHORT)
        seen->outcome = TR_ETW_SHORT;
    else if (step == TR_ETW_STEP_TOO_MANY)
        seen->outcome = TR_ETW_TOO_LARGE;
    else if (at < walk->size)
        seen->outcome = TR_ETW_LEFT;
    seen->left = walk->size - at;
}

static void put_json(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    struct tr_text *text = &line->out;

    put_header(text, seen);
    if (tr_etw_has_fields(seen)) {
        struct tr_etw_labelled labelled = {.count = 0};
        enum tr_etw_step step;
        uint32_t at = 0;

        tr_etw_walk_event(&line->walk, seen->schema, seen->context);
        tr_text_plain(text, ",\"fields\":");
        step = tr_etw_put_fields(text, &line->walk, &at, &seen->failed, &labelled);
        tr_etw_settle(seen, &line->walk, step, at);
        if (labelled.count) {
            tr_text_plain(text, ",\"labels\":");
            tr_etw_put_labels(text, seen->schema, &labelled);
        }
    }
    if (seen->outcome != TR_ETW_DECODED) {
        tr_text_plain(text, ",\"reason\":\"");
        tr_etw_put_reason(text, seen);
        tr_text_plain(text, "\",\"payload\":");
        tr_text_bytes(text, seen->context->data, tr_etw_payload_bytes(seen->context));
    }
    tr_text_put(text, "}\n", 2);
}

bool tr_etw_put_line(struct tr_etw_line *line, struct tr_etw_seen *seen)
{
    size_t begin = line->out.used;
    uint32_t outcome = seen->outcome;

    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        line->out.limit = begin + TR_ETW_MAX_LINE;
        line->form == TR_ETW_FORM_JSON ? put_json(line, seen) : tr_etw_put_row(line, seen);
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
