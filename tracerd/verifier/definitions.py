"""What a definition says: its result from its operands, and its operands from its result. One rule, one function."""

from __future__ import annotations

from collections.abc import Mapping

from tracerd.verifier.domains import arithmetic, scalar
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN, U32_MAX, U64_MAX
from tracerd.verifier.domains.scalar import Scalar
from tracerd.verifier.symbols import LOW32, SCALE, SEXT, Definition

Scalars = Mapping[int, Scalar]
Learned = list[tuple[int, Scalar]]


def _operand(symbol: int, constant: int, scalars: Scalars) -> Scalar:
    known = scalars[symbol]
    return arithmetic.add(known, scalar.constant(constant)) if constant else known


def evaluate(definition: Definition, scalars: Scalars) -> Scalar:
    """Return what the operands say about the result."""
    first = _operand(definition.first, definition.first_constant, scalars)
    if definition.operation == LOW32:
        return arithmetic.truncate(first, 32)
    if definition.operation == SEXT:
        return arithmetic.sign_extend(first, definition.parameter)
    if definition.operation == SCALE:
        return arithmetic.multiply(first, scalar.constant(definition.parameter))
    second = _operand(definition.second, definition.second_constant, scalars)
    return arithmetic.ALU64[definition.operation](first, second)


def parents_from_child(definition: Definition, child: Scalar, scalars: Scalars) -> Learned:
    """Return what a result says about the operands, as sets for the parent symbols."""
    rule = _BACKWARD.get(definition.operation)
    return rule(definition, child, scalars) if rule else []


def _without_constant(definition: Definition, known: Scalar, constant: int | None = None) -> Learned:
    """From a set for first + constant, one for first."""
    by = definition.first_constant if constant is None else constant
    return [(definition.first, arithmetic.subtract(known, scalar.constant(by & U64_MAX)))] if definition.first else []


def _from_low32(definition: Definition, child: Scalar, scalars: Scalars) -> Learned:
    """The parent's low half is the child. Only the constant's low half counts, so it may be read as signed.

    If the parent is known to fit in 32 bits, unsigned, it is the child. If it fits as a signed number, the child's
    top bit decides its sign. Else the child's known bits are the parent's.
    """
    by = definition.first_constant & U32_MAX
    by -= (by >> 31) << 32
    parent = arithmetic.add(scalars[definition.first], scalar.constant(by & U64_MAX))
    if parent.uhi <= U32_MAX:
        return _without_constant(definition, child, by)
    if parent.slo >= -(1 << 31) and parent.shi < 1 << 31:
        if child.uhi < 1 << 31:
            return _without_constant(definition, child, by)
        if child.ulo >= 1 << 31:
            lowered = arithmetic.subtract(child, scalar.constant(1 << 32))
            return _without_constant(definition, lowered, by)
    high = U64_MAX & ~U32_MAX
    known = scalar.reduce(0, U64_MAX, S64_MIN, S64_MAX, child.value, child.unknown | high)
    return _without_constant(definition, known, by) if known else []


def _from_sign_extension(definition: Definition, child: Scalar, scalars: Scalars) -> Learned:
    """A parent that fits as a signed number is the child; one that fits unsigned differs by 2**width if negative."""
    width = definition.parameter
    half = 1 << (width - 1)
    parent = _operand(definition.first, definition.first_constant, scalars)
    if -half <= parent.slo and parent.shi < half:
        return _without_constant(definition, child)
    if parent.uhi < 2 * half:
        if child.slo >= 0:
            return _without_constant(definition, child)
        if child.shi < 0:
            return _without_constant(definition, arithmetic.add(child, scalar.constant(2 * half)))
    return []


def _from_multiple(definition: Definition, child: Scalar, scalars: Scalars) -> Learned:
    """If no member of the parent wraps when multiplied, dividing the child's bounds bounds the parent."""
    by = definition.parameter
    parent = scalars[definition.first]
    learned: Learned = []
    if parent.uhi * by <= U64_MAX:
        low, high = -(-child.ulo // by), child.uhi // by
        if low <= high:
            learned.append((definition.first, scalar.unsigned_range(low, high)))
    if by <= S64_MAX and parent.slo * by >= S64_MIN and parent.shi * by <= S64_MAX:
        low, high = -(-child.slo // by), child.shi // by
        if low <= high:
            learned.append((definition.first, scalar.signed_range(low, high)))
    return learned


def _from_shift_right(definition: Definition, child: Scalar, _scalars: Scalars) -> Learned:
    """A quotient by 2**k in [lo, hi] comes from [lo * 2**k, hi * 2**k + 2**k − 1]."""
    if definition.second:
        return []
    by = definition.second_constant & 63
    high = min((child.uhi << by) | ((1 << by) - 1), U64_MAX)
    low = child.ulo << by
    return _without_constant(definition, scalar.unsigned_range(low, high)) if low <= high else []


def _from_conjunction(definition: Definition, child: Scalar, _scalars: Scalars) -> Learned:
    """Under a constant mask the operand has the result's known bits where the mask is 1, and is no smaller."""
    if definition.second:
        return []
    mask = definition.second_constant
    value, unknown = child.value & mask, (child.unknown & mask) | (~mask & U64_MAX)
    known = scalar.reduce(child.ulo, U64_MAX, S64_MIN, S64_MAX, value, unknown)
    return _without_constant(definition, known) if known else []


def _from_sum(definition: Definition, child: Scalar, scalars: Scalars) -> Learned:
    """a + b = c modulo 2**64, so a = c − b and b = c − a. Sums are defined without constants."""
    return [
        (definition.first, arithmetic.subtract(child, scalars[definition.second])),
        (definition.second, arithmetic.subtract(child, scalars[definition.first])),
    ]


def _from_difference(definition: Definition, child: Scalar, scalars: Scalars) -> Learned:
    """a − b = c modulo 2**64, so a = c + b and b = a − c. Differences are defined without constants."""
    return [
        (definition.first, arithmetic.add(child, scalars[definition.second])),
        (definition.second, arithmetic.subtract(scalars[definition.first], child)),
    ]


_BACKWARD = {
    LOW32: _from_low32,
    SEXT: _from_sign_extension,
    SCALE: _from_multiple,
    "rsh": _from_shift_right,
    "and": _from_conjunction,
    "add": _from_sum,
    "sub": _from_difference,
}
