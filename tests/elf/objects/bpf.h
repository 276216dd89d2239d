/* SPDX-License-Identifier: MIT */
/* The few declarations these tests need, so that they compile without libbpf's headers. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]

enum { HASH = 1, ARRAY = 2, PROG_ARRAY = 3, PERCPU_HASH = 5, PERCPU_ARRAY = 6, ARRAY_OF_MAPS = 12, RINGBUF = 27 };

static void *(*map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*ktime_get_ns)(void) = (void *)5;
static long (*for_each_map_elem)(void *map, void *callback, void *ctx, u64 flags) = (void *)164;
static long (*ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;

char _license[] SEC("license") = "Dual MIT/GPL";
