"""Arithmetic and conditions as LLVM IR (RFC 9669 §4.1, §4.2, §4.3).

Everything that LLVM leaves undefined and eBPF defines is spelled out here: shift counts are masked, division by zero
and of the smallest number by -1 have results, nothing carries `nsw`, `nuw` or `exact`.
"""

from __future__ import annotations

from tracerd.isa.instruction import (
    ADD,
    ALU64,
    AND,
    ARSH,
    DIV,
    END,
    JEQ,
    JGE,
    JGT,
    JLE,
    JLT,
    JMP,
    JNE,
    JSET,
    JSGE,
    JSGT,
    JSLE,
    JSLT,
    LSH,
    MOD,
    MOV,
    MUL,
    NEG,
    OR,
    RSH,
    SUB,
    XOR,
    Instruction,
)
from tracerd.vm.jit_values import Emitter, Value, constant, narrow

PLAIN = {ADD: "add", SUB: "sub", MUL: "mul", OR: "or", AND: "and", XOR: "xor"}
SHIFTS = {LSH: "shl", RSH: "lshr", ARSH: "ashr"}
CONDITIONS = {
    JEQ: "eq", JNE: "ne", JGT: "ugt", JGE: "uge", JLT: "ult", JLE: "ule",
    JSGT: "sgt", JSGE: "sge", JSLT: "slt", JSLE: "sle",
}  # fmt: skip


def lower_alu(emit: Emitter, instruction: Instruction, dst: Value, src: Value) -> Value:
    """Return the new value of the destination. `src` is the second operand, register or constant alike."""
    operation, wide = instruction.operation, instruction.klass == ALU64
    if operation == MOV:
        return _move(emit, src, instruction.offset, wide)
    if operation == END:
        return _swap(emit, instruction, dst)
    if wide and operation in (ADD, SUB) and not instruction.uses_register:
        return emit.moved(dst, instruction.imm if operation == ADD else -instruction.imm)
    bits = 64 if wide else 32
    a, kind = emit.bits(dst, bits), f"i{bits}"
    if operation == NEG:
        text = emit.op(f"sub {kind} 0, {a}")
    elif operation in SHIFTS:
        text = _shift(emit, SHIFTS[operation], kind, a, instruction, src)
    elif operation in (DIV, MOD):
        text = _divide(emit, operation, bool(instruction.offset), bits, a, emit.bits(src, bits))
    else:
        text = emit.op(f"{PLAIN[operation]} {kind} {a}, {emit.bits(src, bits)}")
    return Value(text) if wide else narrow(text)


def lower_condition(emit: Emitter, instruction: Instruction, dst: Value, src: Value) -> str:
    """Return the i1 that says whether a conditional jump is taken."""
    bits = 64 if instruction.klass == JMP else 32
    a, b = emit.bits(dst, bits), emit.bits(src, bits)
    if instruction.operation == JSET:
        both = emit.op(f"and i{bits} {a}, {b}")
        return emit.op(f"icmp ne i{bits} {both}, 0")
    return emit.op(f"icmp {CONDITIONS[instruction.operation]} i{bits} {a}, {b}")


def immediate(instruction: Instruction) -> Value:
    """Return the constant operand. Sign-extended for 64 bits (§4.1); 32-bit operations take its low half."""
    return constant(instruction.imm)


def _move(emit: Emitter, src: Value, from_bits: int, wide: bool) -> Value:
    if not from_bits:
        return src if wide else narrow(emit.narrow(src))
    part = emit.bits(src, from_bits)
    if wide:
        return Value(emit.op(f"sext i{from_bits} {part} to i64"))
    return narrow(emit.op(f"sext i{from_bits} {part} to i32"))


def _shift(emit: Emitter, name: str, kind: str, a: str, instruction: Instruction, src: Value) -> str:
    """Shift by the low 5 or 6 bits of the count (§4.1): LLVM calls a larger count poison."""
    mask = int(kind[1:]) - 1
    if instruction.uses_register:
        by = emit.op(f"and {kind} {emit.bits(src, mask + 1)}, {mask}")
    else:
        by = str(instruction.imm & mask)
    return emit.op(f"{name} {kind} {a}, {by}")


def _divide(emit: Emitter, operation: int, is_signed: bool, bits: int, a: str, b: str) -> str:
    """Divide where LLVM and the machine would trap.

    x / 0 = 0 and x % 0 = x (§4.1), so the machine divides by 1 instead and the result is replaced. For signed
    operations a divisor of -1 is replaced as well: x / -1 = -x wraps for the smallest number, x % -1 = 0 = x % 1.
    """
    kind = f"i{bits}"
    zero = emit.op(f"icmp eq {kind} {b}, 0")
    prefix, unsafe, minus_one = "u", zero, ""
    if is_signed:
        minus_one = emit.op(f"icmp eq {kind} {b}, -1")
        prefix, unsafe = "s", emit.op(f"or i1 {zero}, {minus_one}")
    divisor = emit.op(f"select i1 {unsafe}, {kind} 1, {kind} {b}")
    if operation == MOD:
        rest = emit.op(f"{prefix}rem {kind} {a}, {divisor}")
        return emit.op(f"select i1 {zero}, {kind} {a}, {kind} {rest}")
    quotient = emit.op(f"{prefix}div {kind} {a}, {divisor}")
    if is_signed:
        negated = emit.op(f"sub {kind} 0, {a}")
        quotient = emit.op(f"select i1 {minus_one}, {kind} {negated}, {kind} {quotient}")
    return emit.op(f"select i1 {zero}, {kind} 0, {kind} {quotient}")


def _swap(emit: Emitter, instruction: Instruction, dst: Value) -> Value:
    """Byte order (§4.2). We run on little-endian machines: `le` only cuts, `be` and `bswap` swap; zeros above."""
    bits = instruction.imm
    swaps = instruction.klass == ALU64 or instruction.uses_register
    part = emit.bits(dst, bits)
    if swaps:
        part = emit.op(f"call i{bits} @llvm.bswap.i{bits}(i{bits} {part})")
    if bits == 64:
        return Value(part)
    return narrow(part if bits == 32 else emit.op(f"zext i16 {part} to i32"))


