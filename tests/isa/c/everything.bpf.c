/* A program that makes clang use as many kinds of instructions as it will. Compiled by tests only. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))

static long (*const helper_time)(void) = (void *)5;
u64 load_half(void *, u64) __asm__("llvm.bpf.load.half");

struct event {
    u8 byte;
    u16 half;
    u32 word;
    u64 doubleword;
    signed char small;
    short medium;
    int large;
};

SEC(".maps") struct { int *type; } table;
const volatile u64 limit = 7;
u64 counters[8];

static __attribute__((noinline)) u64 mix(u64 a, u32 b)
{
    for (u32 i = 0; i < b; i++)
        a = (a << 7) ^ (a >> 3) ^ (a * 0x9e3779b97f4a7c15ull) ^ i;
    return a;
}

SEC("prog/numbers") u64 numbers(struct event *event)
{
    u64 sum = event->byte + event->half + event->word + event->doubleword;

    sum += (long long)event->small - event->medium + ((long long)event->large << 9);
    sum ^= __builtin_bswap16(event->half) | __builtin_bswap32(event->word) | __builtin_bswap64(event->doubleword);
    sum -= event->doubleword / (event->word | 1) + event->word % (event->half | 1u);
    event->word = -event->word;
    event->half = (u16)sum;
    event->byte = 3;
    event->doubleword = ~sum & 0xffffffff00000000ull;
    return sum + mix(sum, event->word & 15) + (u64)helper_time();
}

SEC("prog/branches") int branches(struct event *event)
{
    int n = event->large;
    u32 m = event->word;

    if (n < -5)
        return -1;
    if (n > 1000 && m >= 0x80000000)
        return counters[m & 7];
    switch (event->byte) {
    case 1: return m;
    case 9: counters[2] += m; return n >> 3;
    case 77: return event->medium <= 3 ? 4 : 5;
    }
    return event->doubleword < limit || (event->doubleword & 0x10) ? n : -n;
}

SEC("prog/atomics") u64 atomics(struct event *event)
{
    __sync_fetch_and_add(&counters[0], 1);
    __sync_fetch_and_add(&event->word, 3);
    return load_half(event, 12) + (u64)&table;
}

#ifdef WITH_V3
SEC("prog/fetches") u64 fetches(struct event *event)
{
    u64 old = __sync_fetch_and_add(&counters[1], event->word);

    old += __sync_fetch_and_or(&event->doubleword, 4) + __sync_fetch_and_and(&event->doubleword, 5);
    old += __sync_fetch_and_xor(&event->word, 6) + __sync_lock_test_and_set(&event->word, 7);
    return old + __sync_val_compare_and_swap(&event->doubleword, old, 8) +
           __sync_val_compare_and_swap(&event->word, (u32)old, 9);
}
#endif

#ifdef WITH_V4
SEC("prog/signed") long long quotients(struct event *event)
{
    long long wide = (long long)event->doubleword;

    return wide / event->large + wide % (event->large | 1) + event->large / event->medium + event->large % 7;
}
#endif
