/* SPDX-License-Identifier: MIT */
/* One of every kind of type that clang writes into BTF. */
#include "bpf.h"

#define TAG(x) __attribute__((btf_decl_tag(x)))
#define TYPE_TAG(x) __attribute__((btf_type_tag(x)))

enum small { SMALL_MINUS = -1, SMALL_ZERO, SMALL_ONE };
enum plain { PLAIN_A, PLAIN_B = 7, PLAIN_BIG = 0x80000000U };
enum large { LARGE_A = 1, LARGE_B = 0x123456789ULL };
enum large_signed { LARGE_LOW = -0x123456789LL, LARGE_HIGH = 5 };
enum __attribute__((packed)) tiny { TINY_A, TINY_B };

struct undefined;
union undefined_too;
typedef int (*callback)(struct undefined *, const char *restrict, ...);
typedef u32 row[4];

struct bits {
	u32 a : 3;
	u32 b : 7;
	int c : 6;
	u64 d : 40;
	enum small e : 2;
	_Bool f : 1;
	u32 : 0;
	u8 g : 1;
};

struct __attribute__((packed)) tight {
	u8 a;
	u64 b;
	u32 c : 5;
	u32 d : 30;
	u16 e;
};

struct inner {
	u16 port;
	u8 address[16];
	char label[12];
};

struct __attribute__((aligned(64))) wide {
	u8 first;
};

struct tree {
	struct tree *left;
	struct tree *right;
	const volatile void *payload;
};

struct everything {
	u8 byte;
	signed char tiny_number;
	char letter;
	_Bool flag;
	short number;
	long long big;
	__int128 huge;
	float ratio;
	double precise;
	enum small small;
	enum plain plain;
	enum large large;
	enum large_signed large_signed;
	enum tiny tiny;
	char name[16];
	char lines[3][32];
	row matrix[2];
	struct inner inner;
	struct inner list[5];
	struct {
		u32 anonymous_a;
		union {
			u32 as_number;
			u8 as_bytes[4];
		};
	};
	union {
		u64 whole;
		struct {
			u32 low, high;
		} half;
	} pair;
	struct bits bits;
	struct bits more_bits[2];
	struct tight tight;
	struct wide wide;
	struct undefined *undefined;
	union undefined_too *undefined_too;
	callback callback;
	int (*table[3])(void);
	int (*pointer_to_array)[7];
	struct tree tree;
	int TYPE_TAG("user") *tagged;
	u64 none[0];
} TAG("everything");

struct {
	__uint(type, ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct everything);
} store SEC(".maps");

const volatile struct bits filled = {
	.a = 5, .b = 100, .c = -7, .d = 0x123456789a, .e = SMALL_MINUS, .f = 1, .g = 1,
};
const volatile struct tight packed[2] = {
	{ .a = 1, .b = 0x1122334455667788, .c = 17, .d = 0x2aaaaaaa, .e = 0xbeef },
	{ .a = 2, .b = 3, .c = 4, .d = 5, .e = 6 },
};
const volatile struct inner peers[2] = { { .port = 80, .label = "web" }, { .port = 53, .label = "dns" } };

TAG("global") NOINLINE int touch(struct everything *e TAG("argument"))
{
	return e->bits.d + e->tight.d + e->large;
}

SEC("xdp")
int program(void *ctx)
{
	u32 zero = 0;
	struct everything *e = map_lookup_elem(&store, &zero);

	return e ? touch(e) + filled.a + packed[1].a + peers[1].port : 0;
}
