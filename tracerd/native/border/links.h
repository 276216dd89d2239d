/* Links: which program runs on which event of a source. A source numbers its own events from 0. */

struct tr_link {
    struct tr_program *program;
    uint32_t event;                  /* the source's number for the event */
    uint32_t need;                   /* context bytes the program may read, from its certificate */
    uint64_t delivered;
    uint64_t failed;                 /* record shorter than `need`, or the run was aborted */
};

/* One event's balance: produced = delivered + lost_in_kernel + lost_in_session + dropped_in_ring + filtered + failed.
   `produced` and the two losses come from the producer, the others from the pump. */
struct tr_ledger {
    uint64_t produced;
    uint64_t delivered;
    uint64_t lost_in_kernel;
    uint64_t lost_in_session;
    uint64_t dropped_in_ring;
    uint64_t filtered;
    uint64_t failed;
};
