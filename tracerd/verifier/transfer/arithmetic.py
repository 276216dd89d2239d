"""ALU instructions: numbers by `numbers`, pointers by moving their offset."""

from __future__ import annotations

from tracerd.isa.instruction import (
    ADD,
    ALU,
    ALU64,
    AND,
    ARSH,
    DIV,
    END,
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
from tracerd.verifier.facts import Facts
from tracerd.verifier.state import State
from tracerd.verifier.transfer import numbers
from tracerd.verifier.values import NUMBER, Value, number, symbolic

NAMES = {
    (ADD, 0): "add", (SUB, 0): "sub", (MUL, 0): "mul", (DIV, 0): "div", (DIV, 1): "sdiv", (OR, 0): "or",
    (AND, 0): "and", (LSH, 0): "lsh", (RSH, 0): "rsh", (MOD, 0): "mod", (MOD, 1): "smod", (XOR, 0): "xor",
    (ARSH, 0): "arsh",
}  # fmt: skip
"""Operation names by (code, offset): an offset of 1 makes division signed (RFC 9669 §4.1)."""


def transfer(state: State, instruction: Instruction) -> None:
    """Run one ALU or ALU64 instruction."""
    operation = instruction.operation
    if operation == MOV:
        result = _move(state, instruction)
    elif operation == END:
        result = _swap(state.facts, state.regs[instruction.dst], instruction)
    elif operation == NEG:
        result = _negate(state.facts, state.regs[instruction.dst], instruction.klass == ALU)
    else:
        result = _binary(state, instruction)
    state.regs[instruction.dst] = result


def second_operand(state: State, instruction: Instruction) -> Value:
    """Return `src`, or the sign-extended immediate."""
    return state.regs[instruction.src] if instruction.uses_register else number(instruction.imm)


def _move(state: State, instruction: Instruction) -> Value:
    """Copy, with sign extension from `offset` bits if that is not 0 (movsx)."""
    value = second_operand(state, instruction)
    if instruction.offset:
        value = numbers.sign_extend(state.facts, value, instruction.offset)
    return value if instruction.klass == ALU64 else numbers.low32(state.facts, value)


def _swap(facts: Facts, value: Value, instruction: Instruction) -> Value:
    """The machine is little-endian: `le` only cuts, `be` and `bswap` reverse."""
    width = instruction.imm
    if instruction.klass == ALU and not instruction.uses_register:
        return numbers.low_bytes(facts, value, width // 8)
    return numbers.byte_swap(facts, value, width)


def _negate(facts: Facts, value: Value, narrow: bool) -> Value:
    if narrow:
        return numbers.narrow("sub", facts, number(0), value)
    return numbers.subtract(facts, number(0), value)


def _binary(state: State, instruction: Instruction) -> Value:
    a, b = state.regs[instruction.dst], second_operand(state, instruction)
    name = NAMES[instruction.operation, instruction.offset]
    if instruction.klass == ALU:
        # The bases of two pointers cancel out, so their offsets are operands like any numbers.
        return numbers.narrow(name, state.facts, symbolic(a.symbol, a.constant), symbolic(b.symbol, b.constant))
    if a.kind == NUMBER and b.kind == NUMBER:
        return numbers.WIDE[name](state.facts, a, b)
    return _pointer(state.facts, name, a, b)


def _offset(facts: Facts, value: Value) -> Value:
    """Return the part of a value that is not its base; a known one as a constant, which the context insists on."""
    known = facts.constant(value)
    return symbolic(value.symbol, value.constant) if known is None else number(known)


def _pointer(facts: Facts, name: str, a: Value, b: Value) -> Value:
    """Pointer ± number moves the offset; the distance of two pointers with one base is that of their offsets."""
    pointer = a if a.kind != NUMBER else b
    offset = numbers.WIDE[name](facts, _offset(facts, a), _offset(facts, b))
    if a.kind != NUMBER and b.kind != NUMBER:
        return offset
    return Value(pointer.kind, pointer.region, offset.symbol, offset.constant)
