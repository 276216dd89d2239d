/* Which neighbours become one operation: sequences that compilers emit all the time. Every operation saved is a dispatch
   and a trip of a register through memory. The second instruction is never a jump's target, so nobody sees the state
   between the two. */

#include "image.h"

/* The arithmetic of the four blocks of variants is the same distance apart in TR_OPS and in the fused tables. */
#define FIRST_ALU TR_OP_ADD_64K
#define LAST_ALU TR_OP_ARSH_32X
#define FIRST_JUMP TR_OP_JEQ_64K

_Static_assert(TR_OP_ARSH3_32X - TR_OP_ADD3_64K == LAST_ALU - FIRST_ALU, "name3 follows TR_ALU_OPS");
_Static_assert(TR_OP_ADD64_JSLE_32X - TR_OP_ADD64_JEQ_64K == TR_OP_JSLE_32X - FIRST_JUMP, "ADD64_name follows the jumps");
_Static_assert(TR_OP_ADD32_JSLE_32X - TR_OP_ADD32_JEQ_64K == TR_OP_JSLE_32X - FIRST_JUMP, "ADD32_name follows the jumps");
_Static_assert(TR_OP_LDX64 - TR_OP_LDX8 == 3 && TR_OP_INDEX64 - TR_OP_INDEX8 == 3, "loads are in order of size");

static int is_32(uint16_t code)
{
    return (code - FIRST_ALU) & 2;
}

static int takes_register(uint16_t code, uint16_t first)
{
    return (code - first) & 1;
}

/* r4 = r3; r4 op= x  ->  r4 = r3 op x. A 32-bit operation reads the low half only, so either move will do before it. */
static int move_and_compute(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    if (next_code > LAST_ALU || op->dst != next->dst || (*code == TR_OP_MOV_32X && !is_32(next_code)))
        return 0;
    if (takes_register(next_code, FIRST_ALU))
        op->offset = next->src == op->dst ? op->src : next->src;     /* r4 = r3; r4 += r4 adds r3 twice */
    else
        op->imm = next->imm;
    *code = (uint16_t)(TR_OP_ADD3_64K + (next_code - FIRST_ALU));
    return 1;
}

/* r3 = r1 + r2; r4 = *(r3 + 8), or r3 += r2 before the load. */
static int add_and_load(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    int third = *code == TR_OP_ADD3_64X ? op->offset : op->src;

    if (next_code < TR_OP_LDX8 || next_code > TR_OP_LDX64 || next->src != op->dst)
        return 0;
    if (*code == TR_OP_ADD_64X)
        op->src = op->dst;
    op->imm = next->offset;
    op->offset = (int16_t)(third | next->dst << 8);
    *code = (uint16_t)(TR_OP_INDEX8 + (next_code - TR_OP_LDX8));
    return 1;
}

/* r1 += 1; if r1 < x goto. The comparison may be of other registers; a constant must fit the 16 bits that are left. */
static int add_and_jump(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    uint16_t base = *code == TR_OP_ADD_64K ? TR_OP_ADD64_JEQ_64K : TR_OP_ADD32_JEQ_64K;

    if (next_code < FIRST_JUMP || next_code > TR_OP_JSLE_32X)
        return 0;
    if (takes_register(next_code, FIRST_JUMP))
        op->offset = next->src;
    else if (next->imm == (int16_t)next->imm)
        op->offset = (int16_t)next->imm;
    else
        return 0;
    op->src = next->dst;
    op->target = next->target;
    *code = (uint16_t)(base + (next_code - FIRST_JUMP));
    return 1;
}

/* r3 = *(r1 + 12); if r3 == 8 goto. */
static int load_and_jump(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    uint16_t base;

    if (op->dst != next->dst)
        return 0;
    switch (next_code) {
    case TR_OP_JEQ_64K: base = TR_OP_LDX8_JEQ_64K; break;
    case TR_OP_JNE_64K: base = TR_OP_LDX8_JNE_64K; break;
    case TR_OP_JEQ_32K: base = TR_OP_LDX8_JEQ_32K; break;
    case TR_OP_JNE_32K: base = TR_OP_LDX8_JNE_32K; break;
    default: return 0;
    }
    op->imm = next->imm;
    op->target = next->target;
    *code = (uint16_t)(base + (*code - TR_OP_LDX8));
    return 1;
}

/* r1 <<= 32; r1 >>= 32: how compilers without 32-bit operations extend a number. */
static int extend(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    if (op->imm != 32 || next->imm != 32 || op->dst != next->dst)
        return 0;
    if (next_code == TR_OP_RSH_64K)
        *code = TR_OP_ZEXT32;
    else if (next_code == TR_OP_ARSH_64K)
        *code = TR_OP_MOVSX32_64;
    else
        return 0;
    op->src = op->dst;
    return 1;
}

int tr_fuse(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    switch (*code) {
    case TR_OP_MOV_64X:
    case TR_OP_MOV_32X:
        return move_and_compute(code, op, next_code, next);
    case TR_OP_ADD_64X:
    case TR_OP_ADD3_64X:
        return add_and_load(code, op, next_code, next);
    case TR_OP_ADD_64K:
    case TR_OP_ADD_32K:
        return add_and_jump(code, op, next_code, next);
    case TR_OP_LDX8:
    case TR_OP_LDX16:
    case TR_OP_LDX32:
    case TR_OP_LDX64:
        return load_and_jump(code, op, next_code, next);
    case TR_OP_LSH_64K:
        return extend(code, op, next_code, next);
    default:
        return 0;
    }
}

/* The first of the four variants of the opposite condition, or 0. `if a & b` has none. */
static uint16_t opposite(uint16_t base)
{
    switch (base) {
    case TR_OP_JEQ_64K: return TR_OP_JNE_64K;
    case TR_OP_JNE_64K: return TR_OP_JEQ_64K;
    case TR_OP_JGT_64K: return TR_OP_JLE_64K;
    case TR_OP_JLE_64K: return TR_OP_JGT_64K;
    case TR_OP_JGE_64K: return TR_OP_JLT_64K;
    case TR_OP_JLT_64K: return TR_OP_JGE_64K;
    case TR_OP_JSGT_64K: return TR_OP_JSLE_64K;
    case TR_OP_JSLE_64K: return TR_OP_JSGT_64K;
    case TR_OP_JSGE_64K: return TR_OP_JSLT_64K;
    case TR_OP_JSLT_64K: return TR_OP_JSGE_64K;
    default: return 0;
    }
}

/* if r3 == 8 goto +1; goto back  ->  if r3 != 8 goto back. */
int tr_invert(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next)
{
    uint16_t variant, base;

    if (next_code != TR_OP_JA || op->target != 1 || *code < FIRST_JUMP)
        return 0;
    variant = (uint16_t)((*code - FIRST_JUMP) % 4);
    base = opposite((uint16_t)(*code - variant));
    if (!base)
        return 0;
    *code = (uint16_t)(base + variant);
    op->target = next->target;
    return 1;
}
