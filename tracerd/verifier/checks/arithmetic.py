"""Demands of arithmetic and comparisons that may involve pointers."""

from __future__ import annotations

from tracerd.isa.instruction import ADD, JEQ, JNE, JSET, SUB
from tracerd.verifier.checks.assertion import Unmet, describe
from tracerd.verifier.state import State
from tracerd.verifier.values import (
    CONTEXT,
    MAP_VALUE,
    MAP_VALUE_OR_NULL,
    NOTHING,
    NUMBER,
    PACKET,
    RECORD,
    RECORD_OR_NULL,
    STACK,
    ZERO_SYMBOL,
    Value,
    number,
)

MOVABLE = frozenset({STACK, MAP_VALUE, PACKET, RECORD})
"""Kinds whose offset may be any number; what is done with it later is checked there."""

NULLABLE = frozenset({MAP_VALUE_OR_NULL, RECORD_OR_NULL})


BELOW, ABOVE = 1 << 12, 1 << 33
"""Bytes before and behind its object's start within which a pointer may be compared: nothing there wraps around, since
no object lies in the first page or the last 8 GiB. A 32-bit number may have been added."""


class Sum:
    """`dst += operand` or `dst -= operand` where one of the two may be a pointer.

    A pointer may move by a number; two pointers with the same base may be subtracted, which is all that a 32-bit
    operation may do with pointers. The context moves by constants
    only, so that every load from it has one offset. A pointer that may be null does not move: 0 + 8 is not null.
    """

    __slots__ = ("constant", "dst", "operation", "src", "wide")

    def __init__(self, operation: int, wide: bool, dst: int, src: int | None, constant: int = 0) -> None:
        self.operation, self.wide, self.dst, self.src, self.constant = operation, wide, dst, src, constant

    def check(self, state: State) -> Unmet | None:
        a = state.regs[self.dst]
        b = state.regs[self.src] if self.src is not None else number(self.constant)
        if a.kind == NUMBER and b.kind == NUMBER:
            return None
        for register, value in ((self.dst, a), (self.src, b)):
            if value.kind == NOTHING:
                return Unmet("a value", describe(value), f"r{register}")
        if a.kind != NUMBER and b.kind != NUMBER:
            return self._difference(a, b)
        if not self.wide:
            register, value = (self.dst, a) if a.kind != NUMBER else (self.src, b)
            return Unmet("a number for a 32-bit operation", describe(value), f"r{register}")
        if a.kind == NUMBER and self.operation == SUB:
            return Unmet("a number to subtract from a number", describe(b), f"r{self.src}")
        pointer, by, name = (a, b, f"r{self.dst}") if a.kind != NUMBER else (b, a, f"r{self.src}")
        if pointer.kind == CONTEXT:
            constant = state.facts.constant(by)
            return None if constant is not None else Unmet("a constant offset into the context", "a variable", name)
        if pointer.kind in NULLABLE:
            return Unmet("a null check before arithmetic", describe(pointer), name)
        if pointer.kind in MOVABLE:
            return None
        return Unmet("a number or a pointer that may move", describe(pointer), name)

    def _difference(self, a: Value, b: Value) -> Unmet | None:
        if self.operation == ADD:
            return Unmet("a number to add to a pointer", describe(b), f"r{self.src}")
        if a.kind == b.kind and a.region == b.region and a.kind in MOVABLE:
            return None
        return Unmet(f"a number or a pointer into the same {describe(a)}", describe(b), f"r{self.src}")


class Comparable:
    """A conditional jump's operands: two numbers, two pointers of one kind, or a pointer and null (== and != only)."""

    __slots__ = ("constant", "dst", "operation", "src", "wide")

    def __init__(self, operation: int, wide: bool, dst: int, src: int | None, constant: int) -> None:
        self.operation, self.wide, self.dst, self.src, self.constant = operation, wide, dst, src, constant

    def check(self, state: State) -> Unmet | None:
        a = state.regs[self.dst]
        b = state.regs[self.src] if self.src is not None else number(self.constant)
        if a.kind == NUMBER and b.kind == NUMBER:
            return None
        for register, value in ((self.dst, a), (self.src, b)):
            if value.kind == NOTHING:
                return Unmet("a value", describe(value), f"r{register}")
        if not self.wide:
            if self.operation in (JEQ, JNE) and _near(state, a, b):
                return None
            register, value = (self.dst, a) if a.kind != NUMBER else (self.src, b)
            return Unmet("a number for a 32-bit comparison", describe(value), f"r{register}")
        register, value = (self.dst, a) if a.kind != NUMBER else (self.src, b)
        if self.operation == JSET:
            return Unmet("a number for a bit test", describe(value), f"r{register}")
        same = a.kind == b.kind and a.region == b.region and a.kind not in NULLABLE
        if not same and not (self.operation in (JEQ, JNE) and (is_null(a) or is_null(b))):
            return Unmet("to be compared with null or a pointer into the same object", describe(value), f"r{register}")
        return self._reveals(state, a, b)

    def _reveals(self, state: State, a: Value, b: Value) -> Unmet | None:
        """No comparison may tell where an object lies.

        p − k < p is false exactly if p − k wraps around, that is if k is above the address: 47 of those spell it. So
        pointers far off their object are not compared, and none but the object's own address with null.
        """
        for register, value, other in ((self.dst, a, b), (self.src, b, a)):
            if value.kind not in MOVABLE:
                continue
            low, high = state.facts.integers(value)
            if low < -BELOW or high > ABOVE:
                return Unmet("a pointer near its object to compare", describe(value), f"r{register}")
            if is_null(other) and (low or high):
                return Unmet("an unmoved pointer to compare with null", describe(value), f"r{register}")
        return None


def _near(state: State, a: Value, b: Value) -> bool:
    """True for two payload pointers less than 2**32 apart: then their low halves are equal only if they are.

    Compilers compare so where a header declares data and data_end as 32 bits.
    """
    if a.kind != PACKET or b.kind != PACKET:
        return False
    (alo, ahi), (blo, bhi) = state.facts.integers(a), state.facts.integers(b)
    return max(abs(alo), abs(ahi), abs(blo), abs(bhi)) < 1 << 31


def is_null(value: Value) -> bool:
    """True for the constant 0."""
    return value.kind == NUMBER and value.symbol == ZERO_SYMBOL and value.constant == 0
