/* Recorded packets: read a capture file (pcap, pcapng) and run programs on its packets, in file order. A capture is
   untrusted: everything in it is checked. Formats: IETF draft-ietf-opsawg-pcap and -pcapng. */

struct tr_capture;

#define TR_CAPTURE_NOT_ONE 1         /* neither a pcap nor a pcapng */
#define TR_CAPTURE_READ 2            /* the system refused a read; errno in *system_error */
#define TR_CAPTURE_NO_MEMORY 3

struct tr_capture_counts {
    uint64_t packets;                /* whole ones, however they went on */
    uint64_t large;                  /* of 64 KiB or more: no proof covers them, so they are not run */
    uint64_t senseless;              /* what ended the file before its end: a block or packet that makes no sense */
    uint64_t torn;                   /* the last one is cut off */
    uint64_t unread;                 /* the system refused a read */
};

/* Open the capture behind a descriptor, which stays the caller's. NULL and the reason in *error. */
struct tr_capture *tr_capture_open(int fd, int32_t *error, int32_t *system_error);
void tr_capture_free(struct tr_capture *capture);

/* Before the first pump: copies the links, whose `event` is a number below `events`. -1: no memory, or one needs more than
   a struct tr_packet_context. */
int32_t tr_capture_set_links(struct tr_capture *capture, const struct tr_link *links, uint32_t count, uint32_t events);

/* Read on for about `timeout_ms`. Returns the packets passed, or -1 at the end. */
int64_t tr_capture_pump(struct tr_capture *capture, struct tr_run *run, uint32_t timeout_ms);

/* What a capture ends in that makes no sense, is cut off or cannot be read is one drop of every event. */
void tr_capture_ledger(const struct tr_capture *capture, uint32_t event, struct tr_ledger *ledger);
void tr_capture_counts(const struct tr_capture *capture, struct tr_capture_counts *counts);
