/* Hands every event of the network monitor on, as far as a record has room for it. */
#include "windows.h"

#define MOST 128

struct record {
    uint32_t bytes;
    uint8_t start[MOST];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} netevents SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, uint32_t);
    __type(value, uint64_t);
    __uint(max_entries, 1);
} seen SEC(".maps");

SEC("netevent_monitor")
int NetEventMonitor(netevent_event_md_t *ctx)
{
    uint64_t bytes = ctx->data_end - ctx->data;
    struct record record = {};
    uint32_t zero = 0;
    uint64_t *count = bpf_map_lookup_elem(&seen, &zero);

    if (count)
        __sync_fetch_and_add(count, 1);
    record.bytes = bytes;
    if (bytes > MOST)
        bytes = MOST;
    bpf_memcpy_s(record.start, MOST, ctx->data, bytes);
    bpf_ringbuf_output(&netevents, &record, sizeof record, 0);
    return 0;
}
