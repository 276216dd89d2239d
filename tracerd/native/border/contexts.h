/* What programs of the types process, net and sample see. Offsets are those of platforms/contexts.py and of
   probes/include/tracerd.bpf.h (a test compares all three). Text is UTF-8, zero-padded, cut at the field's end. */

/* What is known of a process or connection; a number whose bit is missing is 0. */
#define TR_KNOWN_PARENT 1
#define TR_KNOWN_USER 2
#define TR_KNOWN_COMMAND_LINE 4      /* whole; without the bit the payload is at most the executable's path */
#define TR_KNOWN_EXIT_CODE 8
#define TR_KNOWN_USAGE 16            /* CPU time, memory and threads */
#define TR_KNOWN_IO 32
#define TR_KNOWN_HANDLES 64
#define TR_KNOWN_PID 128             /* of a connection */
#define TR_KNOWN_BEGIN 256           /* saw it begin: start_ns or opened_ns is that time, not when it was first seen */

#define TR_PROCESS_START 1
#define TR_PROCESS_EXIT 2
#define TR_PROCESS_SAMPLE 3

struct tr_process_context {
    const uint8_t *data;             /* the command line: arguments, each ended by a NUL */
    const uint8_t *data_end;
    uint64_t time_ns;                /* unix time of the event */
    uint64_t start_ns;               /* unix time the process began: with its pid, who it is */
    uint64_t lifetime_ns;            /* at the event */
    uint64_t interval_ns;            /* sample: since the one before, or since it began if that is later; first: 0 */
    uint64_t user_ns;                /* CPU time so far */
    uint64_t system_ns;
    uint64_t cpu_ns;                 /* CPU time in the interval */
    uint64_t memory_bytes;           /* resident now */
    uint64_t virtual_bytes;
    uint64_t read_bytes;             /* from storage so far */
    uint64_t write_bytes;
    uint64_t interval_read_bytes;
    uint64_t interval_write_bytes;
    uint32_t kind;                   /* TR_PROCESS_* */
    uint32_t known;                  /* TR_KNOWN_* */
    uint32_t pid;
    uint32_t parent;
    uint32_t uid;                    /* 65534 where unknown, and on Windows */
    int32_t exit_code;               /* the status; on Linux, minus the signal that ended it */
    uint32_t threads;
    uint32_t handles;                /* open files; on Windows, handles */
    char name[64];
    char user[64];
};

#define TR_NET_OPEN 1
#define TR_NET_CLOSE 2

struct tr_net_context {
    uint64_t time_ns;                /* unix time of the event */
    uint64_t opened_ns;              /* unix time it was first seen */
    uint64_t lifetime_ns;            /* at the event */
    uint32_t kind;                   /* TR_NET_* */
    uint32_t known;                  /* TR_KNOWN_* */
    uint32_t pid;
    uint32_t uid;
    uint32_t family;                 /* 4 or 6 */
    uint32_t protocol;               /* 6 TCP, 17 UDP */
    uint32_t state;                  /* TCP: the numbers of the Linux kernel, 1 ESTABLISHED … 10 LISTEN; else 0 */
    uint32_t local_port;
    uint32_t remote_port;            /* 0: none */
    uint32_t reserved;
    uint8_t local[16];               /* network order; IPv4 in the first four */
    uint8_t remote[16];
    char name[64];                   /* of the process */
};

#define TR_SAMPLE_CPU 1
#define TR_SAMPLE_MEMORY 2
#define TR_SAMPLE_DISK 3
#define TR_SAMPLE_INTERFACE 4

struct tr_sample_context {
    uint64_t time_ns;                /* unix time */
    uint64_t interval_ns;            /* since the sample before, 0 for the first */
    uint32_t kind;                   /* TR_SAMPLE_*: one event for each core, disk and interface, one for memory */
    uint32_t index;                  /* which of them */
    uint64_t value[16];              /* by kind: struct sample_cpu … in tracerd.bpf.h; totals so far */
    char name[64];                   /* of the disk or interface */
};
