/* Hooks of eBPF for Windows, observed: what its programs see (offsets of platforms/windows.py), and who makes it of
   events. A hook is a native program: it is linked to events like any other, makes a context of each, and runs its target
   on it. The verdict that the target returns is counted and has no effect. */

struct tr_process_md {
    const uint8_t *command_start;    /* UTF-16, below 64 KiB */
    const uint8_t *command_end;
    uint64_t process_id;
    uint64_t parent_process_id;
    uint64_t creating_process_id;
    uint64_t creating_thread_id;
    uint64_t creation_time;          /* FILETIME */
    uint64_t exit_time;
    uint32_t process_exit_code;
    uint32_t operation;              /* 0 create, 1 delete */
    uint32_t token_sid_size;
    uint8_t token_sid[68];
};

struct tr_bind_md {
    const uint8_t *app_id_start;
    const uint8_t *app_id_end;
    uint64_t process_id;
    uint8_t socket_address[16];      /* struct sockaddr_in */
    uint8_t socket_address_length;
    uint32_t operation;              /* 0 bind, 1 bound, 2 unbind */
    uint8_t protocol;
};

struct tr_xdp_md {
    const uint8_t *data;
    const uint8_t *data_end;
    const uint8_t *data_meta;        /* data: there is none */
    uint32_t ingress_ifindex;
};

struct tr_netevent_event_md {
    const uint8_t *data_meta;        /* data: there is none */
    const uint8_t *data;
    const uint8_t *data_end;
};

/* What helpers of a hook may ask for (tr_run.hook). */
struct tr_hook_event {
    const uint8_t *image;            /* path of the executable: UTF-16, or bytes of ANSI; NULL: not known */
    uint32_t image_bytes;
    uint32_t image_is_wide;
};

/* A packet as a packet source has it. It begins as the context of Linux's xdp programs (platforms/linux.py). */
struct tr_packet_context {
    const uint8_t *data;             /* below 64 KiB */
    const uint8_t *data_end;
    uint32_t interface;              /* ingress_ifindex: its number in the file; 0 where there is but one */
    uint32_t rx_queue_index;         /* 0 */
    uint32_t egress_ifindex;         /* 0 */
    uint32_t link_type;              /* LINKTYPE_*: 1 Ethernet */
    uint64_t time_ns;                /* unix time */
    uint32_t original_bytes;         /* on the wire */
    uint32_t reserved;
};

#define TR_HOOK_PROCESS 0
#define TR_HOOK_BIND 1
#define TR_HOOK_XDP 2
#define TR_HOOK_NETEVENT 3
#define TR_HOOK_XDP_LINUX 4          /* of packets only: they are its context */

/* Fields of an event that a context is made of. */
#define TR_PART_PID 0
#define TR_PART_PARENT 1
#define TR_PART_CREATED 2
#define TR_PART_EXITED 3
#define TR_PART_EXIT_CODE 4
#define TR_PART_COMMAND 5
#define TR_PART_IMAGE 6
#define TR_PART_SID 7
#define TR_PART_ADDRESS 8
#define TR_PART_STATUS 9
#define TR_PART_FRAME 10
#define TR_PART_INTERFACE 11
#define TR_PART_MEDIUM 12
#define TR_PARTS 13
#define TR_PART_NAMES 2              /* that a field may have */

#define TR_HOOK_VERDICTS 16

struct tr_hook_counts {
    uint32_t values[16];             /* verdicts seen, in the order in which they came */
    uint64_t runs[16];               /* how often each */
    uint32_t used;
    uint64_t others;                 /* runs with verdicts beyond those */
    uint64_t passed;                 /* events that are none of this hook's: the target was not run */
    uint64_t unknown;                /* events whose fields could not be read: failed in the ledger */
};

struct tr_hook;

/* `target` is the program to run, `operation` what an event means. `fields` has TR_PART_NAMES numbers for each TR_PART_*, by
   which the event's reader finds it (tr_run.fields), 0 for none; it is copied, and may be NULL for packets. NULL without
   memory. */
struct tr_hook *tr_hook_new(uint32_t kind, uint32_t operation, const uint32_t *fields, struct tr_program *target);
void tr_hook_free(struct tr_hook *hook);

/* Make `program` the one to link: to ETW events (contexts struct tr_etw_context), or to packets. */
void tr_hook_link_events(struct tr_hook *hook, struct tr_program *program);
void tr_hook_link_packets(struct tr_hook *hook, struct tr_program *program);

void tr_hook_counts(const struct tr_hook *hook, struct tr_hook_counts *counts);
