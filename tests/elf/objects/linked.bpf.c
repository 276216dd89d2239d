/* SPDX-License-Identifier: MIT */
/* Several programs in one section; subprograms in .text and beside them; every kind of map and data section. */
#include "bpf.h"

struct key {
	u32 pid;
	char comm[16];
};

struct value {
	u64 count;
	u64 slots[8];
};

struct {
	__uint(type, HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, 1);
	__type(key, struct key);
	__type(value, struct value);
} counts SEC(".maps");

struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static struct {
	__uint(type, PERCPU_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, 4);
	__uint(value_size, 24);
} sums SEC(".maps");

const volatile u64 threshold = 1000;
const volatile u32 enabled = 1;
static volatile const char names[3][8] = { "read", "write", "close" };
u64 seen = 7;
static volatile u32 weights[4] = { 1, 2, 3, 4 };
u64 total;
static volatile u32 errors[16];
u32 custom[3] SEC(".data.custom") = { 5, 6, 7 };

static NOINLINE u64 leaf(u64 x)
{
	return x * weights[x & 3] + errors[x & 15];
}

NOINLINE u64 middle(u64 x)
{
	return leaf(x) + leaf(x + 1) + custom[1];
}

/* Static and in the programs' own section: clang calls it without a relocation. */
static NOINLINE SEC("xdp") u64 neighbour(u64 x)
{
	return x ^ ktime_get_ns() ^ leaf(x + 2);
}

SEC("xdp")
int first(void *ctx)
{
	struct key key = { .pid = 1 };
	struct value *value = map_lookup_elem(&counts, &key);

	if (!enabled || !value)
		return 0;
	value->count++;
	total += middle(value->count);
	return total > threshold;
}

SEC("xdp")
int second(void *ctx)
{
	u32 zero = 0;
	u64 *sum = map_lookup_elem(&sums, &zero);

	if (!sum)
		return names[seen & 1][0];
	*sum += neighbour(seen);
	errors[3]++;
	return 1;
}

SEC("tracepoint/sched/sched_switch")
int third(void *ctx)
{
	char text[8] = "x";

	map_update_elem(&events, text, "a string literal that stays one", 0);
	seen = middle(seen);
	return 0;
}
