/* What /proc of Linux tells of processes and sockets, many rows in one call. Elsewhere these functions give -ENOSYS and
   the portable reader (sources/system/portable.py) serves. All may be called from any thread. */

/* ---- processes ------------------------------------------------------------------------------------------------- */

#define TR_PROC_IO 1                     /* of `wants`: read /proc/PID/io: some 5 µs a process */
#define TR_PROC_HANDLES 2                /* the number of open files, which the kernel tells since Linux 6.2 */
#define TR_PROC_HANDLES_COUNTED 4        /* count them one by one, as is done where it does not */

/* One process at one moment. What could not be read is 0 and its TR_KNOWN_* bit (contexts.h) is missing. */
struct tr_proc_row {
    uint64_t identity;                   /* with the pid, who it is: on Linux its start in ns after boot, to 10 ms */
    uint64_t start_ns;                   /* the same as unix time; moves when the clock is set */
    uint64_t user_ns;
    uint64_t system_ns;
    uint64_t memory_bytes;
    uint64_t virtual_bytes;
    uint64_t read_bytes;                 /* from and to storage */
    uint64_t write_bytes;
    uint64_t version;                    /* changes when it runs another program (exec) or changes its user */
    uint32_t pid;
    uint32_t parent;
    uint32_t threads;
    uint32_t handles;
    uint32_t known;
    int32_t exit_code;                   /* the status, or minus the signal that ended it */
    uint32_t exited;                     /* 1: dead, its parent has not yet asked for the exit code */
    char name[20];                       /* cut to 15 bytes, zero-padded */
};

/* Fill a row for each process there is, in the order of their pids as a rule. Returns their number; if it is more than
   `capacity`, the others were not read: call again with more room. -errno if /proc cannot be listed. */
int64_t tr_proc_read(struct tr_proc_row *rows, uint32_t capacity, uint32_t wants);

#define TR_PROC_COMMAND_LINE 65535       /* most bytes: a batch's payload */

struct tr_proc_description {
    uint32_t uid;                        /* real ids; 65534 where unknown */
    uint32_t gid;
    uint32_t bytes;                      /* of command line; each argument is ended by a NUL */
    uint32_t whole;                      /* 0: it could not be read, or is longer and only the first argument is here */
    char command_line[65536];
};

/* What changes seldom. 1, or 0 if the process that `identity` tells is gone: never that of another with its pid. */
int tr_proc_describe(uint32_t pid, uint64_t identity, struct tr_proc_description *description);

/* ---- sockets ---------------------------------------------------------------------------------------------------- */

struct tr_proc_socket {
    uint64_t identity;                   /* on Linux the socket's inode: not reused while it lives */
    uint32_t family;                     /* 4 or 6 */
    uint32_t protocol;                   /* 6 TCP, 17 UDP */
    uint32_t local_port;
    uint32_t remote_port;
    uint8_t local[16];                   /* network order; IPv4 in the first four */
    uint8_t remote[16];
    uint32_t state;                      /* TCP: the kernel's number; else 0 */
    uint32_t uid;                        /* 65534 where unknown */
    uint32_t pid;                        /* 0 where not yet known */
    uint32_t reserved;
};

#define TR_PROC_DIAG 1                   /* ask the kernel by NETLINK_SOCK_DIAG: skips empty buckets, some 0.6 ms */
#define TR_PROC_TABLES 2                 /* read /proc/net/{tcp,tcp6,udp,udp6}: some 9 ms even without a connection */

/* Fill a row for each TCP and UDP socket of this network namespace that belongs to a process: those in TIME_WAIT, and
   connections that nobody has accepted yet, do not. Counts as tr_proc_read does. -errno if the kernel does not tell. */
int64_t tr_proc_sockets(struct tr_proc_socket *rows, uint32_t capacity, int way);

/* Find who has the sockets of `inodes` (ascending) open: owners[i] is a pid, or 0. The processes are searched in the
   order of `pids` until all are found. Returns how many were. */
uint32_t tr_proc_owners(const uint32_t *pids, uint32_t pid_count, const uint64_t *inodes, uint32_t *owners,
                        uint32_t count);
