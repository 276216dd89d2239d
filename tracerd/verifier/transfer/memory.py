"""Loads, stores and atomics. Only the stack is modelled; other memory holds numbers that anyone may change."""

from __future__ import annotations

from tracerd.isa.instruction import CMPXCHG, FETCH, MEMSX, ST, Instruction
from tracerd.platforms.model import Context, ContextField, FieldKind
from tracerd.verifier.domains import scalar
from tracerd.verifier.domains.interval import to_signed
from tracerd.verifier.frame import Frame
from tracerd.verifier.scope import Scope
from tracerd.verifier.state import State
from tracerd.verifier.transfer import numbers
from tracerd.verifier.values import (
    CONTEXT,
    FRAME_BYTES,
    LENGTH,
    MAP_VALUE,
    NUMBER,
    PACKET,
    STACK,
    ZERO_SYMBOL,
    Value,
    number,
)


def field_at(context: Context, offset: int, size: int) -> ContextField | None:
    """Return the context field that covers those bytes. Pointer fields only whole."""
    for field in context.fields:
        if field.offset <= offset and offset + size <= field.offset + field.size:
            whole = offset == field.offset and size == field.size
            return field if whole or not field.kind.pointer else None
    return None


def load(scope: Scope, state: State, instruction: Instruction) -> None:
    """Run LDX, with sign extension if the mode asks for it (RFC 9669 §5.2)."""
    base = state.regs[instruction.src].moved(instruction.offset)
    size = instruction.size
    value = _read(scope, state, base, size)
    if instruction.mode == MEMSX:
        value = numbers.sign_extend(state.facts, value, 8 * size)
    state.regs[instruction.dst] = value


def _read(scope: Scope, state: State, at: Value, size: int) -> Value:
    if at.kind == STACK:
        return _read_stack(state, at, size)
    if at.kind == CONTEXT:
        field = field_at(scope.type.context, to_signed(state.facts.constant(at) or 0), size)
        if field is not None and field.kind is FieldKind.DATA:
            return Value(PACKET, 0, ZERO_SYMBOL, 0)
        if field is not None and field.kind is FieldKind.DATA_END:
            return Value(PACKET, 0, LENGTH, 0)
    if at.kind == MAP_VALUE:
        facts = scope.maps[scope.symbols.regions[at.region].map]
        offset = state.facts.constant(at)
        if facts.read_only and offset is not None and offset + size <= len(facts.contents):
            return number(int.from_bytes(facts.contents[offset : offset + size], "little"))
    return state.facts.fresh(scalar.of_size(size))


def constant_bytes(scope: Scope, state: State, at: Value, size: int) -> bytes | None:
    """Return what that memory holds in every run, if it is constant: of the stack, or of a read-only map."""
    if at.kind == STACK:
        offset = _within(state, at, size)
        if offset is None:
            return None
        frame = state.frames[at.region]
        found = [frame.constant_at(offset + index, 1) for index in range(size)]
        return None if None in found else bytes(byte for byte in found if byte is not None)
    if at.kind == MAP_VALUE:
        facts = scope.maps[scope.symbols.regions[at.region].map]
        start = state.facts.constant(at)
        if facts.read_only and start is not None and start + size <= len(facts.contents):
            return facts.contents[start : start + size]
    return None


def _read_stack(state: State, at: Value, size: int) -> Value:
    frame = state.frames[at.region]
    offset = _within(state, at, size)
    if offset is None:
        return state.facts.fresh(scalar.of_size(size))
    cell = frame.cells.get(offset)
    if cell is not None and cell.size == size:
        return cell.value
    constant = frame.constant_at(offset, size)
    if constant is not None:
        return number(constant)
    return _part(state, frame, offset, size)


def _within(state: State, at: Value, size: int) -> int | None:
    """Return the one offset that a stack address has, if it is known and inside the frame."""
    place = state.facts.constant(at)
    if place is None:
        return None
    offset = place - (1 << 64)
    return offset if offset >= -FRAME_BYTES and offset + size <= 0 else None


def _part(state: State, frame: Frame, offset: int, size: int) -> Value:
    """Read bytes inside one cell as a shift and a mask of its number; across cells nothing is known."""
    facts = state.facts
    inside = [(at, cell) for at, cell in frame.overlapping(offset, size) if at <= offset and
              at + cell.size >= offset + size and cell.value.kind == NUMBER]
    if not inside:
        return facts.fresh(scalar.of_size(size))
    at, cell = inside[0]
    shifted = numbers.shift_right(facts, cell.value, number(8 * (offset - at)))
    return numbers.low_bytes(facts, shifted, size)


def store(state: State, instruction: Instruction) -> None:
    """Run ST or STX."""
    value = number(instruction.imm) if instruction.klass == ST else state.regs[instruction.src]
    at = state.regs[instruction.dst].moved(instruction.offset)
    if at.kind == STACK:
        if value.kind == NUMBER:
            value = numbers.low_bytes(state.facts, value, instruction.size)
        write_stack(state, at, instruction.size, value)


def write_stack(state: State, at: Value, size: int, value: Value) -> None:
    """Write a value to the stack. At an unknown place it may have gone to any of several bytes."""
    frame = state.frame_to_write(at.region)
    offset = _within(state, at, size)
    if offset is not None:
        frame.store(offset, size, value)
    else:
        low, high = state.facts.integers(at)
        frame.blur(low, high + size)


def fill(state: State, at: Value, least: int, most: int) -> None:
    """Let a helper write unknown numbers: from `least` to `most` bytes. Only the stack is modelled."""
    if at.kind != STACK or not most:
        return
    frame = state.frame_to_write(at.region)
    low, high = state.facts.integers(at)
    frame.blur(low, high + most)
    if low == high and least and _within(state, at, least) is not None:
        frame.scramble(low, least)


def atomic(state: State, instruction: Instruction) -> None:
    """Run an atomic operation (RFC 9669 §5.3): memory gets an unknown number, a fetch gives one."""
    at = state.regs[instruction.dst].moved(instruction.offset)
    size = instruction.size
    fill(state, at, size, size)
    if instruction.imm == CMPXCHG:
        state.regs[0] = state.facts.fresh(scalar.of_size(size))
    elif instruction.imm & FETCH:
        state.regs[instruction.src] = state.facts.fresh(scalar.of_size(size))
