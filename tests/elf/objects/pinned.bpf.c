/* SPDX-License-Identifier: MIT */
/* A map that asks to be kept under its name, one that says it does not, and one that says nothing. */
#include "bpf.h"

#define COUNTS(name, ...) \
	struct { \
		__uint(type, HASH); \
		__uint(max_entries, 64); \
		__type(key, u32); \
		__type(value, u64); \
		__VA_ARGS__ \
	} name SEC(".maps")

COUNTS(kept, __uint(pinning, 1););
COUNTS(loose, __uint(pinning, 0););
COUNTS(plain);

SEC("tracepoint/a/b") int count(void *ctx)
{
	u32 key = 1;
	u64 *kept_count = map_lookup_elem(&kept, &key);
	u64 *loose_count = map_lookup_elem(&loose, &key);
	u64 *plain_count = map_lookup_elem(&plain, &key);

	if (kept_count && loose_count && plain_count)
		*kept_count += *loose_count + *plain_count;
	return 0;
}
