// SPDX-License-Identifier: MIT
/* Sort 32 numbers of the packet in a map's value: loads, compares and stores at addresses that follow one another. */
#include "bench.h"

#define NUMBERS 32

struct row {
	u32 numbers[NUMBERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct row);
} rows SEC(".maps");

SEC("xdp")
int sort(struct xdp_md *ctx)
{
	u8 *data = packet(ctx);
	struct row *row;
	u32 key = 0, sum = 0;

	if (data + PACKET_BYTES > packet_end(ctx))
		return 0;
	row = bpf_map_lookup_elem(&rows, &key);
	if (!row)
		return 1;
	for (u32 i = 0; i < NUMBERS; i++)
		row->numbers[i] = *(u32 *)(data + 4 * i);
	for (u32 round = 0; round < NUMBERS - 1; round++) {
		for (u32 i = 0; i < NUMBERS - 1; i++) {
			u32 low = row->numbers[i], high = row->numbers[i + 1];

			if (low > high) {
				row->numbers[i] = high;
				row->numbers[i + 1] = low;
			}
		}
	}
	for (u32 i = 0; i < NUMBERS; i++)
		sum = sum * 31 + row->numbers[i];
	return sum;
}
