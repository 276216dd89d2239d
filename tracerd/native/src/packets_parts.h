/* Inside the packet reader: a window on the file, and the two formats' next packet. */
#ifndef TR_PACKETS_PARTS_H
#define TR_PACKETS_PARTS_H

#include "etl_parts.h"
#include "os.h"
#include "hooks.h"
#include "link_run.h"
#include "packets.h"

#define TR_CAPTURE_WINDOW (1u << 20)
#define TR_CAPTURE_INTERFACES 256u

enum tr_packet_step { TR_PACKET_END, TR_PACKET_ONE, TR_PACKET_NONE };     /* NONE: a block without a packet */

/* What says how an interface's packets are. */
struct tr_interface {
    uint32_t link_type;
    uint64_t units;                  /* of time in a second */
    int64_t offset_s;
};

struct tr_capture {
    int fd;
    bool pcapng, swapped, nanoseconds, ended;
    uint64_t place;                  /* in the file, of the window's first byte */
    uint32_t at, filled;             /* in the window */
    uint8_t *window;
    struct tr_interface interfaces[TR_CAPTURE_INTERFACES];
    uint32_t interface_count;
    struct tr_link *links;
    struct tr_link_range *ranges;
    struct tr_ledger *ledgers;
    uint32_t events;
    struct tr_capture_counts counts;
};

/* Have `bytes` of the file at the window's `at`. NULL: there are not so many, or they do not fit. */
const uint8_t *tr_capture_need(struct tr_capture *capture, uint64_t bytes);

static inline uint16_t tr_capture_u16(const struct tr_capture *capture, const uint8_t *at)
{
    return capture->swapped ? __builtin_bswap16(tr_u16(at)) : tr_u16(at);
}

static inline uint32_t tr_capture_u32(const struct tr_capture *capture, const uint8_t *at)
{
    return capture->swapped ? __builtin_bswap32(tr_u32(at)) : tr_u32(at);
}

/* The next packet of each format. `packet` is filled for ONE; its bytes lie in the window until the next call. */
enum tr_packet_step tr_pcap_next(struct tr_capture *capture, struct tr_packet_context *packet);
enum tr_packet_step tr_pcapng_next(struct tr_capture *capture, struct tr_packet_context *packet);

/* The file makes no sense from here on, or ends in the middle. */
enum tr_packet_step tr_capture_stop(struct tr_capture *capture, bool torn);

#endif
