"""Known bits of a 64-bit word: a pair (value, unknown). A bit set in `unknown` may be anything and is 0 in `value`.

The rules for sums follow the argument of Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation with
Tristate Numbers" (CGO 2022).
"""

from __future__ import annotations

from tracerd.verifier.domains.interval import U64_MAX

Bits = tuple[int, int]

ANY: Bits = (0, U64_MAX)


def add(a: Bits, b: Bits) -> Bits:
    """A bit of the sum is known if it and the carry into it are.

    The smallest sum takes every unknown bit as 0, the largest as 1; where they differ a carry may differ too.
    """
    smallest = a[0] + b[0]
    largest = smallest + a[1] + b[1]
    unknown = ((smallest ^ largest) | a[1] | b[1]) & U64_MAX
    return smallest & ~unknown & U64_MAX, unknown


def subtract(a: Bits, b: Bits) -> Bits:
    """As `add`, with borrows: the largest difference takes a's unknown bits as 1, the smallest b's."""
    difference = a[0] - b[0]
    unknown = (((difference + a[1]) ^ (difference - b[1])) | a[1] | b[1]) & U64_MAX
    return difference & ~unknown & U64_MAX, unknown


def multiply(a: Bits, b: Bits) -> Bits:
    """Trailing zeros add up. A constant power of two shifts, which is all that compilers need."""
    if not b[1] and b[0] & (b[0] - 1) == 0:
        return shift_left(a, b[0].bit_length() - 1) if b[0] else (0, 0)
    if not a[1] and a[0] & (a[0] - 1) == 0:
        return shift_left(b, a[0].bit_length() - 1) if a[0] else (0, 0)
    zeros = trailing_zeros(a) + trailing_zeros(b)
    return 0, (U64_MAX << zeros) & U64_MAX if zeros < 64 else 0


def trailing_zeros(a: Bits) -> int:
    """Return how many low bits are known to be zero."""
    ones = a[0] | a[1]
    return (ones & -ones).bit_length() - 1 if ones else 64


def conjunction(a: Bits, b: Bits) -> Bits:
    """A bit is 1 if both may be 1, known if either is a known 0 or both are known."""
    may_be_one = (a[0] | a[1]) & (b[0] | b[1])
    value = a[0] & b[0]
    return value, may_be_one & ~value


def disjunction(a: Bits, b: Bits) -> Bits:
    """A known 1 on either side decides."""
    value = a[0] | b[0]
    return value, (a[1] | b[1]) & ~value


def exclusive(a: Bits, b: Bits) -> Bits:
    """A bit is known if both are."""
    unknown = a[1] | b[1]
    return (a[0] ^ b[0]) & ~unknown, unknown


def shift_left(a: Bits, by: int) -> Bits:
    return (a[0] << by) & U64_MAX, (a[1] << by) & U64_MAX


def shift_right(a: Bits, by: int) -> Bits:
    return a[0] >> by, a[1] >> by


def shift_right_arithmetic(a: Bits, by: int) -> Bits:
    """The sign bit is repeated: where it is unknown, so are its copies."""
    fill = (U64_MAX << (64 - by)) & U64_MAX if by else 0
    value, unknown = a[0] >> by, a[1] >> by
    if a[1] >> 63:
        return value, unknown | fill
    return (value | fill if a[0] >> 63 else value), unknown


def join(a: Bits, b: Bits) -> Bits:
    """Keep the bits that are known and equal on both sides."""
    unknown = a[1] | b[1] | (a[0] ^ b[0])
    return a[0] & ~unknown, unknown


def meet(a: Bits, b: Bits) -> Bits | None:
    """Take every bit that either side knows; None if they contradict each other."""
    if (a[0] ^ b[0]) & ~a[1] & ~b[1]:
        return None
    unknown = a[1] & b[1]
    return (a[0] | b[0]) & ~unknown, unknown


def of_range(lo: int, hi: int) -> Bits:
    """Bits above the highest one in which the two ends differ are the same in every number between them."""
    unknown = (1 << (lo ^ hi).bit_length()) - 1
    return lo & ~unknown, unknown
