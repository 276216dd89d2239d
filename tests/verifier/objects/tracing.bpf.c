/* Ring buffer records, strings on the stack, calls between functions, switches, per-CPU scratch, globals. */
#include "common.h"

struct raw { u64 pad; u64 args[8]; };
struct event { u64 time; u32 pid, kind; char comm[16]; char path[64]; u64 values[8]; };

struct { __uint(type, RINGBUF); __uint(max_entries, 1 << 16); } events SEC(".maps");
struct { __uint(type, PERCPU_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, struct event); } scratch SEC(".maps");
struct { __uint(type, ARRAY); __uint(max_entries, 64); __type(key, u32); __type(value, u64); } table SEC(".maps");
struct { __uint(type, HASH); __uint(max_entries, 64); __type(key, char[16]); __type(value, u64); } names SEC(".maps");

u64 total;
u64 histogram[64];
const volatile u32 wanted_pid = 0;
const volatile u8 weights[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

SEC("tracepoint/a/reserve") int reserve(struct raw *ctx)
{
    struct event *e;
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    if (wanted_pid && pid != wanted_pid)
        return 0;
    e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
    if (!e)
        return 0;
    e->time = bpf_ktime_get_ns();
    e->pid = pid;
    e->kind = ctx->args[0];
    if (bpf_get_current_comm(e->comm, sizeof(e->comm)) < 0) {
        bpf_ringbuf_discard(e, 0);
        return 0;
    }
    long n = bpf_probe_read_user_str(e->path, sizeof(e->path), (void *)ctx->args[1]);
    if (n < 0)
        e->path[0] = 0;
#pragma clang loop unroll(disable)
    for (int i = 0; i < 8; i++)
        e->values[i] = ctx->args[i];
    bpf_ringbuf_submit(e, 0);
    return 0;
}

SEC("tracepoint/a/scan") int scan(struct raw *ctx)
{
    char name[64] = {};
    u64 hash = 5381;
    int slashes = 0;
    bpf_probe_read_user_str(name, sizeof(name), (void *)ctx->args[0]);
#pragma clang loop unroll(disable)
    for (int i = 0; i < 64; i++) {
        char c = name[i];
        if (!c)
            break;
        if (c == '/')
            slashes++;
        hash = hash * 33 + c;
    }
    u32 slot = hash & 63;
    u64 *value = bpf_map_lookup_elem(&table, &slot);
    if (value)
        *value += slashes;
    histogram[slashes & 63]++;
    return 0;
}

static __noinline int classify(u64 value)
{
    switch (value) {
    case 0: return 1;
    case 1: return 5;
    case 2: return 9;
    case 7: return 11;
    case 9 ... 12: return 17;
    case 40: return 3;
    default: return value > 100 ? 30 : 31;
    }
}

static __noinline void account(struct event *e, u64 value)
{
    int slot = classify(value);
    if (slot >= 0 && slot < 64)
        histogram[slot]++;
    e->values[slot & 7] += value;
}

static __noinline int fill(char *to, u64 seed)
{
    for (int i = 0; i < 16; i++)
        to[i] = seed >> (i & 7);
    return 0;
}

SEC("tracepoint/a/calls") int calls(struct raw *ctx)
{
    u32 zero = 0;
    char key[16];
    struct event *e = bpf_map_lookup_elem(&scratch, &zero);
    if (!e)
        return 0;
    account(e, ctx->args[0]);
    account(e, ctx->args[1]);
    fill(key, ctx->args[2]);
    u64 *found = bpf_map_lookup_elem(&names, key);
    if (found)
        (*found)++;
    else
        bpf_map_update_elem(&names, key, &total, 0);
    bpf_ringbuf_output(&events, e, sizeof(*e), 0);
    total++;
    return 0;
}

SEC("tracepoint/a/sum") int sum(struct raw *ctx)
{
    u64 result = 0;
    u32 n = ctx->args[0];
    if (n > 64)
        n = 64;
#pragma clang loop unroll(disable)
    for (u32 i = 0; i < n; i++) {
        u64 *value = bpf_map_lookup_elem(&table, &i);
        if (!value)
            break;
        result += *value * weights[i & 15];
    }
    total = result;
    return 0;
}

SEC("tracepoint/a/nested") int nested(struct raw *ctx)
{
    u64 matrix[16];
#pragma clang loop unroll(disable)
    for (int i = 0; i < 16; i++)
        matrix[i] = i * ctx->args[0];
    /* Insertion sort: two loops, indices that meet. */
#pragma clang loop unroll(disable)
    for (int i = 1; i < 16; i++) {
        u64 x = matrix[i];
        int j = i;
#pragma clang loop unroll(disable)
        while (j > 0 && matrix[j - 1] > x) {
            matrix[j] = matrix[j - 1];
            j--;
        }
        matrix[j] = x;
    }
    total = matrix[7];
    return 0;
}

SEC("tracepoint/a/bounded_size") int bounded_size(struct raw *ctx)
{
    u32 zero = 0;
    struct event *e = bpf_map_lookup_elem(&scratch, &zero);
    if (!e)
        return 0;
    u32 size = ctx->args[1];
    if (size > sizeof(e->path))
        size = sizeof(e->path);
    bpf_probe_read_kernel(e->path, size, (void *)ctx->args[0]);
    long n = bpf_probe_read_user_str(e->path, sizeof(e->path), (void *)ctx->args[0]);
    if (n > 0 && n <= sizeof(e->path))
        bpf_ringbuf_output(&events, e->path, n, 0);
    u32 offset = ctx->args[3] & 31;
    e->path[offset + 7] = 1;
    return 0;
}

SEC("tracepoint/a/while_global") int while_global(struct raw *ctx)
{
    u64 n = ctx->args[0];
    int steps = 0;
#pragma clang loop unroll(disable)
    while (n != 1 && steps < 1000) {
        n = n & 1 ? 3 * n + 1 : n / 2;
        steps++;
    }
    histogram[steps % 64]++;
    return 0;
}
