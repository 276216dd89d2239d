/* ETW events, wherever they come from: what their programs see, and which program wants which event. */

/* What an etw program sees: 96 bytes, the offsets of platforms/linux.py. Numbers are the event's, 0 where its header
   kind has none; pid and tid are 0xffffffff where neither the header tells them nor, in a recording, the switches between
   threads do (PERFINFO). Kernel events by hook carry the class GUID of their group and classic events by class GUID carry
   the hook, where the group is a known one. */
struct tr_etw_context {
    const uint8_t *data;             /* the event's payload: below 64 KiB, which the verifier relies on */
    const uint8_t *data_end;
    uint64_t time_ns;                /* unix time */
    uint8_t provider[16];            /* GUID as it lies in memory */
    uint8_t activity[16];
    uint64_t keyword;
    uint32_t pid;
    uint32_t tid;
    uint32_t cpu;
    uint32_t pointer_size;           /* of the payload: 4 or 8 */
    uint32_t hook;                   /* group << 8 | opcode; 0xffffffff for events that are not a kernel group's */
    uint16_t id;                     /* manifest event id; WPP message number */
    uint16_t task;
    uint8_t version;
    uint8_t channel;
    uint8_t level;
    uint8_t opcode;
    uint16_t flags;                  /* EVENT_HEADER_FLAG_* */
    uint8_t kind;                    /* TRACE_HEADER_TYPE_*: 1 … 4, 10, 11, 15 … 21 */
    uint8_t reserved;
};

#define TR_ETW_WANT_PROVIDER 1
#define TR_ETW_WANT_GROUP 2
#define TR_ETW_WANT_EVENT 4

/* Which events a name means. PROVIDER or GROUP: either may fit. No bits: every event. */
struct tr_etw_match {
    uint8_t provider[16];
    uint32_t wants;                  /* TR_ETW_WANT_* */
    uint16_t group;
    uint16_t event;                  /* the id of manifest events and WPP messages, the opcode of all others */
};

/* Names, their programs and their balance: a table made once, so that an event nobody asked for costs one look-up. */
struct tr_etw_matcher;

struct tr_etw_matcher *tr_etw_matcher_new(void);
void tr_etw_matcher_free(struct tr_etw_matcher *matcher);

/* Until it is prepared: the class GUID of a kernel group; a name (returns its number, or -1); a link of a program to it
   (-1: too many, no such name, or a program that reads past the context). */
int32_t tr_etw_add_group(struct tr_etw_matcher *matcher, uint32_t group, const uint8_t *provider);
int32_t tr_etw_add_match(struct tr_etw_matcher *matcher, const struct tr_etw_match *match);
int32_t tr_etw_add_link(struct tr_etw_matcher *matcher, struct tr_program *program, uint32_t match, uint32_t need);

/* Make the tables; returns 0, or -1 without memory. */
int32_t tr_etw_prepare(struct tr_etw_matcher *matcher);

/* The balance of a name, and the events that no name asked for. An event counts for each name that it fits. */
void tr_etw_ledger(const struct tr_etw_matcher *matcher, uint32_t match, struct tr_ledger *ledger);
uint64_t tr_etw_unmatched(const struct tr_etw_matcher *matcher);

/* The links with their counts; `event` of a link is the number of its name. */
const struct tr_link *tr_etw_links(const struct tr_etw_matcher *matcher, uint32_t *count);

/* Go on from another matcher, which no event comes to any more: `numbers` has, for each name, its number there, or -1. With
   the balance of the names, the counts of links that have the same program, and the events that no name wanted. Both are
   prepared. */
void tr_etw_carry(struct tr_etw_matcher *matcher, const struct tr_etw_matcher *before, const int32_t *numbers);
