/* Building an image: decode every instruction, fuse neighbours, resolve jumps, insert fuel. Nothing here trusts the
   code: whatever bytes come in, the outcome is an image whose every jump stays inside, or an error. */

#include "image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLOTS (1u << 20)     /* the kernel's limit for one program */
#define NOWHERE UINT32_MAX

/* What is only needed while building. */
struct builder {
    const uint8_t *code;
    uint32_t slot_count;
    const struct tr_image_options *options;
    struct tr_image *image;
    uint8_t *marks;              /* per slot */
    uint32_t *op_of_slot;
    uint32_t *goes_to;           /* per operation: the slot it jumps to, NOWHERE if it does not */
    uint32_t *jumps_from;        /* per operation: the slot of its jump */
    char *error;
    size_t error_size;
};

#define MARK_SECOND 1            /* second half of an lddw */
#define MARK_TARGET 2            /* something jumps here */
#define MARK_FUEL 4              /* its taken jump costs fuel */
#define MARK_START 8             /* an instruction begins here */

static int refuse(struct builder *b, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(b->error, b->error_size, format, arguments);
    va_end(arguments);
    return 0;
}

static int bind_helper(struct builder *b, uint32_t slot, int32_t id, struct tr_op *op)
{
    const struct tr_image_options *options = b->options;

    for (uint32_t i = 0; i < options->helper_count; i++) {
        if (options->helpers[i].id != (uint32_t)id)
            continue;
        op->offset = (int16_t)i;
        op->wide = options->helpers[i].address;
        for (uint32_t site = 0; site < options->site_count; site++)
            if (options->sites[site].slot == slot)
                op->wide = options->sites[site].address;
        return op->wide ? 1 : refuse(b, "instruction %u: helper %d has no function", slot, id);
    }
    return refuse(b, "instruction %u: calls helper %d, which there is not", slot, id);
}

static int decode_slot(struct builder *b, uint32_t slot, uint16_t *code, struct tr_op *op)
{
    struct tr_slot at = tr_slot_at(b->code, slot), next;
    int has_next = slot + 1 < b->slot_count;
    const char *why;

    if (has_next)
        next = tr_slot_at(b->code, slot + 1);
    why = tr_decode(&at, has_next ? &next : NULL, code, op);
    return why ? refuse(b, "instruction %u: %s", slot, why) : 1;
}

/* Decode once to learn where instructions begin and where jumps go. */
static int survey(struct builder *b)
{
    for (uint32_t slot = 0; slot < b->slot_count; slot++) {
        uint16_t code;
        struct tr_op op;

        b->marks[slot] |= MARK_START;
        if (!decode_slot(b, slot, &code, &op))
            return 0;
        if (tr_is_jump(code) || code == TR_OP_CALL_LOCAL) {
            int64_t target = (int64_t)slot + 1 + op.target;

            if (target < 0 || target >= b->slot_count)
                return refuse(b, "instruction %u: jumps out of the program", slot);
            b->marks[target] |= MARK_TARGET;
        } else if (b->marks[slot] & MARK_FUEL) {
            return refuse(b, "instruction %u: is a fuel edge but not a jump", slot);
        }
        if (code == TR_OP_LDDW)
            b->marks[++slot] |= MARK_SECOND;
    }
    for (uint32_t slot = 0; slot < b->slot_count; slot++) {
        if ((b->marks[slot] & MARK_SECOND) && (b->marks[slot] & MARK_TARGET))
            return refuse(b, "instruction %u: is the second half of an lddw and a jump's target", slot);
        if ((b->marks[slot] & MARK_FUEL) && !(b->marks[slot] & MARK_START))
            return refuse(b, "instruction %u: is a fuel edge but not a jump", slot);
    }
    return 1;
}

static uint32_t append(struct builder *b, uint16_t code, const struct tr_op *op, uint32_t slot)
{
    struct tr_image *image = b->image;
    uint32_t at = image->op_count++;

    image->ops[at] = *op;
    image->ops[at].handler = tr_interpreter_handlers((int)image->checked)[code];
    image->codes[at] = code;
    image->slots[at] = slot;
    b->goes_to[at] = NOWHERE;
    b->jumps_from[at] = slot;
    return at;
}

/* Decode the instruction at `slot`, with the jump behind it if this one jumps over that. Returns the slot after. */
static uint32_t take(struct builder *b, uint32_t slot, uint16_t *code, struct tr_op *op)
{
    uint16_t next_code;
    struct tr_op next;

    decode_slot(b, slot, code, op);
    if (*code == TR_OP_LDDW)
        return slot + 2;
    slot++;
    if (b->image->checked || slot >= b->slot_count || !tr_is_jump(*code) || (b->marks[slot] & MARK_TARGET))
        return slot;
    decode_slot(b, slot, &next_code, &next);
    return slot + (uint32_t)tr_invert(code, op, next_code, &next);
}

/* Try to take what stands at `slot` into the operation before it. Returns the slot after what was taken. */
static uint32_t try_fuse(struct builder *b, uint32_t slot, uint16_t *code, struct tr_op *op)
{
    uint16_t next_code;
    struct tr_op next;
    uint32_t after;

    if (b->image->checked || slot >= b->slot_count || (b->marks[slot] & MARK_TARGET))
        return slot;
    after = take(b, slot, &next_code, &next);
    return tr_fuse(code, op, next_code, &next) ? after : slot;
}

static int translate(struct builder *b)
{
    struct tr_op end = {0};

    for (uint32_t slot = 0; slot < b->slot_count;) {
        uint32_t first = slot, after, at;
        uint16_t code;
        struct tr_op op;

        after = take(b, slot, &code, &op);
        if (code == TR_OP_CALL_HELPER && !bind_helper(b, first, op.imm, &op))
            return 0;
        for (slot = after; (after = try_fuse(b, slot, &code, &op)) != slot;)
            slot = after;
        at = append(b, code, &op, first);
        for (uint32_t i = first; i < slot; i++)
            b->op_of_slot[i] = at;
        if (tr_is_jump(code) || code == TR_OP_CALL_LOCAL) {
            /* A jump is always the last instruction of what was fused, so distances count from here. */
            b->goes_to[at] = (uint32_t)((int64_t)slot + op.target);
            b->jumps_from[at] = slot - 1;
        }
    }
    append(b, TR_OP_END, &end, b->slot_count);
    return 1;
}

static int64_t distance(uint32_t from, uint32_t to)
{
    return ((int64_t)to - from) * (int64_t)sizeof(struct tr_op);
}

/* Where a jump really ends: jumps to jumps go straight there, unless fuel is taken on the way. The plain interpreter
   only; a bound because jumps may go in circles. */
static uint32_t final_target(const struct builder *b, uint32_t at)
{
    uint32_t slot = b->goes_to[at];

    for (int hops = 0; hops < 8 && !b->image->checked; hops++) {
        uint32_t op = b->op_of_slot[slot];

        if (b->image->codes[op] != TR_OP_JA || (b->marks[b->jumps_from[op]] & MARK_FUEL))
            break;
        slot = b->goes_to[op];
    }
    return b->op_of_slot[slot];
}

/* Give jumps their final distances. A fuel edge goes through an operation of its own that counts, so a jump that is not
   taken costs nothing. */
static void resolve(struct builder *b)
{
    uint32_t last = b->image->op_count;

    for (uint32_t at = 0; at < last; at++) {
        uint32_t to;

        if (b->goes_to[at] == NOWHERE)
            continue;
        to = final_target(b, at);
        if (b->marks[b->jumps_from[at]] & MARK_FUEL) {
            struct tr_op fuel = {0};
            uint32_t stub = append(b, TR_OP_FUEL, &fuel, b->jumps_from[at]);

            b->image->ops[stub].target = distance(stub, to);
            to = stub;
        }
        b->image->ops[at].target = distance(at, to);
    }
}

static int mark_fuel(struct builder *b)
{
    for (uint32_t i = 0; i < b->options->fuel_edge_count; i++) {
        uint32_t slot = b->options->fuel_edges[i];

        if (slot >= b->slot_count)
            return refuse(b, "fuel edge %u is not in the program", slot);
        b->marks[slot] |= MARK_FUEL;
    }
    return 1;
}

static int allocate(struct builder *b)
{
    /* An operation per slot, a fuel stub per slot at most, and the end. */
    size_t most = (size_t)b->slot_count * 2 + 1;
    struct tr_image *image = calloc(1, sizeof *image);

    b->image = image;
    b->marks = calloc(b->slot_count, 1);
    b->op_of_slot = calloc(b->slot_count, sizeof *b->op_of_slot);
    b->goes_to = calloc(most, sizeof *b->goes_to);
    b->jumps_from = calloc(most, sizeof *b->jumps_from);
    if (!image || !b->marks || !b->op_of_slot || !b->goes_to || !b->jumps_from)
        return refuse(b, "no memory for an image of %u instructions", b->slot_count);
    image->checked = b->options->checked != 0;
    image->helper_count = b->options->helper_count;
    image->ops = calloc(most, sizeof *image->ops);
    image->slots = calloc(most, sizeof *image->slots);
    image->codes = calloc(most, sizeof *image->codes);
    image->helpers = calloc(image->helper_count + 1, sizeof *image->helpers);
    if (!image->ops || !image->slots || !image->codes || !image->helpers)
        return refuse(b, "no memory for an image of %u instructions", b->slot_count);
    if (image->helper_count)
        memcpy(image->helpers, b->options->helpers, image->helper_count * sizeof *image->helpers);
    return 1;
}

struct tr_image *tr_image_new(const uint8_t *code, uint32_t slots, const struct tr_image_options *options, char *error,
                              size_t error_size)
{
    struct builder b = {
        .code = code, .slot_count = slots, .options = options, .error = error, .error_size = error_size,
    };
    int good;

    if (slots == 0 || slots > MAX_SLOTS || options->helper_count > INT16_MAX) {
        refuse(&b, slots ? "a program may have at most %u instructions" : "an empty program", MAX_SLOTS);
        return NULL;
    }
    good = allocate(&b) && mark_fuel(&b) && survey(&b) && translate(&b);
    if (good)
        resolve(&b);
    free(b.marks);
    free(b.op_of_slot);
    free(b.goes_to);
    free(b.jumps_from);
    if (good)
        return b.image;
    tr_image_free(b.image);
    return NULL;
}

void tr_image_free(struct tr_image *image)
{
    if (!image)
        return;
    free(image->ops);
    free(image->slots);
    free(image->codes);
    free(image->helpers);
    free(image);
}
