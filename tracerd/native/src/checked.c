/* Checks of the checked interpreter. Tests and fuzzing compare them with what the verifier believes: a fault in a
   verified program is a hole in the proof. */

#include "checked.h"
#include "map.h"

#define FACT(name, facts) facts,
static const uint32_t FACTS[] = {TR_OPS(FACT)};      /* a checked image has no fused operations */
#undef FACT

#define ENTRY_REGISTERS (1u << 1 | 1u << 2 | 1u << 10)
#define CALLER_SAVED 0x3eu                       /* r1 to r5 */
#define CALLEE_SAVED 0x3c0u                      /* r6 to r9 */

static int fault(struct tr_checker *check, const struct tr_op *op, uint32_t kind, uint64_t address, uint64_t size)
{
    struct tr_regions *regions = check->regions;

    if (regions && regions->fault == TR_FAULT_NONE) {
        regions->fault = kind;
        regions->fault_slot = check->image->slots[op - check->image->ops];
        regions->fault_address = address;
        regions->fault_size = (uint32_t)size;
    }
    return 0;
}

void tr_check_start(struct tr_checker *check, const struct tr_image *image, struct tr_run *run, const void *stack,
                    uint64_t context)
{
    memset(check, 0, sizeof *check);
    check->image = image;
    check->run = run;
    check->regions = run->regions;
    check->context = context;
    check->stack = (uint64_t)(uintptr_t)stack;
    check->known[0] = ENTRY_REGISTERS;
    if (check->regions)
        check->regions->fault = TR_FAULT_NONE;
}

static int inside(uint64_t address, uint64_t size, uint64_t start, uint64_t extent)
{
    return address >= start && size <= extent && address - start <= extent - size;
}

/* An access may touch one element's value, of the run's CPU, not what lies between values. */
static int inside_value(const struct tr_map *map, uint32_t run_cpu, uint64_t address, uint64_t size)
{
    uint32_t cpu = tr_map_is_per_cpu(map->kind) ? run_cpu : 0;
    uint64_t start = (uint64_t)(uintptr_t)map->values + cpu * map->cpu_stride;
    uint64_t offset = address - start;

    if (map->kind == TR_MAP_RINGBUF || cpu >= map->cpus || address < start ||
        offset / map->stride >= map->max_entries)
        return 0;
    return inside(offset % map->stride, size, 0, map->value_size);
}

static int inside_record(const struct tr_run *run, uint64_t address, uint64_t size)
{
    for (uint32_t i = 0; i < run->reserved_count; i++)
        if (inside(address, size, (uint64_t)(uintptr_t)run->reserved[i], tr_ring_record_size(run->reserved[i])))
            return 1;
    return 0;
}

/* The bits of written[] for stack bytes: set all, or test that all are set. */
static int stack_bytes(struct tr_checker *check, uint64_t address, uint64_t size, int set)
{
    uint64_t first = address - check->stack;

    for (uint64_t at = first; at < first + size; at++) {
        if (set)
            check->written[at / 64] |= (uint64_t)1 << at % 64;
        else if (!(check->written[at / 64] >> at % 64 & 1))
            return 0;
    }
    return 1;
}

enum access { READ = 1, WRITE = 2, REACH = 4 };      /* REACH: may be written, and is not */

static int check_stack(struct tr_checker *check, const struct tr_op *op, uint64_t address, uint64_t size, int access)
{
    if ((access & READ) && !stack_bytes(check, address, size, 0))
        return fault(check, op, TR_FAULT_STACK_BYTE, address, size);
    if (access & WRITE)
        stack_bytes(check, address, size, 1);
    return 1;
}

static int check_access(struct tr_checker *check, const struct tr_op *op, uint64_t address, uint64_t size, int access)
{
    const struct tr_regions *regions = check->regions;
    uint64_t frames = (uint64_t)(check->depth + 1) * TR_FRAME_BYTES;

    if (inside(address, size, check->stack + TR_STACK_BYTES - frames, frames))
        return check_stack(check, op, address, size, access);
    if (inside_record(check->run, address, size))
        return 1;
    for (uint32_t i = 0; regions && i < regions->count; i++) {
        const struct tr_region *region = &regions->table[i];

        if (!inside(address, size, region->start, region->size))
            continue;
        if ((access & (WRITE | REACH)) && !region->writable)
            return fault(check, op, TR_FAULT_READ_ONLY, address, size);
        return 1;
    }
    for (uint32_t i = 0; regions && i < regions->map_count; i++) {
        if (!inside_value(regions->maps[i], check->run->cpu, address, size))
            continue;
        if ((access & (WRITE | REACH)) && regions->maps[i]->flags & TR_MAP_F_RDONLY_PROG)
            return fault(check, op, TR_FAULT_READ_ONLY, address, size);
        return 1;
    }
    return fault(check, op, TR_FAULT_MEMORY, address, size);
}

static const struct tr_map *map_argument(const struct tr_checker *check, uint64_t value, int ring)
{
    for (uint32_t i = 0; check->regions && i < check->regions->map_count; i++) {
        const struct tr_map *map = check->regions->maps[i];

        if ((uint64_t)(uintptr_t)map == value && (map->kind == TR_MAP_RINGBUF) == ring)
            return map;
    }
    return NULL;
}

static int holds_record(const struct tr_run *run, uint64_t record)
{
    for (uint32_t i = 0; i < run->reserved_count; i++)
        if ((uint64_t)(uintptr_t)run->reserved[i] == record)
            return 1;
    return 0;
}

/* Memory whose size is in the next register. A TARGET's bytes count as written only as far as something is copied:
   what the helper leaves alone stays as unreadable as it was. */
static int check_sized(struct tr_checker *check, const struct tr_op *op, const uint64_t *r, uint32_t n, uint8_t kind)
{
    static const int ACCESS[] = {
        [TR_ARG_READABLE] = READ, [TR_ARG_READABLE_OR_NULL] = READ, [TR_ARG_WRITABLE] = WRITE,
        [TR_ARG_TARGET] = REACH, [TR_ARG_CHANGED] = READ | WRITE,
    };

    if (n == 5 || !(check->known[check->depth] >> (n + 1) & 1))
        return fault(check, op, TR_FAULT_REGISTER, n + 1, 0);
    if (r[n + 1] != 0 && !check_access(check, op, r[n], r[n + 1], ACCESS[kind]))
        return 0;
    if (kind != TR_ARG_TARGET || n > 2 || !(check->known[check->depth] >> (n + 3) & 1))
        return 1;
    return r[n + 3] == 0 || r[n + 3] > r[n + 1] || check_access(check, op, r[n], r[n + 3], WRITE);
}

/* Check the argument in register `n`. Sizes are checked with the memory before them. */
static int check_argument(struct tr_checker *check, const struct tr_op *op, const uint64_t *r, uint32_t n,
                          const uint8_t *kinds, const struct tr_map **map)
{
    uint64_t value = r[n];
    int good = 1;

    switch (kinds[n - 1]) {
    case TR_ARG_MAP:
    case TR_ARG_RINGBUF:
        *map = map_argument(check, value, kinds[n - 1] == TR_ARG_RINGBUF);
        good = *map != NULL;
        break;
    case TR_ARG_MAP_KEY:
        return *map ? check_access(check, op, value, (*map)->key_size, READ)
                    : fault(check, op, TR_FAULT_ARGUMENT, n, 0);
    case TR_ARG_MAP_VALUE:
        return *map ? check_access(check, op, value, (*map)->value_size, READ)
                    : fault(check, op, TR_FAULT_ARGUMENT, n, 0);
    case TR_ARG_READABLE:
    case TR_ARG_READABLE_OR_NULL:
    case TR_ARG_WRITABLE:
    case TR_ARG_TARGET:
    case TR_ARG_CHANGED:
        return check_sized(check, op, r, n, kinds[n - 1]);
    case TR_ARG_SIZE:
    case TR_ARG_CONSTANT_SIZE:
        good = value != 0;
        break;
    case TR_ARG_RING_RECORD:
        good = holds_record(check->run, value);
        break;
    case TR_ARG_CONTEXT:
        good = value == check->context;
        break;
    default:
        break;
    }
    return good ? 1 : fault(check, op, TR_FAULT_ARGUMENT, n, 0);
}

static int check_helper(struct tr_checker *check, const struct tr_op *op, const uint64_t *r)
{
    const uint8_t *kinds = check->image->helpers[op->offset].arguments;
    uint16_t *known = &check->known[check->depth];
    const struct tr_map *map = NULL;

    for (uint32_t n = 1; n <= 5 && kinds[n - 1] != TR_ARG_NONE; n++) {
        if (kinds[n - 1] == TR_ARG_PRINTED)
            continue;
        if (!(*known >> n & 1))
            return fault(check, op, TR_FAULT_REGISTER, n, 0);
        if (!check_argument(check, op, r, n, kinds, &map))
            return 0;
    }
    *known = (uint16_t)((*known & ~CALLER_SAVED) | 1);
    return 1;
}

static int enter(struct tr_checker *check, const struct tr_op *op)
{
    uint16_t caller = check->known[check->depth];
    uint64_t at;

    if (check->depth + 1 >= TR_MAX_FRAMES)
        return fault(check, op, TR_FAULT_FRAMES, 0, 0);
    check->depth++;
    check->known[check->depth] = (uint16_t)(caller & ~(CALLEE_SAVED | 1));
    at = TR_STACK_BYTES - (uint64_t)(check->depth + 1) * TR_FRAME_BYTES;
    memset(check->written + at / 64, 0, TR_FRAME_BYTES / 8);
    return 1;
}

static int leave(struct tr_checker *check, const struct tr_op *op)
{
    uint16_t r0 = check->known[check->depth] & 1;

    if (check->depth == 0) {
        if (!r0)
            return fault(check, op, TR_FAULT_REGISTER, 0, 0);
        return check->run->reserved_count ? fault(check, op, TR_FAULT_LEAK, 0, 0) : 1;
    }
    check->depth--;
    check->known[check->depth] = (uint16_t)((check->known[check->depth] & ~(CALLER_SAVED | 1)) | r0);
    return 1;
}

static int check_registers(struct tr_checker *check, const struct tr_op *op, uint32_t facts)
{
    uint16_t known = check->known[check->depth];

    if ((facts & TR_USES_DST) && !(known >> op->dst & 1))
        return fault(check, op, TR_FAULT_REGISTER, op->dst, 0);
    if ((facts & TR_USES_SRC) && !(known >> op->src & 1))
        return fault(check, op, TR_FAULT_REGISTER, op->src, 0);
    if ((facts & TR_USES_R0) && !(known & 1))
        return fault(check, op, TR_FAULT_REGISTER, 0, 0);
    return 1;
}

static int check_memory(struct tr_checker *check, const struct tr_op *op, const uint64_t *r, uint32_t facts)
{
    uint64_t size = TR_BYTES_OF(facts);
    uint64_t address = r[facts & TR_LOADS ? op->src : op->dst] + (uint64_t)(int64_t)op->offset;

    if (facts & TR_LOADS)
        return check_access(check, op, address, size, READ);
    if (facts & TR_STORES)
        return check_access(check, op, address, size, WRITE);
    if (address & (size - 1))
        return fault(check, op, TR_FAULT_ALIGNMENT, address, size);
    return check_access(check, op, address, size, READ | WRITE);
}

int tr_check(struct tr_checker *check, const struct tr_op *op, const uint64_t *r)
{
    uint16_t code = check->image->codes[op - check->image->ops];
    uint32_t facts = FACTS[code];
    uint16_t *known;

    switch (code) {
    case TR_OP_CALL_HELPER:
        return check_helper(check, op, r);
    case TR_OP_CALL_LOCAL:
        return enter(check, op);
    case TR_OP_EXIT:
        return leave(check, op);
    case TR_OP_END:
        return fault(check, op, TR_FAULT_END, 0, 0);
    default:
        break;
    }
    if (!check_registers(check, op, facts))
        return 0;
    if ((facts & (TR_LOADS | TR_STORES | TR_ATOMIC)) && !check_memory(check, op, r, facts))
        return 0;
    known = &check->known[check->depth];
    if (facts & TR_SETS_DST)
        *known |= (uint16_t)(1u << op->dst);
    if (facts & TR_SETS_SRC)
        *known |= (uint16_t)(1u << op->src);
    if (facts & TR_SETS_R0)
        *known |= 1;
    return 1;
}
