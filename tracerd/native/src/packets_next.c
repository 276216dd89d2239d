/* The next packet of a capture. Times become unix time in ns; a length is believed when it has been compared. */
#include "packets_parts.h"

#define NS 1000000000u
#define PACKET_HEADER 16u
#define BLOCK_HEADER 8u
#define BLOCK_LEAST 12u                      /* type, length, and length again at its end */
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_SIMPLE 3u
#define BLOCK_ENHANCED 6u
#define OPTION_TSRESOL 9u
#define OPTION_TSOFFSET 14u

static bool at_end(struct tr_capture *capture)
{
    return !tr_capture_need(capture, 1);
}

enum tr_packet_step tr_pcap_next(struct tr_capture *capture, struct tr_packet_context *packet)
{
    const uint8_t *at = tr_capture_need(capture, PACKET_HEADER);
    uint32_t bytes;

    if (!at)
        return at_end(capture) ? TR_PACKET_END : tr_capture_stop(capture, true);
    bytes = tr_capture_u32(capture, at + 8);
    if (bytes > TR_CAPTURE_WINDOW - PACKET_HEADER)
        return tr_capture_stop(capture, false);
    at = tr_capture_need(capture, (uint64_t)PACKET_HEADER + bytes);
    if (!at)
        return tr_capture_stop(capture, true);
    *packet = (struct tr_packet_context){
        .data = at + PACKET_HEADER,
        .data_end = at + PACKET_HEADER + bytes,
        .time_ns = (uint64_t)tr_capture_u32(capture, at) * NS
                   + (uint64_t)tr_capture_u32(capture, at + 4) * (capture->nanoseconds ? 1 : 1000),
        .link_type = capture->interfaces[0].link_type,
        .original_bytes = tr_capture_u32(capture, at + 12),
    };
    capture->at += PACKET_HEADER + bytes;
    return TR_PACKET_ONE;
}

/* A section says in which byte order all behind it is; interfaces are numbered anew in each. */
static bool begin_section(struct tr_capture *capture, const uint8_t *at)
{
    uint32_t magic = tr_u32(at + BLOCK_HEADER);

    capture->swapped = magic != BYTE_ORDER_MAGIC;
    capture->interface_count = 0;
    return magic == BYTE_ORDER_MAGIC || __builtin_bswap32(magic) == BYTE_ORDER_MAGIC;
}

static uint64_t units_of(uint8_t resolution)
{
    uint32_t power = resolution & 0x7f;
    uint64_t units = 1;

    if (resolution & 0x80)
        return power < 63 ? (uint64_t)1 << power : 0;
    while (power-- > 0 && units <= UINT64_MAX / 10)
        units *= 10;
    return units;
}

static void read_options(const struct tr_capture *capture, const uint8_t *at, uint32_t left, struct tr_interface *to)
{
    while (left >= 4) {
        uint32_t option = tr_capture_u16(capture, at), bytes = tr_capture_u16(capture, at + 2);
        uint32_t padded = 4 + ((bytes + 3) & ~3u);

        if (option == 0 || padded > left)
            return;
        if (option == OPTION_TSRESOL && bytes >= 1)
            to->units = units_of(at[4]);
        if (option == OPTION_TSOFFSET && bytes >= 8) {
            uint64_t raw = (uint64_t)tr_i64(at + 4);

            to->offset_s = (int64_t)(capture->swapped ? __builtin_bswap64(raw) : raw);
        }
        at += padded;
        left -= padded;
    }
}

static bool add_interface(struct tr_capture *capture, const uint8_t *body, uint32_t bytes)
{
    struct tr_interface *to = &capture->interfaces[capture->interface_count];

    if (bytes < 8 || capture->interface_count == TR_CAPTURE_INTERFACES)
        return false;
    *to = (struct tr_interface){.link_type = tr_capture_u16(capture, body), .units = 1000000};
    read_options(capture, body + 8, bytes - 8, to);
    capture->interface_count++;
    return to->units != 0;
}

/* Time is counted in units of a second; its parts are kept apart, so that nothing overflows for units up to 10**9. */
static uint64_t unix_ns(const struct tr_interface *interface, uint64_t time)
{
    uint64_t seconds = time / interface->units + (uint64_t)interface->offset_s;
    double part = (double)(time % interface->units) * NS / (double)interface->units;

    if (interface->units <= NS)
        return seconds * NS + time % interface->units * NS / interface->units;
    return seconds * NS + (uint64_t)part;
}

static bool enhanced(const struct tr_capture *capture, const uint8_t *body, uint32_t bytes,
                     struct tr_packet_context *packet)
{
    uint32_t interface, kept;

    if (bytes < 20)
        return false;
    interface = tr_capture_u32(capture, body);
    kept = tr_capture_u32(capture, body + 12);
    if (interface >= capture->interface_count || kept > bytes - 20)
        return false;
    *packet = (struct tr_packet_context){
        .data = body + 20,
        .data_end = body + 20 + kept,
        .time_ns = unix_ns(&capture->interfaces[interface],
                           (uint64_t)tr_capture_u32(capture, body + 4) << 32 | tr_capture_u32(capture, body + 8)),
        .interface = interface,
        .link_type = capture->interfaces[interface].link_type,
        .original_bytes = tr_capture_u32(capture, body + 16),
    };
    return true;
}

/* A simple packet is of the first interface and has no time. What it lacks of its length was not captured. */
static bool simple(const struct tr_capture *capture, const uint8_t *body, uint32_t bytes,
                   struct tr_packet_context *packet)
{
    uint32_t original;

    if (bytes < 4 || capture->interface_count == 0)
        return false;
    original = tr_capture_u32(capture, body);
    *packet = (struct tr_packet_context){
        .data = body + 4,
        .data_end = body + 4 + (original < bytes - 4 ? original : bytes - 4),
        .link_type = capture->interfaces[0].link_type,
        .original_bytes = original,
    };
    return true;
}

enum tr_packet_step tr_pcapng_next(struct tr_capture *capture, struct tr_packet_context *packet)
{
    const uint8_t *at = tr_capture_need(capture, BLOCK_LEAST);
    uint32_t type, bytes;
    bool good = true;

    if (!at)
        return at_end(capture) ? TR_PACKET_END : tr_capture_stop(capture, true);
    if (tr_u32(at) == BLOCK_SECTION && !begin_section(capture, at))
        return tr_capture_stop(capture, false);
    type = tr_capture_u32(capture, at);
    bytes = tr_capture_u32(capture, at + 4);
    if (bytes < BLOCK_LEAST || bytes % 4 || bytes > TR_CAPTURE_WINDOW)
        return tr_capture_stop(capture, false);
    at = tr_capture_need(capture, bytes);
    if (!at)
        return tr_capture_stop(capture, true);
    capture->at += bytes;
    if (type == BLOCK_INTERFACE)
        good = add_interface(capture, at + BLOCK_HEADER, bytes - BLOCK_LEAST);
    else if (type == BLOCK_ENHANCED)
        good = enhanced(capture, at + BLOCK_HEADER, bytes - BLOCK_LEAST, packet);
    else if (type == BLOCK_SIMPLE)
        good = simple(capture, at + BLOCK_HEADER, bytes - BLOCK_LEAST, packet);
    if (!good)
        return tr_capture_stop(capture, false);
    return type == BLOCK_ENHANCED || type == BLOCK_SIMPLE ? TR_PACKET_ONE : TR_PACKET_NONE;
}
