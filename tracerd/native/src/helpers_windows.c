/* Helpers that only programs for eBPF for Windows have. Pointers and sizes were proved one by one: `size` readable or
   writable bytes each. How two of them relate (one size to another, one memory to another) is checked or allowed for here.

   Whatever the verifier counts as written is written: a WRITABLE argument to its last byte on every path, a TARGET with
   all that is copied or not at all. Sources: microsoft/ebpf-for-windows include/bpf_helper_defs.h, libs/execution_context
   (what they answer), Microsoft's documentation of memcpy_s, strncpy_s and strncat_s. */

#include "helpers.h"
#include "map.h"
#include "helpers_windows.h"
#include "hooks.h"

#define MAYBE_UNUSED __attribute__((unused))
#define HELPER(name)                                                                                    \
    static uint64_t name(MAYBE_UNUSED uint64_t r1, MAYBE_UNUSED uint64_t r2, MAYBE_UNUSED uint64_t r3, \
                         MAYBE_UNUSED uint64_t r4, MAYBE_UNUSED uint64_t r5, MAYBE_UNUSED struct tr_run *run)
#define ERROR(number) ((uint64_t)-(int64_t)(number))
#define MEMORY(r) ((uint8_t *)(uintptr_t)(r))
#define BYTES(r) ((const uint8_t *)(uintptr_t)(r))
#define NS_PER_MS 1000000u

HELPER(ktime_get_boot_ns)
{
    return run->now_ns;
}

HELPER(ktime_get_ms)
{
    return run->now_ns / NS_PER_MS;
}

/* The sum of 16-bit words of what comes, and of the complements of what goes, modulo 2**32: the caller folds it. */
static uint32_t add_words(uint32_t sum, const uint8_t *at, uint64_t size, uint16_t flip)
{
    for (uint64_t i = 0; i < size; i += 2) {
        uint16_t word;

        memcpy(&word, at + i, sizeof word);
        sum += (uint16_t)(word ^ flip);
    }
    return sum;
}

HELPER(csum_diff)
{
    uint32_t sum = (uint32_t)r5;

    if (r2 % 4 || r4 % 4)
        return ERROR(TR_EINVAL);
    sum = add_words(sum, BYTES(r3), r4, 0);
    sum = add_words(sum, BYTES(r1), r2, 0xffff);
    return (uint64_t)(int64_t)(int32_t)sum;
}

HELPER(trace_printk2)
{
    return tr_helper_trace_printk(r1, r2, 0, 0, 0, run);
}

HELPER(trace_printk3)
{
    return tr_helper_trace_printk(r1, r2, r3, 0, 0, run);
}

HELPER(trace_printk4)
{
    return tr_helper_trace_printk(r1, r2, r3, r4, 0, run);
}

HELPER(trace_printk5)
{
    return tr_helper_trace_printk(r1, r2, r3, r4, r5, run);
}

/* No event says which logon session its task is of. 0 is the error. */
HELPER(get_current_logon_id)
{
    return 0;
}

HELPER(is_current_admin)
{
    return ERROR(TR_EOPNOTSUPP);
}

/* memcpy_s and memmove_s: both sides may overlap in either, since nobody proves that they do not. */
HELPER(copy)
{
    if (r4 > r2)
        return ERROR(TR_ERANGE);
    if (r4)
        memmove(MEMORY(r1), BYTES(r3), (size_t)r4);
    return 0;
}

/* Of different sizes: what is longer is greater if the shorter one's bytes are all equal. */
HELPER(compare)
{
    uint64_t shorter = r2 < r4 ? r2 : r4;
    int order = shorter ? memcmp(BYTES(r1), BYTES(r3), (size_t)shorter) : 0;

    if (order == 0)
        order = (r2 > r4) - (r2 < r4);
    return (uint64_t)(int64_t)((order > 0) - (order < 0));
}

HELPER(fill)
{
    if (r2)
        memset(MEMORY(r1), (int)(r3 & 0xff), (size_t)r2);
    return 0;
}

/* Bytes before the first zero of at most `size`. */
static uint64_t length_of(const uint8_t *text, uint64_t size)
{
    const uint8_t *zero = size ? memchr(text, 0, (size_t)size) : NULL;

    return zero ? (uint64_t)(zero - text) : size;
}

/* Put at most `count` bytes of a text behind the `used` of a buffer, end it with a zero, and fill the rest with zeros.
   What does not fit is cut off, as Windows' RtlStringCbCopyNExA does it. */
static uint64_t put_text(uint8_t *to, uint64_t size, uint64_t used, const uint8_t *text, uint64_t count)
{
    uint64_t length = length_of(text, count), room = size - used - 1;
    int cut = length > room;

    if (cut)
        length = room;
    if (length)
        memmove(to + used, text, (size_t)length);
    memset(to + used + length, 0, (size_t)(size - used - length));
    return cut ? ERROR(TR_ERANGE) : 0;
}

HELPER(copy_text)
{
    return r2 ? put_text(MEMORY(r1), r2, 0, BYTES(r3), r4) : ERROR(TR_EINVAL);
}

HELPER(append_text)
{
    uint64_t used = length_of(BYTES(r1), r2);

    return used < r2 ? put_text(MEMORY(r1), r2, used, BYTES(r3), r4) : ERROR(TR_EINVAL);
}

HELPER(measure_text)
{
    return length_of(BYTES(r1), r2);
}

/* The path in UTF-16, filled up with zeros; its length in bytes, or -EINVAL where it is not known or has no room. */
HELPER(process_get_image_path)
{
    const struct tr_hook_event *event = run->hook;
    uint8_t *to = MEMORY(r2);
    uint64_t bytes;

    memset(to, 0, (size_t)r3);
    if (!event || !event->image)
        return ERROR(TR_EINVAL);
    bytes = (uint64_t)event->image_bytes << !event->image_is_wide;
    if (bytes > r3)
        return ERROR(TR_EINVAL);
    if (event->image_is_wide)
        memcpy(to, event->image, (size_t)bytes);
    for (uint64_t i = 0; !event->image_is_wide && i < event->image_bytes; i++)
        to[2 * i] = event->image[i];
    return bytes;
}

/* Accounts are names that the recorded machine gives to SIDs: no event has them. */
HELPER(process_get_account)
{
    memset(MEMORY(r2), 0, (size_t)r3);
    return ERROR(TR_EINVAL);
}

static const struct {
    const char *name;
    tr_helper *function;
} HELPERS[] = {
    {"ktime_get_boot_ns", ktime_get_boot_ns},
    {"csum_diff", csum_diff},
    {"trace_printk2", trace_printk2},
    {"trace_printk3", trace_printk3},
    {"trace_printk4", trace_printk4},
    {"trace_printk5", trace_printk5},
    {"get_current_logon_id", get_current_logon_id},
    {"is_current_admin", is_current_admin},
    {"memcpy_s", copy},
    {"memcmp_s", compare},
    {"memset", fill},
    {"memmove_s", copy},
    {"strncpy_s", copy_text},
    {"strncat_s", append_text},
    {"strnlen_s", measure_text},
    {"ktime_get_boot_ms", ktime_get_ms},
    {"ktime_get_ms", ktime_get_ms},
    {"process_get_image_path", process_get_image_path},
    {"process_get_account_name", process_get_account},
    {"process_get_account_domain", process_get_account},
};

tr_helper *tr_windows_helper(const char *name)
{
    for (size_t i = 0; i < sizeof HELPERS / sizeof HELPERS[0]; i++)
        if (strcmp(HELPERS[i].name, name) == 0)
            return HELPERS[i].function;
    return NULL;
}
