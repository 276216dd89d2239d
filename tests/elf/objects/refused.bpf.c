/* SPDX-License-Identifier: MIT */
/* Compiled once per WHY: an object that must be refused by name. */
#include "bpf.h"

#define VALUE_MAP(name, ...) \
	struct { \
		__uint(type, ARRAY); \
		__uint(max_entries, 1); \
		__type(key, u32); \
		__type(value, u32); \
		__VA_ARGS__ \
	} name SEC(".maps")

#ifdef LEGACY_MAPS
struct { u32 type, key_size, value_size, max_entries, map_flags; } old SEC("maps") = { HASH, 4, 4, 1, 0 };
#define USE() map_lookup_elem(&old, &(u32){0})
#endif

#ifdef CORE
struct task { int pid; } __attribute__((preserve_access_index));
#define USE() ((struct task *)ctx)->pid
#endif

#ifdef KERNEL_FUNCTION
extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));
#define USE() (bpf_rcu_read_lock(), 0)
#endif

#ifdef KERNEL_SYMBOL
extern const int bpf_prog_active __attribute__((section(".ksyms")));
#define USE() &bpf_prog_active
#endif

#ifdef KCONFIG
extern int LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
#define USE() LINUX_KERNEL_VERSION
#endif

#ifdef CALLBACK
VALUE_MAP(values);
static long each(void *map, void *key, void *value, void *ctx) { return 0; }
#define USE() for_each_map_elem(&values, each, 0, 0)
#endif

#ifdef MAP_IN_MAP
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, u32); __type(value, u32); } innermost SEC(".maps");
struct {
	__uint(type, ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, typeof(innermost));
} outer SEC(".maps") = { .values = { &innermost } };
#define USE() map_lookup_elem(&outer, &(u32){0})
#endif

#ifdef PINNED
VALUE_MAP(pinned, __uint(pinning, 7););
#define USE() map_lookup_elem(&pinned, &(u32){0})
#endif

#ifdef UNKNOWN_ATTRIBUTE
VALUE_MAP(odd, __uint(color, 3););
#define USE() map_lookup_elem(&odd, &(u32){0})
#endif

#ifdef RECORD_WITHOUT_SIZE
struct somewhere_else;
struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 4096);
	struct somewhere_else *value;
} ring SEC(".maps");
#define USE() ringbuf_output(&ring, &(u32){0}, 4, 0)
#endif

#ifdef SIZE_MISMATCH
VALUE_MAP(odd, __uint(value_size, 8););
#define USE() map_lookup_elem(&odd, &(u32){0})
#endif

#ifdef POINTER_IN_DATA
const char *volatile names[] = { "one", "two" };
#define USE() names[1]
#endif

#ifdef OTHER_SECTION
int variable SEC("elsewhere") = 3;
#define USE() *(volatile int *)&variable
#endif

#ifdef TENTATIVE
int tentative __attribute__((common));
#define USE() tentative
#endif

#ifdef NO_PROGRAM
#undef SEC
#define SEC(name)
#endif

#ifndef USE
#define USE() 0
#endif

SEC("xdp")
int program(void *ctx)
{
	return (long)USE();
}
