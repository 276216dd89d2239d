"""RFC 9669's arithmetic and comparisons written with Python's integers: the reference for every engine."""

from __future__ import annotations

import operator
from collections.abc import Callable

from tracerd.isa.instruction import (
    ADD,
    AND,
    ARSH,
    DIV,
    JEQ,
    JGE,
    JGT,
    JLE,
    JLT,
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
    OR,
    RSH,
    SUB,
    XOR,
)  # fmt: skip

_PLAIN: dict[int, Callable[[int, int], int]] = {
    ADD: operator.add, SUB: operator.sub, MUL: operator.mul, OR: operator.or_, AND: operator.and_, XOR: operator.xor,
}  # fmt: skip
_UNSIGNED: dict[int, Callable[[int, int], bool]] = {
    JEQ: operator.eq, JNE: operator.ne, JGT: operator.gt, JGE: operator.ge, JLT: operator.lt, JLE: operator.le,
}  # fmt: skip
_SIGNED: dict[int, Callable[[int, int], bool]] = {
    JSGT: operator.gt, JSGE: operator.ge, JSLT: operator.lt, JSLE: operator.le,
}  # fmt: skip

_OFFSET_0 = (*_PLAIN, LSH, RSH, ARSH, MOV, DIV, MOD)
OPERATIONS = (*((operation, 0) for operation in _OFFSET_0), (DIV, 1), (MOD, 1))
"""(operation, offset field): offset 1 makes a division signed."""
COMPARISONS = (*_UNSIGNED, JSET, *_SIGNED)


def signed(value: int, bits: int) -> int:
    """Read the low `bits` of a number as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def compute(operation: int, offset: int, a: int, b: int, bits: int) -> int:
    """Return `a operation b` on `bits` bits, as an unsigned number."""
    mask = (1 << bits) - 1
    a, b = a & mask, b & mask
    if operation in _PLAIN:
        result = _PLAIN[operation](a, b)
    elif operation == MOV:
        result = b
    elif operation in (DIV, MOD):
        result = _divide(operation, a, b) if not offset else _divide(operation, signed(a, bits), signed(b, bits))
    else:
        shift = b % bits
        result = {LSH: a << shift, RSH: a >> shift, ARSH: signed(a, bits) >> shift}[operation]
    return result & mask


def _divide(operation: int, a: int, b: int) -> int:
    """Divide rounding towards zero; x / 0 = 0 and x % 0 = x."""
    if b == 0:
        return 0 if operation == DIV else a
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient if operation == DIV else a - quotient * b


def compare(operation: int, a: int, b: int, bits: int) -> bool:
    """Return whether a jump with that condition is taken."""
    mask = (1 << bits) - 1
    if operation == JSET:
        return bool(a & b & mask)
    if operation in _SIGNED:
        return _SIGNED[operation](signed(a, bits), signed(b, bits))
    return _UNSIGNED[operation](a & mask, b & mask)
