/* Captures: opening them, the window that moves over the file, and running programs on packets. */
#include <errno.h>
#include <stdlib.h>

#include "packets_parts.h"

#define PCAP_US 0xa1b2c3d4u
#define PCAP_NS 0xa1b23c4du
#define PCAPNG 0x0a0d0d0au
#define PCAP_HEADER 24u
#define PACKETS_PER_LOOK 256u                /* at the clock */

const uint8_t *tr_capture_need(struct tr_capture *capture, uint64_t bytes)
{
    uint32_t have = capture->filled - capture->at;
    int64_t got;

    if (bytes <= have)
        return capture->window + capture->at;
    if (bytes > TR_CAPTURE_WINDOW)
        return NULL;
    memmove(capture->window, capture->window + capture->at, have);
    capture->place += capture->at;
    capture->at = 0;
    capture->filled = have;
    got = tr_etl_read(capture->fd, capture->window + have, TR_CAPTURE_WINDOW - have, capture->place + have);
    if (got < 0)
        capture->counts.unread++;
    else
        capture->filled += (uint32_t)got;
    return bytes <= capture->filled ? capture->window : NULL;
}

enum tr_packet_step tr_capture_stop(struct tr_capture *capture, bool torn)
{
    capture->ended = true;
    if (torn)
        capture->counts.torn++;
    else
        capture->counts.senseless++;
    return TR_PACKET_END;
}

/* Tell the format by its first number. A pcap's header is read here; a pcapng's first block comes like any other. */
static bool recognise(struct tr_capture *capture)
{
    const uint8_t *at = tr_capture_need(capture, 4);
    uint32_t magic = at ? tr_u32(at) : 0, turned = __builtin_bswap32(magic);

    if (magic == PCAPNG) {
        capture->pcapng = true;
        return true;
    }
    capture->swapped = turned == PCAP_US || turned == PCAP_NS;
    capture->nanoseconds = magic == PCAP_NS || turned == PCAP_NS;
    at = tr_capture_need(capture, PCAP_HEADER);
    if ((magic != PCAP_US && magic != PCAP_NS && !capture->swapped) || !at)
        return false;
    capture->interfaces[0].link_type = tr_capture_u32(capture, at + 20) & 0x0fffffff;
    capture->at += PCAP_HEADER;
    return true;
}

struct tr_capture *tr_capture_open(int fd, int32_t *error, int32_t *system_error)
{
    struct tr_capture *capture = calloc(1, sizeof *capture);

    *error = TR_CAPTURE_NO_MEMORY;
    *system_error = 0;
    if (!capture)
        return NULL;
    capture->fd = fd;
    capture->window = malloc(TR_CAPTURE_WINDOW);
    if (capture->window) {
        errno = 0;
        if (recognise(capture))
            return capture;
        *error = capture->counts.unread ? TR_CAPTURE_READ : TR_CAPTURE_NOT_ONE;
        *system_error = errno;
    }
    tr_capture_free(capture);
    return NULL;
}

void tr_capture_free(struct tr_capture *capture)
{
    if (!capture)
        return;
    free(capture->window);
    free(capture->links);
    free(capture->ranges);
    free(capture->ledgers);
    free(capture);
}

int32_t tr_capture_set_links(struct tr_capture *capture, const struct tr_link *links, uint32_t count, uint32_t events)
{
    for (uint32_t i = 0; i < count; i++)
        if (links[i].event >= events || links[i].need > sizeof(struct tr_packet_context))
            return -1;
    if (capture->links)
        return -1;
    capture->ranges = calloc((size_t)events + 1, sizeof *capture->ranges);
    capture->ledgers = calloc((size_t)events + 1, sizeof *capture->ledgers);
    if (!capture->ranges || !capture->ledgers)
        return -1;
    capture->links = tr_links_grouped(links, count, events, capture->ranges);
    capture->events = capture->links ? events : 0;
    return capture->links ? 0 : -1;
}

static void fill_run(const struct tr_packet_context *packet, struct tr_run *run)
{
    run->now_ns = packet->time_ns;
    run->pid_tgid = 0;
    run->uid_gid = (uint64_t)65534 << 32 | 65534;
    memset(run->comm, 0, sizeof run->comm);
    run->cpu = 0;
}

static void run_packet(struct tr_capture *capture, const struct tr_packet_context *packet, struct tr_run *run)
{
    bool large = packet->data_end - packet->data > 65535;

    capture->counts.packets++;
    capture->counts.large += large;
    for (uint32_t i = 0; i < capture->events; i++) {
        struct tr_ledger *ledger = &capture->ledgers[i];

        ledger->produced++;
        if (large) {
            ledger->dropped_in_ring++;
            continue;
        }
        fill_run(packet, run);
        if (tr_links_run(capture->links + capture->ranges[i].first, capture->ranges[i].count, packet, sizeof *packet,
                         run))
            ledger->failed++;
        else
            ledger->delivered++;
    }
}

int64_t tr_capture_pump(struct tr_capture *capture, struct tr_run *run, uint32_t timeout_ms)
{
    uint64_t end = tr_os_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
    struct tr_packet_context packet;
    int64_t passed = 0;

    if (capture->ended)
        return -1;
    for (uint32_t steps = 1; !capture->ended; steps++) {
        enum tr_packet_step step =
            capture->pcapng ? tr_pcapng_next(capture, &packet) : tr_pcap_next(capture, &packet);

        if (step == TR_PACKET_END) {
            capture->ended = true;
            break;
        }
        if (step == TR_PACKET_ONE) {
            run_packet(capture, &packet, run);
            passed++;
        }
        if (steps % PACKETS_PER_LOOK == 0 && tr_os_monotonic_ns() >= end)
            break;
    }
    return passed;
}

void tr_capture_ledger(const struct tr_capture *capture, uint32_t event, struct tr_ledger *ledger)
{
    uint64_t broken = capture->counts.torn + capture->counts.senseless + capture->counts.unread;

    *ledger = event < capture->events ? capture->ledgers[event] : (struct tr_ledger){0};
    ledger->produced += broken;
    ledger->dropped_in_ring += broken;
}

void tr_capture_counts(const struct tr_capture *capture, struct tr_capture_counts *counts)
{
    *counts = capture->counts;
}
