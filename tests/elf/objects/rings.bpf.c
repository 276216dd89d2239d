/* SPDX-License-Identifier: MIT */
/* Ring buffers that say what their records are, and one that does not. */
#include "bpf.h"

struct place {
	u32 pid;
	char comm[16];
};

struct record {
	u32 kind;
	struct place at;
	u64 ns;
};

typedef struct record named_t;

#define RING(name, ...) \
	struct { \
		__uint(type, RINGBUF); \
		__uint(max_entries, 4096); \
		__VA_ARGS__ \
	} name SEC(".maps")

RING(typed, __type(value, struct record););
RING(named, __type(value, named_t););
RING(keyed, __type(key, u32); __type(value, u64););
RING(kept, __uint(pinning, 1); __type(value, struct record););
RING(plain);

SEC("xdp")
int program(void *ctx)
{
	struct record record = { .kind = 1, .ns = ktime_get_ns() };

	ringbuf_output(&typed, &record, sizeof(record), 0);
	ringbuf_output(&named, &record, sizeof(record), 0);
	ringbuf_output(&keyed, &record.ns, sizeof(record.ns), 0);
	ringbuf_output(&kept, &record, sizeof(record), 0);
	ringbuf_output(&plain, &record, sizeof(record), 0);
	return 0;
}
