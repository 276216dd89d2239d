/* What Windows hands to an event callback (evntcons.h), with names of ours: the same source is compiled where there is
   no Windows. tests/native compares sizes and offsets with the headers of mingw-w64. */
#ifndef TR_ETW_RECORD_H
#define TR_ETW_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* WINAPI. On x64 and ARM64 there is one calling convention. */
#if defined(_WIN32) && !defined(_WIN64)
#define TR_WINAPI __stdcall
#else
#define TR_WINAPI
#endif

#define TR_RECORD_TRACE_MESSAGE 0x0008u      /* EVENT_HEADER_FLAG_* */
#define TR_RECORD_32_BIT_HEADER 0x0020u
#define TR_RECORD_CLASSIC_HEADER 0x0100u
#define TR_RECORD_PROCESSOR_INDEX 0x0200u

#define TR_RECORD_ITEM_SCHEMA_TL 0x000bu     /* EVENT_HEADER_EXT_TYPE_* */
#define TR_RECORD_ITEM_PROV_TRAITS 0x000cu

struct tr_event_descriptor {                 /* EVENT_DESCRIPTOR */
    uint16_t id;
    uint8_t version;
    uint8_t channel;
    uint8_t level;
    uint8_t opcode;
    uint16_t task;
    uint64_t keyword;
};

struct tr_event_header {                     /* EVENT_HEADER */
    uint16_t size;
    uint16_t header_type;
    uint16_t flags;
    uint16_t event_property;
    uint32_t thread_id;
    uint32_t process_id;
    int64_t time_stamp;
    uint8_t provider_id[16];
    struct tr_event_descriptor descriptor;
    uint64_t processor_time;                 /* or kernel and user time */
    uint8_t activity_id[16];
};

struct tr_buffer_context {                   /* ETW_BUFFER_CONTEXT */
    uint16_t processor;                      /* an index, or a number and an alignment: the flags say which */
    uint16_t logger_id;
};

struct tr_extended_item {                    /* EVENT_HEADER_EXTENDED_DATA_ITEM */
    uint16_t reserved;
    uint16_t type;
    uint16_t linkage;
    uint16_t data_size;
    uint64_t data_ptr;
};

struct tr_event_record {                     /* EVENT_RECORD */
    struct tr_event_header header;
    struct tr_buffer_context buffer;
    uint16_t extended_count;
    uint16_t user_data_length;
    const struct tr_extended_item *extended;
    const uint8_t *user_data;
    void *user_context;                      /* of EVENT_TRACE_LOGFILEW: our session */
};

_Static_assert(sizeof(struct tr_event_descriptor) == 16, "EVENT_DESCRIPTOR");
_Static_assert(sizeof(struct tr_event_header) == 80, "EVENT_HEADER");
_Static_assert(sizeof(struct tr_buffer_context) == 4, "ETW_BUFFER_CONTEXT");
_Static_assert(sizeof(struct tr_extended_item) == 16, "EVENT_HEADER_EXTENDED_DATA_ITEM");
_Static_assert(sizeof(void *) == 4 || sizeof(struct tr_event_record) == 112, "EVENT_RECORD");

#endif
