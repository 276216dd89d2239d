/* From an event, of a recording or of a live session, to the context its programs see. */
#include "etl_parts.h"

static uint64_t not_negative(int64_t ns)
{
    return ns < 0 ? 0 : (uint64_t)ns;
}

/* The context as it is before a run: programs cannot write it, so one serves all links of an event. */
static void fill_context(const uint8_t *guid, const struct tr_etl_event *event, uint16_t group,
                         struct tr_etw_context *context)
{
    memset(context, 0, sizeof *context);
    context->data = event->payload;
    context->data_end = event->payload + event->payload_size;
    memcpy(context->provider, guid, 16);
    if (event->activity)
        memcpy(context->activity, event->activity, 16);
    context->keyword = event->keyword;
    context->pid = event->pid;
    context->tid = event->tid;
    context->pointer_size = event->pointer_size;
    context->hook = event->provider ? TR_ETW_NO_HOOK : event->hook;
    if (group != TR_ETW_NO_GROUP)
        context->hook = (uint32_t)group << 8 | event->opcode;
    context->id = event->id;
    context->task = event->task;
    context->version = event->version;
    context->channel = event->channel;
    context->level = event->level;
    context->opcode = event->opcode;
    context->flags = event->flags;
    context->kind = event->kind;
}

static void fill_run(const struct tr_etl_clock *clock, const struct tr_etl_event *event, uint32_t cpu, struct tr_run *run)
{
    run->now_ns = not_negative(tr_etl_event_clock_ns(clock, event->ticks));
    run->pid_tgid = (uint64_t)event->pid << 32 | event->tid;
    run->uid_gid = (uint64_t)65534 << 32 | 65534;      /* unknown, and never 0 */
    memset(run->comm, 0, sizeof run->comm);
    run->cpu = cpu;
}

void tr_etl_deliver(struct tr_etw_matcher *matcher, const struct tr_etl_clock *clock, const struct tr_etl_event *event,
                    uint32_t cpu, struct tr_run *run)
{
    struct tr_etw_key key = tr_etl_key(event);
    struct tr_etw_context context;
    struct tr_etw_found found;

    if (!tr_etw_find(matcher, &key, &found)) {
        tr_etw_pass(matcher);
        return;
    }
    fill_context(event->provider ? event->provider : tr_etw_group_guid(matcher, event->hook >> 8), event, found.group,
                 &context);
    context.time_ns = not_negative(tr_etl_event_unix_ns(clock, event->ticks));
    context.cpu = cpu;
    fill_run(clock, event, cpu, run);
    run->described = &event->described;
    tr_etw_run(matcher, &key, &found, &context, run);
    run->described = NULL;
}
