/* The helpers themselves, and the table of their names. What a helper answers about the event comes from the run, never
   from this machine, so a replay answers the same. Arguments were proved by the verifier; what it cannot prove (flags,
   a CPU beyond a map's slots) is checked here. */

#include "helpers.h"
#include "helpers_windows.h"
#include "map.h"

#define MAYBE_UNUSED __attribute__((unused))
#define HELPER(name)                                                                                    \
    static uint64_t name(MAYBE_UNUSED uint64_t r1, MAYBE_UNUSED uint64_t r2, MAYBE_UNUSED uint64_t r3, \
                         MAYBE_UNUSED uint64_t r4, MAYBE_UNUSED uint64_t r5, MAYBE_UNUSED struct tr_run *run)
#define ERROR(number) ((uint64_t)-(int64_t)(number))
#define MAP(r) ((struct tr_map *)(uintptr_t)(r))
#define MEMORY(r) ((void *)(uintptr_t)(r))

HELPER(map_lookup_elem)
{
    const struct tr_map *map = MAP(r1);
    uint8_t *value;

    switch (map->kind) {
    case TR_MAP_HASH:
        return (uint64_t)(uintptr_t)tr_hash_find(map, MEMORY(r2));
    case TR_MAP_ARRAY:
        return (uint64_t)(uintptr_t)tr_array_find(map, MEMORY(r2));
    case TR_MAP_PERCPU_HASH:
        value = tr_hash_find(map, MEMORY(r2));
        break;
    case TR_MAP_PERCPU_ARRAY:
        value = tr_array_find(map, MEMORY(r2));
        break;
    default:
        return 0;
    }
    if (!value || run->cpu >= map->cpus)
        return 0;
    return (uint64_t)(uintptr_t)(value + run->cpu * map->cpu_stride);
}

HELPER(map_update_elem)
{
    struct tr_map *map = MAP(r1);
    uint32_t cpu = tr_map_is_per_cpu(map->kind) ? run->cpu : 0;
    int result;

    if (map->flags & TR_MAP_F_RDONLY_PROG)
        return ERROR(TR_EPERM);
    if (cpu >= map->cpus || map->kind == TR_MAP_RINGBUF)
        return ERROR(TR_EINVAL);
    if (tr_map_is_hash(map->kind))
        result = tr_hash_update(map, MEMORY(r2), MEMORY(r3), r4, cpu);
    else
        result = tr_array_update(map, MEMORY(r2), MEMORY(r3), r4, cpu);
    return (uint64_t)(int64_t)result;
}

HELPER(map_delete_elem)
{
    struct tr_map *map = MAP(r1);

    if (map->flags & TR_MAP_F_RDONLY_PROG)
        return ERROR(TR_EPERM);
    return (uint64_t)(int64_t)tr_map_delete(map, MEMORY(r2));
}

/* There is no other memory to read off-kernel: the kernel's answer for a bad address, with the output zeroed. */
HELPER(probe_read)
{
    if (r2)
        memset(MEMORY(r1), 0, (size_t)r2);
    return ERROR(TR_EFAULT);
}

HELPER(ktime_get_ns)
{
    return run->now_ns;
}

/* xorshift64*; the state is the run's, so a replay draws the same numbers. */
HELPER(get_prandom_u32)
{
    uint64_t x = run->random ? run->random : 0x9e3779b97f4a7c15u;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    run->random = x;
    return (x * 0x2545f4914f6cdd1du) >> 32;
}

HELPER(get_smp_processor_id)
{
    return run->cpu;
}

HELPER(get_current_pid_tgid)
{
    return run->pid_tgid;
}

HELPER(get_current_uid_gid)
{
    return run->uid_gid;
}

/* As strscpy_pad: at most size - 1 bytes of the name, then zeros to the end. */
HELPER(get_current_comm)
{
    uint8_t *to = MEMORY(r1);
    size_t length = 0;

    if (r2 == 0)
        return ERROR(TR_EINVAL);
    while (length < sizeof run->comm && length < r2 - 1 && run->comm[length])
        length++;
    memcpy(to, run->comm, length);
    memset(to + length, 0, (size_t)r2 - length);
    return 0;
}

static void forget(struct tr_run *run, const void *record)
{
    for (uint32_t i = run->reserved_count; i-- > 0;) {
        if (run->reserved[i] == record) {
            run->reserved[i] = run->reserved[--run->reserved_count];
            return;
        }
    }
}

void tr_discard_reserved(struct tr_run *run)
{
    while (run->reserved_count)
        tr_ring_commit(run->reserved[--run->reserved_count], 1);
}

HELPER(ringbuf_reserve)
{
    void *record;

    if (r3 != 0 || MAP(r1)->kind != TR_MAP_RINGBUF || run->reserved_count == TR_MAX_RESERVED)
        return 0;
    record = tr_ring_reserve(MAP(r1), r2);
    if (record)
        run->reserved[run->reserved_count++] = record;
    return (uint64_t)(uintptr_t)record;
}

HELPER(ringbuf_submit)
{
    forget(run, MEMORY(r1));
    tr_ring_commit(MEMORY(r1), 0);
    return 0;
}

HELPER(ringbuf_discard)
{
    forget(run, MEMORY(r1));
    tr_ring_commit(MEMORY(r1), 1);
    return 0;
}

/* Flags ask for or against a wake-up (1, 2); our reader polls, so they mean nothing more than being valid. */
HELPER(ringbuf_output)
{
    void *record;

    if (r4 & ~(uint64_t)3 || MAP(r1)->kind != TR_MAP_RINGBUF)
        return ERROR(TR_EINVAL);
    record = tr_ring_reserve(MAP(r1), r3);
    if (!record)
        return ERROR(TR_EAGAIN);
    if (r3)
        memcpy(record, MEMORY(r2), (size_t)r3);
    tr_ring_commit(record, 0);
    return 0;
}

static const struct {
    const char *name;
    tr_helper *function;
} HELPERS[] = {
    {"map_lookup_elem", map_lookup_elem},
    {"map_update_elem", map_update_elem},
    {"map_delete_elem", map_delete_elem},
    {"probe_read", probe_read},
    {"ktime_get_ns", ktime_get_ns},
    {"trace_printk", tr_helper_trace_printk},
    {"get_prandom_u32", get_prandom_u32},
    {"get_smp_processor_id", get_smp_processor_id},
    {"get_current_pid_tgid", get_current_pid_tgid},
    {"get_current_uid_gid", get_current_uid_gid},
    {"get_current_comm", get_current_comm},
    {"probe_read_user", probe_read},
    {"probe_read_kernel", probe_read},
    {"probe_read_user_str", probe_read},
    {"probe_read_kernel_str", probe_read},
    {"ringbuf_output", ringbuf_output},
    {"ringbuf_reserve", ringbuf_reserve},
    {"ringbuf_submit", ringbuf_submit},
    {"ringbuf_discard", ringbuf_discard},
    {"etw_field_number", tr_helper_etw_field_number},
    {"etw_field_text", tr_helper_etw_field_text},
    {"etw_field_bytes", tr_helper_etw_field_bytes},
    {"etw_field_address", tr_helper_etw_field_address},
};

uint64_t tr_helper_address(const char *name)
{
    for (size_t i = 0; i < sizeof HELPERS / sizeof HELPERS[0]; i++)
        if (strcmp(HELPERS[i].name, name) == 0)
            return (uint64_t)(uintptr_t)HELPERS[i].function;
    return (uint64_t)(uintptr_t)tr_windows_helper(name);
}

uint64_t tr_map_helper_address(const struct tr_map *map, const char *name)
{
    uint64_t address = 0;

    if (tr_map_is_hash(map->kind))
        address = tr_hash_function(map, name);
    else if (tr_map_is_array(map->kind))
        address = tr_array_function(map, name);
    return address ? address : tr_helper_address(name);
}
