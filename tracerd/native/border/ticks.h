/* Programs that run by time: at the begin, at the end, and every so often between. Who drives them owns the clock: this
   machine's (a live session) or that of the events (a recording), so a replay ticks the same on every run. */

#define TR_TICK_BEGIN 1
#define TR_TICK_INTERVAL 2
#define TR_TICK_END 3
#define TR_TICK_NEVER 0xffffffffffffffffu

/* What an interval program sees; the offsets of platforms/linux.py. */
struct tr_interval_context {
    uint64_t time_ns;                /* unix time */
    uint64_t interval_ns;            /* 0 for begin and end */
    uint64_t count;                  /* ticks of this program before this one */
    uint64_t missed;                 /* ticks left out before this one: nobody drove the clock for too long */
    uint32_t kind;                   /* TR_TICK_* */
    uint32_t reserved;
};

struct tr_ticks;

/* `unix_offset_ns` is added to the driving clock to give unix time; runs are on `cpu`. After a pause at most `catch_up`
   ticks of one interval are made up for, the others are counted as lost. NULL: no memory. */
struct tr_ticks *tr_ticks_new(int64_t unix_offset_ns, uint32_t cpu, uint32_t catch_up);
void tr_ticks_free(struct tr_ticks *ticks);

/* Returns the tick's number from 0, or -1: no room, no interval, or a program that reads past the context. Programs
   added with the same `group` share a ledger (two programs of one attach name): the group's number, from 0. An interval
   that is added later begins at the last time seen. */
int32_t tr_ticks_add(struct tr_ticks *ticks, struct tr_program *program, uint32_t kind, uint64_t interval_ns,
                     uint32_t need, uint32_t group);

/* Run the begin programs that were added after the first advance. */
void tr_ticks_begin_new(struct tr_ticks *ticks, struct tr_run *run);

/* Take a program of a group out; if it is an end program, this is its end. */
void tr_ticks_remove(struct tr_ticks *ticks, const struct tr_program *program, uint32_t group, struct tr_run *run);

/* The links with their counts, by number from 0; NULL beyond the last. */
const struct tr_link *tr_ticks_link(const struct tr_ticks *ticks, uint32_t at, uint32_t *group);

/* When the next tick is due on the driving clock: TR_TICK_NEVER if none is; 0 before the first advance. */
uint64_t tr_ticks_due(const struct tr_ticks *ticks);

/* The clock now says `now_ns`: run what is due, in order of time. The first call runs the begin programs and starts the
   intervals. A clock that goes back runs nothing. `run` is the caller's, as in tr_feed_run. */
void tr_ticks_advance(struct tr_ticks *ticks, uint64_t now_ns, struct tr_run *run);

/* Run the end programs at the last time seen; once. Without an advance before, the begin programs run first. */
void tr_ticks_end(struct tr_ticks *ticks, struct tr_run *run);

void tr_ticks_ledger(const struct tr_ticks *ticks, uint32_t group, struct tr_ledger *ledger);
