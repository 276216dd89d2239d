"""The machine's operations on sets of numbers. Each returns a set that has every result of its operands' members."""

from __future__ import annotations

from collections.abc import Callable

from tracerd.verifier.domains import bits
from tracerd.verifier.domains.interval import (
    S64_MAX,
    S64_MIN,
    SIGNED,
    U64_MAX,
    UNSIGNED,
    corners,
    quotient_toward_zero,
    wrap_signed,
    wrap_unsigned,
)
from tracerd.verifier.domains.scalar import FULL, Scalar, build, constant, signed_range, unsigned_range

ZERO = constant(0)


def add(a: Scalar, b: Scalar) -> Scalar:
    """Sums of exact integers, brought back into 64 bits in each reading on its own."""
    return build(
        wrap_unsigned(a.ulo + b.ulo, a.uhi + b.uhi),
        wrap_signed(a.slo + b.slo, a.shi + b.shi),
        bits.add((a.value, a.unknown), (b.value, b.unknown)),
    )


def subtract(a: Scalar, b: Scalar) -> Scalar:
    """As `add`: the smallest difference takes the subtrahend's largest member."""
    return build(
        wrap_unsigned(a.ulo - b.uhi, a.uhi - b.ulo),
        wrap_signed(a.slo - b.shi, a.shi - b.slo),
        bits.subtract((a.value, a.unknown), (b.value, b.unknown)),
    )


def multiply(a: Scalar, b: Scalar) -> Scalar:
    return build(
        wrap_unsigned(*corners((a.ulo, a.uhi), (b.ulo, b.uhi))),
        wrap_signed(*corners((a.slo, a.shi), (b.slo, b.shi))),
        bits.multiply((a.value, a.unknown), (b.value, b.unknown)),
    )


def divide(a: Scalar, b: Scalar) -> Scalar:
    """Unsigned quotient, 0 for a divisor of 0 (RFC 9669 §4.1). It falls as the divisor grows."""
    if not b.uhi:
        return ZERO
    low = a.ulo // b.uhi if b.ulo else 0
    return unsigned_range(low, a.uhi // max(b.ulo, 1))


def modulo(a: Scalar, b: Scalar) -> Scalar:
    """Unsigned remainder, the dividend itself for a divisor of 0.

    A dividend below every divisor stays. A remainder is below the divisor and never above the dividend.
    """
    if a.uhi < b.ulo or not b.uhi:
        return a
    if b.is_constant and b.ulo & (b.ulo - 1) == 0:
        return conjunction(a, constant(b.ulo - 1))
    return unsigned_range(0, min(a.uhi, b.uhi - 1) if b.ulo else a.uhi)


def divide_signed(a: Scalar, b: Scalar) -> Scalar:
    """Rounds toward zero; x/0 = 0; the smallest number by −1 is itself.

    For a constant divisor other than 0 and −1 the quotient is monotone in the dividend. Otherwise a quotient is no
    larger in magnitude than its dividend, and only −2**63 / −1 leaves the range, to the smallest number.
    """
    if b.is_constant and b.slo not in (0, -1):
        ends = quotient_toward_zero(a.slo, b.slo), quotient_toward_zero(a.shi, b.slo)
        return signed_range(min(ends), max(ends))
    largest = max(abs(a.slo), abs(a.shi))
    return signed_range(-largest, min(largest, S64_MAX))


def modulo_signed(a: Scalar, b: Scalar) -> Scalar:
    """The remainder has the dividend's sign, at most its magnitude, and less than that of a divisor other than 0."""
    low, high = min(a.slo, 0), max(a.shi, 0)
    if b.slo > 0 or b.shi < 0:
        limit = max(abs(b.slo), abs(b.shi)) - 1
        low, high = max(low, -limit), min(high, limit)
    return signed_range(low, high)


def conjunction(a: Scalar, b: Scalar) -> Scalar:
    """No larger than either operand, unsigned; a non-negative operand makes the result non-negative and bounds it."""
    return build(
        (0, min(a.uhi, b.uhi)), SIGNED, bits.conjunction((a.value, a.unknown), (b.value, b.unknown))
    )


def disjunction(a: Scalar, b: Scalar) -> Scalar:
    """No smaller than either operand; no bit above the highest that either may have."""
    top = (1 << max(a.uhi.bit_length(), b.uhi.bit_length())) - 1
    return build(
        (max(a.ulo, b.ulo), top), SIGNED, bits.disjunction((a.value, a.unknown), (b.value, b.unknown))
    )


def exclusive(a: Scalar, b: Scalar) -> Scalar:
    top = (1 << max(a.uhi.bit_length(), b.uhi.bit_length())) - 1
    return build((0, top), SIGNED, bits.exclusive((a.value, a.unknown), (b.value, b.unknown)))


def _amount(by: Scalar, width: int) -> tuple[int, int]:
    """Return the smallest and largest shift after the machine's mask (RFC 9669 §4.1)."""
    if by.is_constant:
        masked = by.ulo & (width - 1)
        return masked, masked
    return (by.ulo, by.uhi) if by.uhi < width else (0, width - 1)


def shift_left(a: Scalar, by: Scalar, width: int = 64) -> Scalar:
    """If the largest member loses no bit to the largest shift, none does, and the bounds shift with it.

    In the signed reading a shift multiplies; the exact products are brought back into 64 bits.
    """
    least, most = _amount(by, width)
    unsigned = (a.ulo << least, a.uhi << most) if a.uhi << most <= U64_MAX else UNSIGNED
    signed = corners((a.slo, a.shi), (1 << least, 1 << most))
    if signed[0] < S64_MIN or signed[1] > S64_MAX:
        signed = SIGNED
    zeros = bits.trailing_zeros((a.value, a.unknown)) + least
    known = bits.shift_left((a.value, a.unknown), least) if least == most else (
        (0, (U64_MAX << zeros) & U64_MAX) if zeros < 64 else (0, 0)
    )
    return build(unsigned, signed, known)


def shift_right(a: Scalar, by: Scalar, width: int = 64) -> Scalar:
    """Monotone: up in the operand, down in the amount."""
    least, most = _amount(by, width)
    known = bits.shift_right((a.value, a.unknown), least) if least == most else bits.ANY
    return build((a.ulo >> most, a.uhi >> least), SIGNED, known)


def shift_right_arithmetic(a: Scalar, by: Scalar) -> Scalar:
    """Monotone in the operand; a longer shift moves a number toward 0 or −1. For 32 bits, see `alu32`."""
    least, most = _amount(by, 64)
    ends = (a.slo >> least, a.slo >> most, a.shi >> least, a.shi >> most)
    known = bits.shift_right_arithmetic((a.value, a.unknown), least) if least == most else bits.ANY
    return build(UNSIGNED, (min(ends), max(ends)), known)


def truncate(a: Scalar, width: int) -> Scalar:
    """Keep the low `width` bits and clear the rest.

    If both ends agree in the bits that are cut off, so does every member, and the order is kept.
    """
    if width == 64 or a.uhi >> width == 0:
        return a
    mask = (1 << width) - 1
    unsigned = (a.ulo & mask, a.uhi & mask) if a.ulo >> width == a.uhi >> width else (0, mask)
    if a.slo >> width == a.shi >> width:
        unsigned = max(unsigned[0], a.slo & mask), min(unsigned[1], a.shi & mask)
    return build(unsigned, SIGNED, (a.value & mask, a.unknown & mask))


def sign_extend(a: Scalar, width: int) -> Scalar:
    """Read the low `width` bits as a signed number.

    A number that is in that range already is unchanged. Otherwise move the words up to the top and back down: the
    arithmetic shift is exact on known bits, and on intervals where the first shift is.
    """
    half = 1 << (width - 1)
    if -half <= a.slo and a.shi < half:
        return a
    low = truncate(a, width)
    if low.uhi < half:
        return low
    if low.ulo >= half:
        return signed_range(low.ulo - 2 * half, low.uhi - 2 * half)
    amount = constant(64 - width)
    return shift_right_arithmetic(shift_left(low, amount), amount)


def negate(a: Scalar) -> Scalar:
    return subtract(ZERO, a)


def byte_swap(a: Scalar, width: int) -> Scalar:
    """Swap the bytes of the low `width` bits: known bits travel with their bytes, intervals do not survive."""
    size = width // 8
    mask = (1 << width) - 1

    def swapped(word: int) -> int:
        return int.from_bytes((word & mask).to_bytes(size, "little"), "big")

    return build((0, mask), SIGNED, (swapped(a.value), swapped(a.unknown)))


Binary = Callable[[Scalar, Scalar], Scalar]


def _narrow(a: Scalar) -> Scalar:
    return truncate(a, 32)


def _low_half(operation: Binary) -> Binary:
    """For +, −, ×, &, | and ^ the low 32 bits of a result depend on the low 32 bits of the operands alone."""
    return lambda a, b: truncate(operation(_narrow(a), _narrow(b)), 32)


def _signed_half(operation: Binary) -> Binary:
    """Work on the operands as 32-bit signed numbers; the 64-bit result's low half is the 32-bit one.

    −2**31 / −1 is 2**31 here, whose low half is the −2**31 that RFC 9669 asks for.
    """
    return lambda a, b: truncate(operation(sign_extend(a, 32), sign_extend(b, 32)), 32)


def _shift_right_arithmetic_32(a: Scalar, by: Scalar) -> Scalar:
    least, most = _amount(truncate(by, 32), 32)
    return truncate(shift_right_arithmetic(sign_extend(a, 32), unsigned_range(least, most)), 32)


ALU64: dict[str, Binary] = {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "div": divide,
    "sdiv": divide_signed,
    "or": disjunction,
    "and": conjunction,
    "lsh": shift_left,
    "rsh": shift_right,
    "mod": modulo,
    "smod": modulo_signed,
    "xor": exclusive,
    "arsh": shift_right_arithmetic,
}
"""64-bit operations by the RFC's name."""

ALU32: dict[str, Binary] = {
    "add": _low_half(add),
    "sub": _low_half(subtract),
    "mul": _low_half(multiply),
    "div": lambda a, b: divide(_narrow(a), _narrow(b)),
    "sdiv": _signed_half(divide_signed),
    "or": _low_half(disjunction),
    "and": _low_half(conjunction),
    "lsh": lambda a, b: truncate(shift_left(_narrow(a), _narrow(b), 32), 32),
    "rsh": lambda a, b: shift_right(_narrow(a), _narrow(b), 32),
    "mod": lambda a, b: modulo(_narrow(a), _narrow(b)),
    "smod": _signed_half(modulo_signed),
    "xor": _low_half(exclusive),
    "arsh": _shift_right_arithmetic_32,
}
"""32-bit operations: results are zero-extended."""

UNKNOWN = FULL
