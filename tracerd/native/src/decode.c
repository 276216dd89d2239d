/* One instruction to one operation: the encoding of RFC 9669, checked field by field. Division by a constant and
   byte orders are settled here, once, instead of at every execution. */

#include "image.h"

/* Field values, RFC 9669 §3-§5. */
enum { LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 };
enum { MODE_IMM = 0x00, MODE_ABS = 0x20, MODE_IND = 0x40, MODE_MEM = 0x60, MODE_MEMSX = 0x80, MODE_ATOMIC = 0xc0 };
enum { SIZE_W = 0x00, SIZE_H = 0x08, SIZE_B = 0x10, SIZE_DW = 0x18 };

static const char RESERVED[] = "uses a reserved field";
static const char UNKNOWN[] = "is not an eBPF instruction";

struct tr_slot tr_slot_at(const uint8_t *code, uint32_t slot)
{
    const uint8_t *b = code + (size_t)slot * 8;

    return (struct tr_slot){
        .opcode = b[0],
        .dst = b[1] & 0x0f,
        .src = b[1] >> 4,
        .offset = (int16_t)(b[2] | b[3] << 8),
        .imm = (int32_t)(b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24),
    };
}

/* The four variants of an ALU or jump operation follow each other: 64K, 64X, 32K, 32X. */
static uint16_t variant(uint16_t base, int is32, int reg)
{
    return (uint16_t)(base + is32 * 2 + reg);
}

/* Division by a constant: x / 0 = 0 and x % 0 = x (of 32 bits: zero-extended), x / -1 = -x and x % -1 = 0, so that the
   handlers with an immediate divide without looking. */
static uint16_t divide_by_constant(uint16_t base, int is32, struct tr_op *op)
{
    int is_mod = base == TR_OP_MOD_64K || base == TR_OP_SMOD_64K;
    int is_signed = base == TR_OP_SDIV_64K || base == TR_OP_SMOD_64K;

    if (op->imm == 0 && is_mod)
        return is32 ? TR_OP_ZEXT32 : TR_OP_NOP;
    if (op->imm == 0 || (op->imm == -1 && is_signed && is_mod)) {
        op->imm = 0;
        return TR_OP_AND_64K;
    }
    if (op->imm == -1 && is_signed)
        return is32 ? TR_OP_NEG_32 : TR_OP_NEG_64;
    return variant(base, is32, 0);
}

static const char *decode_divide(const struct tr_slot *at, int is32, int reg, uint16_t *code, struct tr_op *op)
{
    int is_mod = (at->opcode & 0xf0) == 0x90;
    uint16_t base;

    if (at->offset != 0 && at->offset != 1)
        return RESERVED;
    if (at->offset)
        base = is_mod ? TR_OP_SMOD_64K : TR_OP_SDIV_64K;
    else
        base = is_mod ? TR_OP_MOD_64K : TR_OP_DIV_64K;
    *code = reg ? variant(base, is32, 1) : divide_by_constant(base, is32, op);
    return NULL;
}

static const char *decode_move(const struct tr_slot *at, int is32, int reg, uint16_t *code)
{
    switch (at->offset) {
    case 0:
        *code = variant(TR_OP_MOV_64K, is32, reg);
        return NULL;
    case 8:
        *code = is32 ? TR_OP_MOVSX8_32 : TR_OP_MOVSX8_64;
        break;
    case 16:
        *code = is32 ? TR_OP_MOVSX16_32 : TR_OP_MOVSX16_64;
        break;
    case 32:
        *code = TR_OP_MOVSX32_64;
        return reg && !is32 ? NULL : UNKNOWN;
    default:
        return RESERVED;
    }
    return reg ? NULL : UNKNOWN;
}

/* §4.2: to little endian (source 0) and big endian (source 1) in class ALU, unconditional swap in ALU64. */
static const char *decode_swap(const struct tr_slot *at, int is32, int to_big, uint16_t *code)
{
    const uint16_t one = 1;
    int host_big = *(const uint8_t *)&one == 0;
    int swap = !is32 || to_big != host_big;

    if (at->src || at->offset || (!is32 && to_big))
        return RESERVED;
    switch (at->imm) {
    case 16:
        *code = swap ? TR_OP_SWAP16 : TR_OP_ZEXT16;
        return NULL;
    case 32:
        *code = swap ? TR_OP_SWAP32 : TR_OP_ZEXT32;
        return NULL;
    case 64:
        *code = swap ? TR_OP_SWAP64 : TR_OP_NOP;
        return NULL;
    default:
        return "swaps neither 16, 32 nor 64 bits";
    }
}

static const char *decode_alu(const struct tr_slot *at, uint16_t *code, struct tr_op *op)
{
    static const uint16_t BASES[16] = {
        [0] = TR_OP_ADD_64K, [1] = TR_OP_SUB_64K, [2] = TR_OP_MUL_64K, [4] = TR_OP_OR_64K, [5] = TR_OP_AND_64K,
        [6] = TR_OP_LSH_64K, [7] = TR_OP_RSH_64K, [10] = TR_OP_XOR_64K, [12] = TR_OP_ARSH_64K,
    };
    int is32 = (at->opcode & 7) == ALU;
    int reg = (at->opcode >> 3) & 1;
    int operation = at->opcode >> 4;

    if (at->dst == 10)
        return "writes r10";
    if (operation == 13)
        return decode_swap(at, is32, reg, code);
    if (operation > 13)
        return UNKNOWN;
    if (reg ? at->imm != 0 : at->src != 0)
        return RESERVED;
    if (operation == 3 || operation == 9)
        return decode_divide(at, is32, reg, code, op);
    if (operation == 11)
        return decode_move(at, is32, reg, code);
    if (at->offset)
        return RESERVED;
    if (operation == 8) {
        *code = is32 ? TR_OP_NEG_32 : TR_OP_NEG_64;
        return reg || at->imm ? RESERVED : NULL;
    }
    if (operation == 6 || operation == 7 || operation == 12)
        op->imm &= is32 ? 31 : 63;
    *code = variant(BASES[operation], is32, reg);
    return NULL;
}

static const char *decode_call(const struct tr_slot *at, uint16_t *code, struct tr_op *op)
{
    if (at->opcode & 8)
        return "calls through a register, which is not supported";
    if (at->dst || at->offset)
        return RESERVED;
    op->target = at->imm;
    switch (at->src) {
    case 0:
        *code = TR_OP_CALL_HELPER;
        return NULL;
    case 1:
        *code = TR_OP_CALL_LOCAL;
        return NULL;
    default:
        return "calls a helper by BTF id, which is not supported";
    }
}

static const char *decode_jump(const struct tr_slot *at, uint16_t *code, struct tr_op *op)
{
    static const uint16_t BASES[16] = {
        [1] = TR_OP_JEQ_64K, [2] = TR_OP_JGT_64K, [3] = TR_OP_JGE_64K, [4] = TR_OP_JSET_64K, [5] = TR_OP_JNE_64K,
        [6] = TR_OP_JSGT_64K, [7] = TR_OP_JSGE_64K, [10] = TR_OP_JLT_64K, [11] = TR_OP_JLE_64K,
        [12] = TR_OP_JSLT_64K, [13] = TR_OP_JSLE_64K,
    };
    int is32 = (at->opcode & 7) == JMP32;
    int reg = (at->opcode >> 3) & 1;
    int operation = at->opcode >> 4;

    if (operation == 0) {
        *code = TR_OP_JA;
        op->target = is32 ? at->imm : at->offset;
        return reg || at->dst || at->src || (is32 ? at->offset : at->imm) ? RESERVED : NULL;
    }
    if (operation == 8)
        return is32 ? UNKNOWN : decode_call(at, code, op);
    if (operation == 9) {
        *code = TR_OP_EXIT;
        if (is32)
            return UNKNOWN;
        return reg || at->dst || at->src || at->offset || at->imm ? RESERVED : NULL;
    }
    if (operation > 13)
        return UNKNOWN;
    *code = variant(BASES[operation], is32, reg);
    op->target = at->offset;
    return (reg ? at->imm != 0 : at->src != 0) ? RESERVED : NULL;
}

static const char *decode_load(const struct tr_slot *at, uint16_t *code)
{
    int extend = (at->opcode & 0xe0) == MODE_MEMSX;

    if (!extend && (at->opcode & 0xe0) != MODE_MEM)
        return UNKNOWN;
    if (at->imm)
        return RESERVED;
    if (at->dst == 10)
        return "writes r10";
    switch (at->opcode & 0x18) {
    case SIZE_B:
        *code = extend ? TR_OP_LDXS8 : TR_OP_LDX8;
        return NULL;
    case SIZE_H:
        *code = extend ? TR_OP_LDXS16 : TR_OP_LDX16;
        return NULL;
    case SIZE_W:
        *code = extend ? TR_OP_LDXS32 : TR_OP_LDX32;
        return NULL;
    default:
        *code = TR_OP_LDX64;
        return extend ? UNKNOWN : NULL;
    }
}

/* §5.3: the operation is in imm, and bit 0 of it asks for the old value. */
static const char *decode_atomic(const struct tr_slot *at, uint16_t *code)
{
    int size = at->opcode & 0x18;
    uint16_t base;

    if (size != SIZE_W && size != SIZE_DW)
        return "is an atomic operation on neither 4 nor 8 bytes";
    switch (at->imm) {
    case 0x00: base = TR_OP_ATOMIC_ADD_32; break;
    case 0x40: base = TR_OP_ATOMIC_OR_32; break;
    case 0x50: base = TR_OP_ATOMIC_AND_32; break;
    case 0xa0: base = TR_OP_ATOMIC_XOR_32; break;
    case 0x01: base = TR_OP_FETCH_ADD_32; break;
    case 0x41: base = TR_OP_FETCH_OR_32; break;
    case 0x51: base = TR_OP_FETCH_AND_32; break;
    case 0xa1: base = TR_OP_FETCH_XOR_32; break;
    case 0xe1: base = TR_OP_XCHG_32; break;
    case 0xf1: base = TR_OP_CMPXCHG_32; break;
    default: return "is an unknown atomic operation";
    }
    *code = (uint16_t)(base + (size == SIZE_DW));
    return at->imm & 1 && at->imm != 0xf1 && at->src == 10 ? "writes r10" : NULL;
}

static const char *decode_store(const struct tr_slot *at, uint16_t *code)
{
    int reg = (at->opcode & 7) == STX;

    if (reg && (at->opcode & 0xe0) == MODE_ATOMIC)
        return decode_atomic(at, code);
    if ((at->opcode & 0xe0) != MODE_MEM)
        return UNKNOWN;
    switch (at->opcode & 0x18) {
    case SIZE_B: *code = TR_OP_ST8_K; break;
    case SIZE_H: *code = TR_OP_ST16_K; break;
    case SIZE_W: *code = TR_OP_ST32_K; break;
    default: *code = TR_OP_ST64_K; break;
    }
    *code = (uint16_t)(*code + reg);
    return (reg ? at->imm != 0 : at->src != 0) ? RESERVED : NULL;
}

static const char *decode_wide(const struct tr_slot *at, const struct tr_slot *next, uint16_t *code, struct tr_op *op)
{
    int mode = at->opcode & 0xe0;

    if (mode == MODE_ABS || mode == MODE_IND)
        return "is a legacy packet load, which is not supported";
    if (at->opcode != (LD | MODE_IMM | SIZE_DW))
        return UNKNOWN;
    if (!next || next->opcode || next->dst || next->src || next->offset)
        return "is an lddw without its second half";
    if (at->src)
        return "refers to a map or a variable that is not linked";
    if (at->offset)
        return RESERVED;
    if (at->dst == 10)
        return "writes r10";
    *code = TR_OP_LDDW;
    op->wide = (uint32_t)at->imm | (uint64_t)(uint32_t)next->imm << 32;
    return NULL;
}

const char *tr_decode(const struct tr_slot *at, const struct tr_slot *next, uint16_t *code, struct tr_op *op)
{
    *op = (struct tr_op){.dst = at->dst, .src = at->src, .offset = at->offset, .imm = at->imm};
    if (at->dst > 10 || at->src > 10)
        return "names a register above r10";
    switch (at->opcode & 7) {
    case LD:
        return decode_wide(at, next, code, op);
    case LDX:
        return decode_load(at, code);
    case ST:
    case STX:
        return decode_store(at, code);
    case ALU:
    case ALU64:
        return decode_alu(at, code, op);
    default:
        return decode_jump(at, code, op);
    }
}
