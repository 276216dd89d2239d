/* From an event or a packet to the context that a Windows hook gives its programs. What no event says is 0 or empty. */
#include "hooks_parts.h"

#define EPOCH_FILETIME 116444736000000000u   /* 1970-01-01 in units of 100 ns since 1601 */
#define NOBODY 0xffffffffu                   /* pid and tid of an event that does not say */
#define AF_INET_WINDOWS 2
#define SOCKADDR_IN_BYTES 16
#define PROTOCOL_TCP 6
#define OPERATION_DELETE 1
#define LINKTYPE_ETHERNET 1
#define MEDIUM_ETHERNET 1                    /* PktMon's PacketType */

/* Keywords of NDIS-PacketCapture (microsoft/etl2pcapng): a frame may come in several events. */
#define CAPTURE_NOT_ETHERNET 0x10200u        /* 802.11, wireless WAN */
#define CAPTURE_START 0x40000000u

_Static_assert(sizeof(struct tr_process_md) == 144, "process_md_t has 144 bytes");
_Static_assert(sizeof(struct tr_bind_md) == 56, "bind_md_t has 56 bytes");
_Static_assert(sizeof(struct tr_xdp_md) == 32, "xdp_md_t has 32 bytes");
_Static_assert(sizeof(struct tr_netevent_event_md) == 24, "netevent_event_md_t has 24 bytes");

static uint64_t known(uint32_t id)
{
    return id == NOBODY ? 0 : id;
}

/* Where an empty range lies: proofs rely on pointers that are not null. */
static const uint8_t *nowhere(const struct tr_etw_context *event)
{
    return event->data ? event->data : (const uint8_t *)"";
}

static uint64_t filetime(uint64_t unix_ns)
{
    return unix_ns / 100 + EPOCH_FILETIME;
}

static void take_sid(const struct tr_hook_parts *parts, struct tr_process_md *md)
{
    uint32_t bytes = tr_part_bytes(parts, TR_PART_SID);

    if (bytes > sizeof md->token_sid)
        return;
    memcpy(md->token_sid, tr_part_data(parts, TR_PART_SID), bytes);
    md->token_sid_size = bytes;
}

/* A hook gets a command line at a process's begin. An event without one has the path of the image in its place, if that
   is UTF-16 too. */
static void take_command(const struct tr_hook_parts *parts, struct tr_process_md *md)
{
    uint32_t part = tr_part_there(parts, TR_PART_COMMAND) ? TR_PART_COMMAND : TR_PART_IMAGE;

    if (tr_part_there(parts, part) && parts->types[part] == TR_ETW_UTF16) {
        md->command_start = tr_part_data(parts, part);
        md->command_end = md->command_start + tr_part_bytes(parts, part);
    }
}

static void run_process(struct tr_hook *hook, const struct tr_hook_parts *parts, const struct tr_etw_context *event,
                        struct tr_run *run)
{
    struct tr_hook_event more = {0};
    struct tr_process_md md = {
        .command_start = nowhere(event),
        .command_end = nowhere(event),
        .process_id = tr_part_number(parts, TR_PART_PID),
        .parent_process_id = tr_part_number(parts, TR_PART_PARENT),
        .creation_time = tr_part_number(parts, TR_PART_CREATED),
        .operation = hook->operation,
    };

    if (hook->operation == OPERATION_DELETE) {
        md.exit_time = tr_part_there(parts, TR_PART_EXITED) ? tr_part_number(parts, TR_PART_EXITED)
                                                            : filetime(event->time_ns);
        md.process_exit_code = (uint32_t)tr_part_number(parts, TR_PART_EXIT_CODE);
    } else {
        md.creating_process_id = known(event->pid);
        md.creating_thread_id = known(event->tid);
        if (!tr_part_there(parts, TR_PART_CREATED))
            md.creation_time = filetime(event->time_ns);
        take_sid(parts, &md);
        take_command(parts, &md);
    }
    if (tr_part_there(parts, TR_PART_IMAGE) && hook->operation != OPERATION_DELETE) {
        more.image = tr_part_data(parts, TR_PART_IMAGE);
        more.image_bytes = tr_part_bytes(parts, TR_PART_IMAGE);
        more.image_is_wide = parts->types[TR_PART_IMAGE] == TR_ETW_UTF16;
    }
    run->hook = &more;
    tr_hook_run(hook, &md, run);
    run->hook = NULL;
}

/* The hook is one of IPv4: its context has no room for an address of IPv6. */
static void run_bind(struct tr_hook *hook, const struct tr_hook_parts *parts, const struct tr_etw_context *event,
                     struct tr_run *run)
{
    const uint8_t *address = tr_part_data(parts, TR_PART_ADDRESS);
    struct tr_bind_md md = {
        .app_id_start = nowhere(event),
        .app_id_end = nowhere(event),
        .socket_address_length = SOCKADDR_IN_BYTES,
        .operation = hook->operation,
        .protocol = PROTOCOL_TCP,
    };

    if (tr_part_bytes(parts, TR_PART_ADDRESS) < SOCKADDR_IN_BYTES || tr_u16(address) != AF_INET_WINDOWS ||
        tr_part_number(parts, TR_PART_STATUS)) {
        tr_hook_pass(hook);
        return;
    }
    memcpy(md.socket_address, address, SOCKADDR_IN_BYTES);
    md.process_id = tr_part_there(parts, TR_PART_PID) ? tr_part_number(parts, TR_PART_PID) : known(event->pid);
    tr_hook_run(hook, &md, run);
}

static void run_frame(struct tr_hook *hook, const uint8_t *data, uint32_t bytes, uint32_t interface, struct tr_run *run)
{
    if (hook->kind == TR_HOOK_XDP) {
        struct tr_xdp_md md = {
            .data = data, .data_end = data + bytes, .data_meta = data, .ingress_ifindex = interface
        };

        tr_hook_run(hook, &md, run);
    } else {
        struct tr_netevent_event_md md = {.data_meta = data, .data = data, .data_end = data + bytes};

        tr_hook_run(hook, &md, run);
    }
}

/* A frame's first event has its headers; those that go on with it are no frames. xdp is a hook of Ethernet. */
static bool is_frame(const struct tr_hook *hook, const struct tr_hook_parts *parts, uint64_t keyword)
{
    if (hook->kind == TR_HOOK_NETEVENT)
        return true;
    if (tr_part_there(parts, TR_PART_MEDIUM))
        return tr_part_number(parts, TR_PART_MEDIUM) == MEDIUM_ETHERNET;
    return keyword & CAPTURE_START && !(keyword & CAPTURE_NOT_ETHERNET);
}

void tr_hook_event(struct tr_hook *hook, const struct tr_hook_parts *parts, const struct tr_etw_context *event,
                   struct tr_run *run)
{
    if (hook->kind == TR_HOOK_PROCESS)
        run_process(hook, parts, event, run);
    else if (hook->kind == TR_HOOK_BIND)
        run_bind(hook, parts, event, run);
    else if (tr_part_there(parts, TR_PART_FRAME) && is_frame(hook, parts, event->keyword))
        run_frame(hook, tr_part_data(parts, TR_PART_FRAME), tr_part_bytes(parts, TR_PART_FRAME),
                  (uint32_t)tr_part_number(parts, TR_PART_INTERFACE), run);
    else
        tr_hook_pass(hook);
}

void tr_hook_packet(struct tr_hook *hook, const struct tr_packet_context *packet, struct tr_run *run)
{
    if (hook->kind != TR_HOOK_NETEVENT && packet->link_type != LINKTYPE_ETHERNET)
        tr_hook_pass(hook);
    else if (hook->kind == TR_HOOK_XDP_LINUX)
        tr_hook_run(hook, (void *)(uintptr_t)packet, run);
    else
        run_frame(hook, packet->data, (uint32_t)(packet->data_end - packet->data), packet->interface, run);
}
