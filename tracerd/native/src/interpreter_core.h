/* The interpreter's one function, included twice by interpreter.c: plain and, with TR_CHECKED, watched by checked.c.

   Semantics that C would leave undefined are written out: shifts are masked, x / 0 = 0, x % 0 = x, INT_MIN / -1 =
   INT_MIN, arithmetic is unsigned, memory is read by memcpy (unaligned), 32-bit results are zero-extended. */

#define D r[op->dst]
#define S r[op->src]
#define T r[op->offset]
#define K64 ((uint64_t)(int64_t)op->imm)
#define K32 ((uint32_t)op->imm)
#define D32 ((uint32_t)D)
#define S32 ((uint32_t)S)

#if TR_THREADED
#define OP(name) label_##name:
#define DISPATCH() goto *op->handler
#else
#define OP(name) case TR_OP_##name:
#define DISPATCH() goto dispatch
#endif

#ifdef TR_CHECKED
#define WATCH() if (!tr_check(&check, op, r)) goto fault
#else
#define WATCH() (void)0
#endif

#define GO() do { WATCH(); DISPATCH(); } while (0)
#define NEXT() do { op++; GO(); } while (0)
#define TAKE() do { op = (const struct tr_op *)(const void *)((const char *)op + op->target); GO(); } while (0)

#define ALU(name, expression64, expression32)                                               \
    OP(name##_64K) { uint64_t a = D, b = K64; D = (expression64); } NEXT();                 \
    OP(name##_64X) { uint64_t a = D, b = S; D = (expression64); } NEXT();                   \
    OP(name##_32K) { uint32_t a = D32, b = K32; D = (uint32_t)(expression32); } NEXT();     \
    OP(name##_32X) { uint32_t a = D32, b = S32; D = (uint32_t)(expression32); } NEXT();     \
    OP(name##3_64K) { uint64_t a = S, b = K64; D = (expression64); } NEXT();                \
    OP(name##3_64X) { uint64_t a = S, b = T; D = (expression64); } NEXT();                  \
    OP(name##3_32K) { uint32_t a = S32, b = K32; D = (uint32_t)(expression32); } NEXT();    \
    OP(name##3_32X) { uint32_t a = S32, b = (uint32_t)T; D = (uint32_t)(expression32); } NEXT();

/* Constant divisors are never 0, and never -1 where signed (decode.c). */
#define DIVIDE(name, by64, by32, any64, any32)                                              \
    OP(name##_64K) { uint64_t a = D, b = K64; D = (by64); } NEXT();                         \
    OP(name##_64X) { uint64_t a = D, b = S; D = (any64); } NEXT();                          \
    OP(name##_32K) { uint32_t a = D32, b = K32; D = (uint32_t)(by32); } NEXT();             \
    OP(name##_32X) { uint32_t a = D32, b = S32; D = (uint32_t)(any32); } NEXT();

#define JUMP(name, operator, type64, type32)                                                \
    OP(name##_64K) { if ((type64)D operator (type64)K64) TAKE(); } NEXT();                  \
    OP(name##_64X) { if ((type64)D operator (type64)S) TAKE(); } NEXT();                    \
    OP(name##_32K) { if ((type32)D operator (type32)K32) TAKE(); } NEXT();                  \
    OP(name##_32X) { if ((type32)D operator (type32)S) TAKE(); } NEXT();                    \
    ADD_JUMP(ADD64_##name, operator, type64, type32, D += K64)                              \
    ADD_JUMP(ADD32_##name, operator, type64, type32, D = D32 + K32)

#define ADD_JUMP(name, operator, type64, type32, add)                                       \
    OP(name##_64K) { add; if ((type64)S operator (type64)(int64_t)op->offset) TAKE(); } NEXT(); \
    OP(name##_64X) { add; if ((type64)S operator (type64)T) TAKE(); } NEXT();               \
    OP(name##_32K) { add; if ((type32)S operator (type32)(int32_t)op->offset) TAKE(); } NEXT(); \
    OP(name##_32X) { add; if ((type32)S operator (type32)T) TAKE(); } NEXT();

#define LOAD_JUMP(name, type)                                                               \
    OP(name##_JEQ_64K) { type value; LOAD_INTO(value); D = value; if (D == K64) TAKE(); } NEXT(); \
    OP(name##_JNE_64K) { type value; LOAD_INTO(value); D = value; if (D != K64) TAKE(); } NEXT(); \
    OP(name##_JEQ_32K) { type value; LOAD_INTO(value); D = value; if (D32 == K32) TAKE(); } NEXT(); \
    OP(name##_JNE_32K) { type value; LOAD_INTO(value); D = value; if (D32 != K32) TAKE(); } NEXT();

#define INDEX(name, type)                                                                   \
    OP(name) {                                                                              \
        uint64_t address = S + r[op->offset & 0xff];                                        \
        type value;                                                                         \
        D = address;                                                                        \
        memcpy(&value, (const void *)(uintptr_t)(address + K64), sizeof value);             \
        r[(uint16_t)op->offset >> 8] = value;                                               \
    } NEXT();

#define LOAD_INTO(value) memcpy(&value, (const void *)(uintptr_t)(S + (uint64_t)(int64_t)op->offset), sizeof value)

#define LOAD(name, type, widened)                                                           \
    OP(name) {                                                                              \
        type value;                                                                         \
        LOAD_INTO(value);                                                                   \
        D = (uint64_t)(widened)value;                                                       \
    } NEXT();

#define TARGET ((uintptr_t)(D + (uint64_t)(int64_t)op->offset))

#define STORE(name, type)                                                                   \
    OP(name##_K) { type value = (type)op->imm; memcpy((void *)TARGET, &value, sizeof value); } NEXT(); \
    OP(name##_X) { type value = (type)S; memcpy((void *)TARGET, &value, sizeof value); } NEXT();

#define ATOMIC(name, builtin)                                                               \
    OP(ATOMIC_##name##_32) { builtin((uint32_t *)TARGET, S32, __ATOMIC_SEQ_CST); } NEXT();  \
    OP(ATOMIC_##name##_64) { builtin((uint64_t *)TARGET, S, __ATOMIC_SEQ_CST); } NEXT();    \
    OP(FETCH_##name##_32) { S = builtin((uint32_t *)TARGET, S32, __ATOMIC_SEQ_CST); } NEXT(); \
    OP(FETCH_##name##_64) { S = builtin((uint64_t *)TARGET, S, __ATOMIC_SEQ_CST); } NEXT();

static __attribute__((noinline)) uint64_t CORE(const struct tr_image *image, uint64_t r1, uint64_t r2, struct tr_run *run,
                                                const tr_handler **handlers)
{
#if TR_THREADED
#define LABEL(name, facts) &&label_##name,
    static const tr_handler HANDLERS[] = {TR_OPS(LABEL) TR_FUSED_OPS(LABEL) TR_FUSED_JUMPS(LABEL)};
#undef LABEL
#else
#define LABEL(name, facts) TR_OP_##name,
    static const tr_handler HANDLERS[] = {TR_OPS(LABEL) TR_FUSED_OPS(LABEL) TR_FUSED_JUMPS(LABEL)};
#undef LABEL
#endif
    uint64_t stack[TR_STACK_BYTES / 8];
    struct {
        const struct tr_op *back;
        uint64_t saved[4];
    } frames[TR_MAX_FRAMES];
    uint64_t r[11];
    uint32_t depth = 0;
    const struct tr_op *op;
#ifdef TR_CHECKED
    struct tr_checker check;
#endif

    if (handlers) {
        *handlers = HANDLERS;
        return 0;
    }
    op = image->ops;
    /* Verified programs never read a register before they set it; others must not see this function's past. */
    memset(r, 0, sizeof r);
    r[1] = r1;
    r[2] = r2;
    r[10] = (uint64_t)(uintptr_t)(stack + TR_STACK_BYTES / 8);
#ifdef TR_CHECKED
    memset(stack, 0xa5, sizeof stack);
    tr_check_start(&check, image, run, stack, r1);
#endif
#if TR_THREADED
    GO();
#else
    WATCH();
dispatch:
    switch (op->handler) {
#endif

    ALU(ADD, a + b, a + b)
    ALU(SUB, a - b, a - b)
    ALU(MUL, a * b, a * b)
    ALU(OR, a | b, a | b)
    ALU(AND, a & b, a & b)
    ALU(XOR, a ^ b, a ^ b)
    ALU(LSH, a << (b & 63), a << (b & 31))
    ALU(RSH, a >> (b & 63), a >> (b & 31))
    ALU(ARSH, (uint64_t)((int64_t)a >> (b & 63)), (uint32_t)((int32_t)a >> (b & 31)))
    DIVIDE(DIV, a / b, a / b, b ? a / b : 0, b ? a / b : 0)
    DIVIDE(MOD, a % b, a % b, b ? a % b : a, b ? a % b : a)
    DIVIDE(SDIV, (uint64_t)((int64_t)a / (int64_t)b), (uint32_t)((int32_t)a / (int32_t)b), divide64(a, b), divide32(a, b))
    DIVIDE(SMOD, (uint64_t)((int64_t)a % (int64_t)b), (uint32_t)((int32_t)a % (int32_t)b), modulo64(a, b), modulo32(a, b))

    OP(MOV_64K) D = K64; NEXT();
    OP(MOV_64X) D = S; NEXT();
    OP(MOV_32K) D = K32; NEXT();
    OP(MOV_32X) D = S32; NEXT();
    OP(MOVSX8_64) D = (uint64_t)(int64_t)(int8_t)S; NEXT();
    OP(MOVSX16_64) D = (uint64_t)(int64_t)(int16_t)S; NEXT();
    OP(MOVSX32_64) D = (uint64_t)(int64_t)(int32_t)S; NEXT();
    OP(MOVSX8_32) D = (uint32_t)(int32_t)(int8_t)S; NEXT();
    OP(MOVSX16_32) D = (uint32_t)(int32_t)(int16_t)S; NEXT();
    OP(NEG_64) D = -D; NEXT();
    OP(NEG_32) D = (uint32_t)-D32; NEXT();
    OP(ZEXT16) D = (uint16_t)D; NEXT();
    OP(ZEXT32) D = D32; NEXT();
    OP(NOP) NEXT();
    OP(SWAP16) D = __builtin_bswap16((uint16_t)D); NEXT();
    OP(SWAP32) D = __builtin_bswap32(D32); NEXT();
    OP(SWAP64) D = __builtin_bswap64(D); NEXT();
    OP(LDDW) D = op->wide; NEXT();

    LOAD(LDX8, uint8_t, uint64_t)
    LOAD(LDX16, uint16_t, uint64_t)
    LOAD(LDX32, uint32_t, uint64_t)
    LOAD(LDX64, uint64_t, uint64_t)
    LOAD(LDXS8, int8_t, int64_t)
    LOAD(LDXS16, int16_t, int64_t)
    LOAD(LDXS32, int32_t, int64_t)
    STORE(ST8, uint8_t)
    STORE(ST16, uint16_t)
    STORE(ST32, uint32_t)

    /* An 8-byte immediate is sign-extended. */
    OP(ST64_K) { uint64_t value = K64; memcpy((void *)TARGET, &value, sizeof value); } NEXT();
    OP(ST64_X) { uint64_t value = S; memcpy((void *)TARGET, &value, sizeof value); } NEXT();

    ATOMIC(ADD, __atomic_fetch_add)
    ATOMIC(OR, __atomic_fetch_or)
    ATOMIC(AND, __atomic_fetch_and)
    ATOMIC(XOR, __atomic_fetch_xor)
    OP(XCHG_32) S = __atomic_exchange_n((uint32_t *)TARGET, S32, __ATOMIC_SEQ_CST); NEXT();
    OP(XCHG_64) S = __atomic_exchange_n((uint64_t *)TARGET, S, __ATOMIC_SEQ_CST); NEXT();
    OP(CMPXCHG_32) {
        uint32_t old = (uint32_t)r[0];
        __atomic_compare_exchange_n((uint32_t *)TARGET, &old, S32, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        r[0] = old;
    } NEXT();
    OP(CMPXCHG_64) {
        uint64_t old = r[0];
        __atomic_compare_exchange_n((uint64_t *)TARGET, &old, S, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        r[0] = old;
    } NEXT();

    OP(JA) TAKE();
    JUMP(JEQ, ==, uint64_t, uint32_t)
    JUMP(JNE, !=, uint64_t, uint32_t)
    JUMP(JGT, >, uint64_t, uint32_t)
    JUMP(JGE, >=, uint64_t, uint32_t)
    JUMP(JLT, <, uint64_t, uint32_t)
    JUMP(JLE, <=, uint64_t, uint32_t)
    JUMP(JSET, &, uint64_t, uint32_t)
    JUMP(JSGT, >, int64_t, int32_t)
    JUMP(JSGE, >=, int64_t, int32_t)
    JUMP(JSLT, <, int64_t, int32_t)
    JUMP(JSLE, <=, int64_t, int32_t)

    OP(CALL_HELPER) {
        tr_helper *helper = (tr_helper *)(uintptr_t)op->wide;
        r[0] = helper(r[1], r[2], r[3], r[4], r[5], run);
    } NEXT();

    /* The callee gets the next 512 bytes of stack; r6 to r9 and the frame pointer come back at its exit. */
    OP(CALL_LOCAL) {
        if (depth + 1 >= TR_MAX_FRAMES)
            goto abort;
        frames[depth].back = op + 1;
        memcpy(frames[depth].saved, r + 6, sizeof frames[depth].saved);
        depth++;
        r[10] -= TR_FRAME_BYTES;
    } TAKE();

    OP(EXIT) {
        if (depth == 0)
            return r[0];
        depth--;
        memcpy(r + 6, frames[depth].saved, sizeof frames[depth].saved);
        r[10] += TR_FRAME_BYTES;
        op = frames[depth].back;
    } GO();

    OP(FUEL) {
        if (run->fuel == 0) {
            run->aborted = TR_ABORT_FUEL;
            return 0;
        }
        run->fuel--;
    } TAKE();

    /* Behind the last instruction: no verified program gets here. */
    OP(END) goto abort;

    /* Fused operations that the macros above did not make. */
    LOAD_JUMP(LDX8, uint8_t)
    LOAD_JUMP(LDX16, uint16_t)
    LOAD_JUMP(LDX32, uint32_t)
    LOAD_JUMP(LDX64, uint64_t)
    INDEX(INDEX8, uint8_t)
    INDEX(INDEX16, uint16_t)
    INDEX(INDEX32, uint32_t)
    INDEX(INDEX64, uint64_t)

#if !TR_THREADED
    }
#endif
abort:
    run->aborted = TR_ABORT_FAULT;
    return 0;
#ifdef TR_CHECKED
fault:
    run->aborted = TR_ABORT_FAULT;
    return 0;
#endif
}

#undef D
#undef S
#undef T
#undef K64
#undef K32
#undef D32
#undef S32
#undef OP
#undef DISPATCH
#undef WATCH
#undef GO
#undef NEXT
#undef TAKE
#undef ALU
#undef DIVIDE
#undef JUMP
#undef ADD_JUMP
#undef LOAD_JUMP
#undef INDEX
#undef LOAD_INTO
#undef LOAD
#undef TARGET
#undef STORE
#undef ATOMIC
