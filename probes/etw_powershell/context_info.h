// SPDX-License-Identifier: MIT
/* PowerShell's ContextInfo: a text of lines "        NAME = VALUE", the first field of its event. The host's command line
 * is in it, which may hold anything and be as long as an event; so lines are counted from the end. */
#ifndef CONTEXT_INFO_H
#define CONTEXT_INFO_H

#include "etw_powershell.h"

static ALWAYS_INLINE u32 character(struct etw_context *ctx, u32 at)
{
	const u8 *place;

	if (at >= LONGEST_CONTEXT)
		return 0;
	place = ctx->data + 2 * (u64)at;
	return place + 2 <= ctx->data_end ? etw_u16(place) : 0;
}

/* Find the last lines of the context, the first text of the payload. Returns where the first of them begins, or
 * LONGEST_CONTEXT if there are not as many. */
static ALWAYS_INLINE u32 find_last_lines(struct etw_context *ctx, u32 *begins)
{
	u32 count = 1;

	begins[0] = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0;; i++) {
		u32 c;

		ETW_KEEP(i);
		c = character(ctx, i);
		if (!c)
			break;
		if (c == '\n') {
			begins[count & (LINES - 1)] = i + 1;
			count++;
		}
	}
	/* The last line has an end, so an empty one would begin behind it. */
	return count > LAST_LINES ? begins[(count - 1 - LAST_LINES) & (LINES - 1)] : LONGEST_CONTEXT;
}

/* Copy a value into less room: cut, and ended. */
static ALWAYS_INLINE void copy_value(char *to, const char *value, u32 size)
{
	memcpy(to, value, size);
	to[size - 1] = 0;
}

/* A character as UTF-8, its first byte lowest; half a surrogate pair becomes '?'. */
static ALWAYS_INLINE u32 utf8(u32 c)
{
	if (c < 0x80)
		return c;
	if (c < 0x800)
		return (0xc0 | c >> 6) | (0x80 | (c & 63)) << 8;
	if (c >= 0xd800 && c < 0xe000)
		return '?';
	return (0xe0 | c >> 12) | (0x80 | (c >> 6 & 63)) << 8 | (0x80 | (c & 63)) << 16;
}

/* Copy what is behind "NAME = " in each of the lines from `at` on, as far as there is room. `values` is zero before. */
static ALWAYS_INLINE void copy_values(struct etw_context *ctx, u32 at, char (*values)[VALUE])
{
	u32 line = 0, used = 0, behind = 0;

#pragma clang loop unroll(disable)
	for (u32 i = at;; i++) {
		u32 c, bytes;

		ETW_KEEP(i);
		ETW_KEEP(used);
		c = character(ctx, i);
		if (!c)
			break;
		if (c == '\n') {
			line++;
			used = 0;
			behind = 0;
			continue;
		}
		if (behind < 2) {
			behind = behind ? 2 : c == '=';		/* the blank behind it goes as well */
			continue;
		}
		if (c == '\r' || used > VALUE - 4)
			continue;
		bytes = utf8(c);
		memcpy(&values[line & (LAST_LINES - 1)][used], &bytes, sizeof(bytes));
		used += bytes < 0x100 ? 1 : bytes < 0x10000 ? 2 : 3;
	}
}

#endif
