/* The inside of an image: decoded operations, and the table of what each kind of operation does. */
#ifndef TR_IMAGE_H
#define TR_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define TR_FRAME_BYTES 512
#define TR_MAX_FRAMES 8
#define TR_STACK_BYTES (TR_FRAME_BYTES * TR_MAX_FRAMES)

/* What an operation does to registers and memory: the checked interpreter checks and tracks by these. */
#define TR_USES_DST 0x01
#define TR_USES_SRC 0x02
#define TR_SETS_DST 0x04
#define TR_LOADS 0x08            /* at src + offset */
#define TR_STORES 0x10           /* at dst + offset */
#define TR_ATOMIC 0x20           /* both, at dst + offset, aligned */
#define TR_SETS_SRC 0x40         /* fetched value */
#define TR_USES_R0 0x80
#define TR_SETS_R0 0x100
#define TR_BYTES(n) ((n) << 12)
#define TR_BYTES_OF(facts) ((facts) >> 12)

/* K: immediate operand, X: register; the number is the width of the operation. */
#define TR_ALU_OPS(X, name)                                              \
    X(name##_64K, TR_USES_DST | TR_SETS_DST)                             \
    X(name##_64X, TR_USES_DST | TR_USES_SRC | TR_SETS_DST)               \
    X(name##_32K, TR_USES_DST | TR_SETS_DST)                             \
    X(name##_32X, TR_USES_DST | TR_USES_SRC | TR_SETS_DST)

#define TR_JUMP_OPS(X, name)                                             \
    X(name##_64K, TR_USES_DST)                                           \
    X(name##_64X, TR_USES_DST | TR_USES_SRC)                             \
    X(name##_32K, TR_USES_DST)                                           \
    X(name##_32X, TR_USES_DST | TR_USES_SRC)

#define TR_ATOMIC_OPS(X, name)                                                                \
    X(name##_32, TR_USES_DST | TR_USES_SRC | TR_ATOMIC | TR_BYTES(4))                         \
    X(name##_64, TR_USES_DST | TR_USES_SRC | TR_ATOMIC | TR_BYTES(8))

#define TR_FETCH_OPS(X, name)                                                                 \
    X(name##_32, TR_USES_DST | TR_USES_SRC | TR_ATOMIC | TR_SETS_SRC | TR_BYTES(4))           \
    X(name##_64, TR_USES_DST | TR_USES_SRC | TR_ATOMIC | TR_SETS_SRC | TR_BYTES(8))

#define TR_COMPARE_OPS(X, name)                                                                         \
    X(name##_32, TR_USES_DST | TR_USES_SRC | TR_USES_R0 | TR_SETS_R0 | TR_ATOMIC | TR_BYTES(4))         \
    X(name##_64, TR_USES_DST | TR_USES_SRC | TR_USES_R0 | TR_SETS_R0 | TR_ATOMIC | TR_BYTES(8))

#define TR_LOAD_OP(X, name, bytes) X(name, TR_USES_SRC | TR_SETS_DST | TR_LOADS | TR_BYTES(bytes))
#define TR_STORE_OPS(X, name, bytes)                                     \
    X(name##_K, TR_USES_DST | TR_STORES | TR_BYTES(bytes))               \
    X(name##_X, TR_USES_DST | TR_USES_SRC | TR_STORES | TR_BYTES(bytes))

#define TR_OPS(X)                                                                                       \
    TR_ALU_OPS(X, ADD) TR_ALU_OPS(X, SUB) TR_ALU_OPS(X, MUL) TR_ALU_OPS(X, OR) TR_ALU_OPS(X, AND)       \
    TR_ALU_OPS(X, XOR) TR_ALU_OPS(X, LSH) TR_ALU_OPS(X, RSH) TR_ALU_OPS(X, ARSH)                        \
    TR_ALU_OPS(X, DIV) TR_ALU_OPS(X, MOD) TR_ALU_OPS(X, SDIV) TR_ALU_OPS(X, SMOD)                       \
    X(MOV_64K, TR_SETS_DST) X(MOV_64X, TR_USES_SRC | TR_SETS_DST)                                       \
    X(MOV_32K, TR_SETS_DST) X(MOV_32X, TR_USES_SRC | TR_SETS_DST)                                       \
    X(MOVSX8_64, TR_USES_SRC | TR_SETS_DST) X(MOVSX16_64, TR_USES_SRC | TR_SETS_DST)                    \
    X(MOVSX32_64, TR_USES_SRC | TR_SETS_DST)                                                            \
    X(MOVSX8_32, TR_USES_SRC | TR_SETS_DST) X(MOVSX16_32, TR_USES_SRC | TR_SETS_DST)                    \
    X(NEG_64, TR_USES_DST | TR_SETS_DST) X(NEG_32, TR_USES_DST | TR_SETS_DST)                           \
    X(ZEXT16, TR_USES_DST | TR_SETS_DST) X(ZEXT32, TR_USES_DST | TR_SETS_DST)                           \
    X(NOP, TR_USES_DST)                                                                                 \
    X(SWAP16, TR_USES_DST | TR_SETS_DST) X(SWAP32, TR_USES_DST | TR_SETS_DST)                           \
    X(SWAP64, TR_USES_DST | TR_SETS_DST)                                                                \
    X(LDDW, TR_SETS_DST)                                                                                \
    TR_LOAD_OP(X, LDX8, 1) TR_LOAD_OP(X, LDX16, 2) TR_LOAD_OP(X, LDX32, 4) TR_LOAD_OP(X, LDX64, 8)      \
    TR_LOAD_OP(X, LDXS8, 1) TR_LOAD_OP(X, LDXS16, 2) TR_LOAD_OP(X, LDXS32, 4)                           \
    TR_STORE_OPS(X, ST8, 1) TR_STORE_OPS(X, ST16, 2) TR_STORE_OPS(X, ST32, 4) TR_STORE_OPS(X, ST64, 8)  \
    TR_ATOMIC_OPS(X, ATOMIC_ADD) TR_ATOMIC_OPS(X, ATOMIC_OR) TR_ATOMIC_OPS(X, ATOMIC_AND)               \
    TR_ATOMIC_OPS(X, ATOMIC_XOR) TR_FETCH_OPS(X, FETCH_ADD) TR_FETCH_OPS(X, FETCH_OR)                   \
    TR_FETCH_OPS(X, FETCH_AND) TR_FETCH_OPS(X, FETCH_XOR) TR_FETCH_OPS(X, XCHG)                         \
    TR_COMPARE_OPS(X, CMPXCHG)                                                                          \
    X(JA, 0)                                                                                            \
    TR_JUMP_OPS(X, JEQ) TR_JUMP_OPS(X, JNE) TR_JUMP_OPS(X, JGT) TR_JUMP_OPS(X, JGE) TR_JUMP_OPS(X, JLT) \
    TR_JUMP_OPS(X, JLE) TR_JUMP_OPS(X, JSET) TR_JUMP_OPS(X, JSGT) TR_JUMP_OPS(X, JSGE)                  \
    TR_JUMP_OPS(X, JSLT) TR_JUMP_OPS(X, JSLE)                                                           \
    X(CALL_HELPER, 0) X(CALL_LOCAL, 0) X(EXIT, 0) X(FUEL, 0) X(END, 0)

/* Several instructions in one operation (fuse.c); never in a checked image, so they need no facts.
   name3: a move and the arithmetic on its result: dst = src op constant, or dst = src op r[offset].
   INDEXn: an address added up and loaded from: r[dst] = r[src] + r[low byte of offset], then the load from
   r[dst] + low half of imm into r[high byte of offset]. */
#define TR_THREE_OPS(X, name) X(name##3_64K, 0) X(name##3_64X, 0) X(name##3_32K, 0) X(name##3_32X, 0)
#define TR_FUSED_OPS(X)                                                                                 \
    TR_THREE_OPS(X, ADD) TR_THREE_OPS(X, SUB) TR_THREE_OPS(X, MUL) TR_THREE_OPS(X, OR)                  \
    TR_THREE_OPS(X, AND) TR_THREE_OPS(X, XOR) TR_THREE_OPS(X, LSH) TR_THREE_OPS(X, RSH)                 \
    TR_THREE_OPS(X, ARSH)                                                                               \
    X(INDEX8, 0) X(INDEX16, 0) X(INDEX32, 0) X(INDEX64, 0)

/* ADDw_name: dst += imm, then a jump: K compares r[src] with the constant in offset, X compares r[src] with r[offset].
   LDXn_name: a load into dst, then a jump that compares it with imm. */
#define TR_ADD_JUMP_OPS(X, name)                                                                        \
    X(ADD64_##name##_64K, 0) X(ADD64_##name##_64X, 0) X(ADD64_##name##_32K, 0) X(ADD64_##name##_32X, 0)
#define TR_ADD32_JUMP_OPS(X, name)                                                                      \
    X(ADD32_##name##_64K, 0) X(ADD32_##name##_64X, 0) X(ADD32_##name##_32K, 0) X(ADD32_##name##_32X, 0)
#define TR_LOAD_JUMP_OPS(X, name)                                                                       \
    X(LDX8_##name, 0) X(LDX16_##name, 0) X(LDX32_##name, 0) X(LDX64_##name, 0)
#define TR_FUSED_JUMPS(X)                                                                               \
    TR_ADD_JUMP_OPS(X, JEQ) TR_ADD_JUMP_OPS(X, JNE) TR_ADD_JUMP_OPS(X, JGT) TR_ADD_JUMP_OPS(X, JGE)     \
    TR_ADD_JUMP_OPS(X, JLT) TR_ADD_JUMP_OPS(X, JLE) TR_ADD_JUMP_OPS(X, JSET) TR_ADD_JUMP_OPS(X, JSGT)   \
    TR_ADD_JUMP_OPS(X, JSGE) TR_ADD_JUMP_OPS(X, JSLT) TR_ADD_JUMP_OPS(X, JSLE)                          \
    TR_ADD32_JUMP_OPS(X, JEQ) TR_ADD32_JUMP_OPS(X, JNE) TR_ADD32_JUMP_OPS(X, JGT)                       \
    TR_ADD32_JUMP_OPS(X, JGE) TR_ADD32_JUMP_OPS(X, JLT) TR_ADD32_JUMP_OPS(X, JLE)                       \
    TR_ADD32_JUMP_OPS(X, JSET) TR_ADD32_JUMP_OPS(X, JSGT) TR_ADD32_JUMP_OPS(X, JSGE)                    \
    TR_ADD32_JUMP_OPS(X, JSLT) TR_ADD32_JUMP_OPS(X, JSLE)                                               \
    TR_LOAD_JUMP_OPS(X, JEQ_64K) TR_LOAD_JUMP_OPS(X, JNE_64K)                                           \
    TR_LOAD_JUMP_OPS(X, JEQ_32K) TR_LOAD_JUMP_OPS(X, JNE_32K)

#if defined(__GNUC__) && !defined(TR_PORTABLE_SWITCH)
#define TR_THREADED 1
typedef const void *tr_handler;  /* a label of the interpreter */
#else
#define TR_THREADED 0
typedef uintptr_t tr_handler;    /* a tr_op_code */
#endif

enum tr_op_code {
#define TR_ENUM(name, facts) TR_OP_##name,
    TR_OPS(TR_ENUM) TR_FUSED_OPS(TR_ENUM) TR_FUSED_JUMPS(TR_ENUM)
#undef TR_ENUM
    TR_OP_COUNT
};

/* One operation, 24 bytes. The handler is an address, not an offset from one, and jumps add their distance in one
   instruction: measured 10 % faster than 16 bytes with both squeezed. */
struct tr_op {
    tr_handler handler;
    uint8_t dst;
    uint8_t src;
    int16_t offset;              /* of memory; CALL_HELPER: index into the image's helpers */
    int32_t imm;
    union {
        int64_t target;          /* jumps: bytes from this operation to the next one */
        uint64_t wide;           /* LDDW: the constant; CALL_HELPER: the function */
    };
};

struct tr_image {
    struct tr_op *ops;
    uint32_t *slots;             /* operation -> instruction */
    uint16_t *codes;             /* operation -> tr_op_code */
    struct tr_image_helper *helpers;
    uint32_t op_count;
    uint32_t helper_count;
    uint32_t checked;
};

/* Handler values by code, of the plain and of the checked interpreter (interpreter.c). */
const tr_handler *tr_interpreter_handlers(int checked);

/* decode.c: check one instruction and translate it. `next` is the slot after it, for lddw. Jumps leave their target's
   slot relative to the next instruction in op->target; local calls likewise. Returns NULL, or why it is refused. */
struct tr_slot {
    uint8_t opcode;
    uint8_t dst;
    uint8_t src;
    int16_t offset;
    int32_t imm;
};
struct tr_slot tr_slot_at(const uint8_t *code, uint32_t slot);
const char *tr_decode(const struct tr_slot *at, const struct tr_slot *next, uint16_t *code, struct tr_op *op);

/* True for operations that go to op->target or on to the next. */
static inline int tr_is_jump(uint16_t code)
{
    return (code >= TR_OP_JA && code <= TR_OP_JSLE_32X) || code >= TR_OP_ADD64_JEQ_64K;
}

/* fuse.c: make an operation do the work of its decoded neighbour as well. Returns 1 if it does now. `invert` is apart
   because a jump over a jump must be seen before what stands in front of it. */
int tr_fuse(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next);
int tr_invert(uint16_t *code, struct tr_op *op, uint16_t next_code, const struct tr_op *next);

#endif
