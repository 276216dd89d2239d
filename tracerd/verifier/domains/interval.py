"""Intervals of 64-bit words, read as unsigned or as signed. Pairs of plain integers, both ends included.

Every operation works modulo 2**64, as the machine does. A pair that would wrap around comes back as the whole range:
an interval cannot say "at least 2**64 - 8 or at most 7", and a bound that forgets the wrap is how verifiers get broken.
"""

from __future__ import annotations

U32_MAX = (1 << 32) - 1
U64 = 1 << 64
U64_MAX = U64 - 1
S64_MIN = -(1 << 63)
S64_MAX = (1 << 63) - 1

Pair = tuple[int, int]

UNSIGNED: Pair = (0, U64_MAX)
SIGNED: Pair = (S64_MIN, S64_MAX)


def to_signed(word: int) -> int:
    """Read a 64-bit word as a signed number."""
    return word - U64 if word > S64_MAX else word


def wrap_unsigned(lo: int, hi: int) -> Pair:
    """Bring an exact range of integers back into 64 bits, unsigned.

    If both ends lie in the same window of 2**64, so does every number between, and subtracting the window's base is
    exact for all. If not, some member wraps and others do not: nothing is known.
    """
    if lo >> 64 != hi >> 64:
        return UNSIGNED
    return lo & U64_MAX, hi & U64_MAX


def wrap_signed(lo: int, hi: int) -> Pair:
    """Bring an exact range of integers back into 64 bits, signed: as `wrap_unsigned`, with windows moved by 2**63."""
    if (lo - S64_MIN) >> 64 != (hi - S64_MIN) >> 64:
        return SIGNED
    return to_signed(lo & U64_MAX), to_signed(hi & U64_MAX)


def corners(a: Pair, b: Pair) -> Pair:
    """Return the exact range of products. A product is monotone in each factor, so its extremes are at the corners."""
    products = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    return min(products), max(products)


def quotient_toward_zero(a: int, b: int) -> int:
    """Divide as the machine does, rounding toward zero (RFC 9669 §4.1)."""
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def threshold_above(bound: int, thresholds: list[int], top: int) -> int:
    """Return the smallest threshold that is at least `bound`, or `top`. `thresholds` ascend."""
    for threshold in thresholds:
        if threshold >= bound:
            return threshold
    return top


def threshold_below(bound: int, thresholds: list[int], bottom: int) -> int:
    """Return the largest threshold that is at most `bound`, or `bottom`. `thresholds` ascend."""
    for threshold in reversed(thresholds):
        if threshold <= bound:
            return threshold
    return bottom
