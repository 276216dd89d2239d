/* Recorded ETW: walk a .etl file and run programs on its events, in time order over all CPUs.
   A recording is untrusted: everything in it is bounds-checked, damage is counted and never ends the walk. */

struct tr_etl;
struct tr_etw_matcher;
struct tr_ticks;

/* What went wrong in an open or a begin. 0 is none. */
#define TR_ETL_NOT_RECORDING 1     /* no trace header event at its start */
#define TR_ETL_READ 3              /* the system refused a read; errno is in facts.system_error */
#define TR_ETL_NO_MEMORY 4
#define TR_ETL_TOO_MANY 5          /* more buffers, CPUs or links than the walker is made for */

/* Buffers that are not whole, each counted once, by what is wrong. What comes before the damage is walked. */
struct tr_etl_damage {
    uint64_t headers;                /* skipped: the header makes no sense */
    uint64_t torn;                   /* cut off by the end of the file */
    uint64_t packed;                 /* compressed bytes that make no sense */
    uint64_t events;                 /* an event that makes no sense */
    uint64_t gone;                   /* cannot be read, or not any more: the file shrank */
};

/* Facts of the recording: from its header, and from the pass over all buffers that opening makes. */
struct tr_etl_facts {
    int32_t error;                   /* TR_ETL_* */
    int32_t system_error;
    uint32_t compression;            /* COMPRESSION_FORMAT: 2 LZNT1, 3 XPRESS, 4 XPRESS_HUFF; 0 no compressed buffer */
    uint32_t os_major, os_minor, os_build;
    uint32_t processors;             /* of the recorded machine, as it says */
    uint32_t cpus;                   /* highest CPU with a buffer, plus one, at least 1 */
    uint32_t pointer_size;
    uint32_t clock;                  /* 1 QPC, 2 system time, 3 CPU cycles */
    int64_t frequency;               /* ticks of that clock per second */
    int64_t boot_time;               /* FILETIME */
    int64_t start_time;              /* 0: not known, what the header says is nobody's time */
    int64_t end_time;
    int64_t start_ticks;             /* that clock at start_time */
    uint32_t mode;                   /* LogFileMode */
    uint32_t buffer_size;
    uint32_t buffers_written;        /* as the header says */
    uint32_t events_lost;
    uint32_t buffers_lost;
    uint64_t file_bytes;
    uint64_t buffers;                /* found in the file, bad ones included */
    uint64_t compressed_buffers;
    struct tr_etl_damage damage;     /* headers and torn */
    uint64_t skipped_bytes;          /* of buffers whose header makes no sense */
    uint64_t unused_bytes;           /* zeros where a buffer could start: room that was reserved and never used */
    uint64_t torn_bytes;             /* of a last buffer that was cut off; its whole events are still walked */
};

/* Totals of one counting pass. */
struct tr_etl_counts {
    uint64_t events;
    struct tr_etl_damage damage;     /* of the whole file */
    uint64_t by_header[32];          /* by header kind */
    uint64_t other;                  /* events of providers that found no row */
};

struct tr_etl_row {
    uint8_t provider[16];            /* zero for kernel events */
    uint32_t hook;                   /* 0xffffffff for events with a provider */
    uint32_t name_bytes;
    uint64_t events;
    char name[64];                   /* that the provider gives itself in its events (TraceLogging), cut */
};

/* Open the recording behind a file descriptor, which stays the caller's: read its header, index its buffers.
   Returns NULL and the reason in facts->error. */
struct tr_etl *tr_etl_open(int fd, struct tr_etl_facts *facts);
void tr_etl_close(struct tr_etl *etl);

/* Count all events; returns the number of rows filled, at most `capacity`, or -1 without memory. */
int64_t tr_etl_count(struct tr_etl *etl, struct tr_etl_counts *counts, struct tr_etl_row *rows, uint32_t capacity);

/* Before begin: the names and programs of the walk; they stay the caller's, prepared. And intervals that follow the
   events' clock: each event first lets them catch up. */
int32_t tr_etl_set_matcher(struct tr_etl *etl, struct tr_etw_matcher *matcher);
void tr_etl_set_ticks(struct tr_etl *etl, struct tr_ticks *ticks);

/* Prepare the walk; returns 0 or TR_ETL_*. */
int32_t tr_etl_begin(struct tr_etl *etl);

/* Walk on for about `timeout_ms`. Returns the number of events passed, or -1 when there is none left. `run` is the
   caller's: its print buffer and random state are kept, the rest is set for each event. */
int64_t tr_etl_pump(struct tr_etl *etl, struct tr_run *run, uint32_t timeout_ms);

/* The balance of the events that no name asked for, with what the recording lost or had damaged. */
void tr_etl_rest(const struct tr_etl *etl, struct tr_ledger *ledger);

/* The buffers that were damaged, as far as the walk has come. */
void tr_etl_damage(const struct tr_etl *etl, struct tr_etl_damage *damage);

/* Events that came earlier than the one before them on their CPU: 0 in a sound recording. */
uint64_t tr_etl_disorder(const struct tr_etl *etl);

/* Convert a timestamp to unix time in ns; to that of the recording's own clock where its start is not known. */
int64_t tr_etl_unix_ns(const struct tr_etl_facts *facts, int64_t ticks);
/* Convert a timestamp to the ns of the recording's own clock: since boot (QPC, cycles) or unix time (system time). */
int64_t tr_etl_clock_ns(const struct tr_etl_facts *facts, int64_t ticks);

/* Decompress `in` (COMPRESSION_FORMAT_*), for tests. Returns the bytes made, at most `room`, or -1 without memory. */
int64_t tr_decompress(uint32_t format, const uint8_t *in, uint32_t in_size, uint8_t *out, uint32_t room);
