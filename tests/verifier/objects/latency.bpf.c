/* System call latency: entry and exit matched by thread, log2 histogram per process and call. */
#include "common.h"

struct enter { u64 pad; long id; u64 args[6]; };
struct exit { u64 pad; long id; long ret; };
struct key { u32 pid; u32 call; };
struct row { u64 count, errors, total; u64 slots[32]; char comm[16]; };
struct start { u64 at; u32 call, unused; };

struct { __uint(type, HASH); __uint(max_entries, 10240); __type(key, u32); __type(value, struct start); } starts SEC(".maps");
struct { __uint(type, HASH); __uint(max_entries, 4096); __type(key, struct key); __type(value, struct row); } rows SEC(".maps");

static const struct row empty;

static __always_inline u32 log2l(u64 v)
{
    u32 r, shift;
    u32 hi = v >> 32;
    u32 x = hi ? hi : v;
    r = (x > 0xffff) << 4; x >>= r;
    shift = (x > 0xff) << 3; x >>= shift; r |= shift;
    shift = (x > 0xf) << 2; x >>= shift; r |= shift;
    shift = (x > 0x3) << 1; x >>= shift; r |= shift;
    r |= x >> 1;
    return hi ? r + 32 : r;
}

SEC("tracepoint/raw_syscalls/sys_enter") int on_enter(struct enter *ctx)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct start s = { .at = bpf_ktime_get_ns(), .call = ctx->id };
    bpf_map_update_elem(&starts, &tid, &s, 0);
    return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit") int on_exit(struct exit *ctx)
{
    u64 both = bpf_get_current_pid_tgid();
    u32 tid = both;
    struct start *s = bpf_map_lookup_elem(&starts, &tid);
    if (!s)
        return 0;
    u64 spent = bpf_ktime_get_ns() - s->at;
    struct key key = { .pid = both >> 32, .call = s->call };
    bpf_map_delete_elem(&starts, &tid);
    struct row *row = bpf_map_lookup_elem(&rows, &key);
    if (!row) {
        bpf_map_update_elem(&rows, &key, &empty, 1);
        row = bpf_map_lookup_elem(&rows, &key);
        if (!row)
            return 0;
        bpf_get_current_comm(row->comm, sizeof(row->comm));
    }
    __sync_fetch_and_add(&row->count, 1);
    if (ctx->ret < 0)
        __sync_fetch_and_add(&row->errors, 1);
    __sync_fetch_and_add(&row->total, spent);
    u32 slot = log2l(spent);
    if (slot >= 32)
        slot = 31;
    __sync_fetch_and_add(&row->slots[slot], 1);
    return 0;
}

struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, struct row); } single SEC(".maps");

/* The log2 of 64 bits by a loop, and a slot by masking. */
SEC("tracepoint/a/loop_log2") int by_loop(struct exit *ctx)
{
    u32 zero = 0;
    struct row *row = bpf_map_lookup_elem(&single, &zero);
    if (!row)
        return 0;
    u64 v = ctx->ret;
    int slot = 0;
    while (v > 1 && slot < 31) {
        v >>= 1;
        slot++;
    }
    row->slots[slot & 31]++;
    row->slots[slot]++;
    return 0;
}
