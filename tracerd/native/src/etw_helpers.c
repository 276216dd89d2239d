/* The helpers by which programs read an event's fields. Each fills all of its buffer, with zeros behind the value and
   where there is none: the verifier takes the bytes for written. The event is the run's, whatever context is given. */
#include "etw_reader.h"
#include "etw_text.h"
#include "error_numbers.h"
#include "helpers.h"

#define MAYBE_UNUSED __attribute__((unused))
#define HELPER(name)                                                                                                \
    uint64_t name(MAYBE_UNUSED uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, MAYBE_UNUSED uint64_t r5,        \
                  struct tr_run *run)
#define AF_INET_WINDOWS 2u
#define AF_INET6_WINDOWS 23u

static uint64_t error(int32_t number)
{
    return (uint64_t)(int64_t)number;
}

/* Find a field and its bytes; the buffer is zeroed first. */
static int32_t find(struct tr_run *run, uint64_t asked, void *buffer, uint64_t size, struct tr_etw_asked *found,
                    struct tr_etw_span *span)
{
    struct tr_etw_reader *reader = run->fields;
    int32_t failed;

    memset(buffer, 0, (size_t)size);
    if (!reader)
        return -TR_ENOMSG;
    failed = tr_etw_ask(reader, (uint32_t)asked, found);
    return failed ? failed : tr_etw_take(reader, found, span);
}

static const uint8_t *payload(const struct tr_run *run)
{
    return ((const struct tr_etw_reader *)run->fields)->walk.payload;
}

static bool is_number(const struct tr_etw_field *field)
{
    return tr_etw_is_number(field->type) || field->type == TR_ETW_POINTER || field->type == TR_ETW_FILETIME;
}

static bool is_signed(uint8_t type)
{
    return type == TR_ETW_INT8 || type == TR_ETW_INT16 || type == TR_ETW_INT32;
}

static uint64_t number_at(const uint8_t *at, uint32_t bytes, const struct tr_etw_field *field)
{
    uint64_t value = 0, sign = (uint64_t)1 << (8 * bytes - 1);

    for (uint32_t i = bytes; i-- > 0;)
        value = value << 8 | at[field->show == TR_ETW_PORT ? bytes - 1 - i : i];
    return is_signed(field->type) ? (value ^ sign) - sign : value;
}

HELPER(tr_helper_etw_field_number)
{
    struct tr_etw_asked asked;
    struct tr_etw_span span;
    int32_t failed = find(run, r2, (void *)(uintptr_t)r3, r4, &asked, &span);
    uint64_t value;

    if (failed)
        return error(failed);
    if (!is_number(asked.field) || asked.field->count_kind != TR_ETW_ONE || r4 != sizeof value)
        return error(-TR_EINVAL);
    value = number_at(payload(run) + span.data, span.bytes, asked.field);
    memcpy((void *)(uintptr_t)r3, &value, sizeof value);
    return 0;
}

HELPER(tr_helper_etw_field_bytes)
{
    struct tr_etw_asked asked;
    struct tr_etw_span span;
    int32_t failed = find(run, r2, (void *)(uintptr_t)r3, r4, &asked, &span);

    if (failed)
        return error(failed);
    if (span.bytes)
        memcpy((void *)(uintptr_t)r3, payload(run) + span.data, span.bytes < r4 ? span.bytes : (size_t)r4);
    return span.bytes;
}

/* The part of a path behind its last separator. */
static void only_file(const uint8_t *data, uint32_t unit, struct tr_etw_span *span)
{
    for (uint32_t at = span->data + span->bytes; at - span->data >= unit; at -= unit) {
        uint32_t c = unit == 2 ? tr_u16(data + at - 2) : data[at - 1];

        if ((c == '\\' || c == '/') && at < span->data + span->bytes) {
            span->bytes -= at - span->data;
            span->data = at;
            return;
        }
    }
}

static bool put_text(struct tr_text *text, const struct tr_etw_field *field, const uint8_t *data,
                     struct tr_etw_span *span, uint64_t flags)
{
    uint32_t unit = field->type == TR_ETW_UTF16 ? 2 : 1;

    switch (field->type) {
    case TR_ETW_UTF16: case TR_ETW_ANSI:
        span->bytes -= span->bytes % unit;
        if (flags & TR_ETW_TEXT_FILE)
            only_file(data, unit, span);
        if (unit == 2)
            tr_text_utf16(text, data + span->data, span->bytes);
        else
            tr_text_utf8(text, data + span->data, span->bytes);
        return true;
    case TR_ETW_SID: case TR_ETW_WBEM_SID:
        tr_text_sid(text, data + span->data, span->bytes);
        return true;
    case TR_ETW_GUID:
        tr_text_guid(text, data + span->data);
        return true;
    default:
        return false;
    }
}

/* Text may have a zero in its middle (REG_MULTI_SZ): for a program it ends there. */
static uint64_t end_text(char *buffer, size_t used, size_t size)
{
    const char *zero = memchr(buffer, 0, used);

    if (zero)
        used = (size_t)(zero - buffer);
    memset(buffer + used, 0, size - used);
    return used + 1;
}

HELPER(tr_helper_etw_field_text)
{
    struct tr_etw_asked asked;
    struct tr_etw_span span;
    int32_t failed = find(run, r2, (void *)(uintptr_t)r3, r4, &asked, &span);
    struct tr_text text = {
        .data = (char *)(uintptr_t)r3, .capacity = (size_t)r4 - 1, .limit = (size_t)r4 - 1, .bare = true
    };

    if (failed)
        return error(failed);
    if (asked.field->count_kind != TR_ETW_ONE || r5 & ~(uint64_t)TR_ETW_TEXT_FILE ||
        !put_text(&text, asked.field, payload(run), &span, r5))
        return error(-TR_EINVAL);
    return end_text(text.data, text.used, (size_t)r4);
}

static void set_ipv4(struct tr_etw_address *to, const uint8_t *address)
{
    to->family = 4;
    to->address[10] = to->address[11] = 0xff;
    memcpy(to->address + 12, address, 4);
}

/* sockaddr_in {family, port, address} or sockaddr_in6 {family, port, flow, address, scope}. */
static bool set_sockaddr(struct tr_etw_address *to, const uint8_t *at, uint32_t bytes)
{
    uint32_t family = bytes >= 8 ? tr_u16(at) : 0;

    if (family != AF_INET_WINDOWS && (family != AF_INET6_WINDOWS || bytes < 24))
        return false;
    to->port = (uint16_t)(at[2] << 8 | at[3]);
    if (family == AF_INET_WINDOWS) {
        set_ipv4(to, at + 4);
        return true;
    }
    to->family = 6;
    memcpy(to->address, at + 8, 16);
    to->scope = bytes >= 28 ? tr_u32(at + 24) : 0;
    return true;
}

static bool set_address(struct tr_etw_address *to, const struct tr_etw_field *field, const uint8_t *at, uint32_t bytes)
{
    switch (field->show) {
    case TR_ETW_IPV4:
        set_ipv4(to, at);
        return true;
    case TR_ETW_IPV6:
        if (bytes != 16)
            return false;
        to->family = 6;
        memcpy(to->address, at, 16);
        return true;
    case TR_ETW_SOCKADDR:
        return set_sockaddr(to, at, bytes);
    default:
        return false;
    }
}

HELPER(tr_helper_etw_field_address)
{
    struct tr_etw_address address = {.family = 0};
    struct tr_etw_asked asked;
    struct tr_etw_span span;
    int32_t failed = find(run, r2, (void *)(uintptr_t)r3, r4, &asked, &span);

    if (failed)
        return error(failed);
    if (asked.field->count_kind != TR_ETW_ONE || r4 != sizeof address ||
        !set_address(&address, asked.field, payload(run) + span.data, span.bytes))
        return error(-TR_EINVAL);
    memcpy((void *)(uintptr_t)r3, &address, sizeof address);
    return 0;
}
