"""Sets of numbers against the numbers themselves: samples near boundaries, and z3 for the rules on bits and bounds."""

from __future__ import annotations

from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd.verifier.domains import arithmetic, bits, scalar
from tracerd.verifier.domains.interval import U64_MAX, wrap_signed, wrap_unsigned
from tracerd.verifier.domains.scalar import Scalar

OPERATIONS = sorted(arithmetic.ALU64)


def signed(word: int, width: int = 64) -> int:
    word &= (1 << width) - 1
    return word - (1 << width) if word >> (width - 1) else word


def machine(operation: str, a: int, b: int, width: int) -> int:
    """Return what RFC 9669 §4.1 says."""
    mask = (1 << width) - 1
    a, b = a & mask, b & mask
    x, y, shift = signed(a, width), signed(b, width), b & (width - 1)
    results = {
        "add": lambda: a + b, "sub": lambda: a - b, "mul": lambda: a * b, "or": lambda: a | b, "and": lambda: a & b,
        "xor": lambda: a ^ b, "div": lambda: a // b if b else 0, "mod": lambda: a % b if b else a,
        "sdiv": lambda: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) if y else 0,
        "smod": lambda: abs(x) % abs(y) * (-1 if x < 0 else 1) if y else x,
        "lsh": lambda: a << shift, "rsh": lambda: a >> shift, "arsh": lambda: x >> shift,
    }  # fmt: skip
    return results[operation]() & mask


edges = st.sampled_from([0, 1, 2, 7, 8, 63, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1,
                         1 << 63, U64_MAX - 1, U64_MAX])
words = st.one_of(edges, st.integers(0, 300), st.integers(0, U64_MAX), st.integers(-300, -1).map(lambda n: n & U64_MAX))
members = st.lists(words, min_size=1, max_size=4)


def hull(of: list[int]) -> Scalar:
    """Return the smallest set that the domain has for these words."""
    found = scalar.constant(of[0])
    for word in of[1:]:
        found = scalar.join(found, scalar.constant(word))
    reduced = scalar.reduce(*found)
    assert reduced is not None
    return reduced


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=60, deadline=None)
@given(members, members)
def test_every_result_is_in_the_set_of_results(operation: str, left: list[int], right: list[int]) -> None:
    """64-bit and 32-bit operations on sets contain the operation on every pair of members."""
    wide = arithmetic.ALU64[operation](hull(left), hull(right))
    narrow = arithmetic.ALU32[operation](hull(left), hull(right))
    for a in left:
        for b in right:
            assert wide.contains(machine(operation, a, b, 64))
            assert narrow.contains(machine(operation, a, b, 32))


@settings(max_examples=200, deadline=None)
@given(members, st.sampled_from([8, 16, 32]))
def test_cutting_extending_and_swapping_keep_every_member(of: list[int], width: int) -> None:
    """Truncation, sign extension and byte swap."""
    known = hull(of)
    for word in of:
        low = word & ((1 << width) - 1)
        assert arithmetic.truncate(known, width).contains(low)
        assert arithmetic.sign_extend(known, width).contains(signed(word, width) & U64_MAX)
        swapped = int.from_bytes(low.to_bytes(width // 8, "little"), "big")
        assert arithmetic.byte_swap(known, width).contains(swapped)


@settings(max_examples=300, deadline=None)
@given(members, members)
def test_meet_keeps_common_members_and_join_all(left: list[int], right: list[int]) -> None:
    """A word in both sets is in their meet; a word in either is in their join."""
    a, b = hull(left), hull(right)
    both, either = scalar.meet(a, b), scalar.join(a, b)
    for word in left + right:
        assert either.contains(word)
        if a.contains(word) and b.contains(word):
            assert both is not None
            assert both.contains(word)


@settings(max_examples=200, deadline=None)
@given(members, words)
def test_inclusion_means_membership(of: list[int], word: int) -> None:
    """A set includes another only if it has its members."""
    known = hull(of)
    single = scalar.constant(word)
    assert known.includes(single) <= known.contains(word)
    assert scalar.join(known, single).includes(known)


def proved(claim: Any) -> bool:
    solver = z3.Solver()
    solver.add(z3.Not(claim))
    return bool(solver.check() == z3.unsat)


def test_sums_of_known_bits_are_proved() -> None:
    """For all words and all masks: if the operands agree with their known bits, so does the sum (and the difference).

    The formulas are those of `bits.add` and `bits.subtract`; nothing in them depends on the width, here 20 bits.
    """
    av, au, bv, bu, x, y = z3.BitVecs("av au bv bu x y", 20)
    fits = z3.And(av & au == 0, bv & bu == 0, x & ~au == av, y & ~bu == bv)
    smallest = av + bv
    unknown = (smallest ^ (smallest + au + bu)) | au | bu
    assert proved(z3.Implies(fits, (x + y) & ~unknown == smallest & ~unknown))
    difference = av - bv
    unknown = ((difference + au) ^ (difference - bu)) | au | bu
    assert proved(z3.Implies(fits, (x - y) & ~unknown == difference & ~unknown))


@settings(max_examples=200, deadline=None)
@given(words, words, words, words)
def test_the_proved_formulas_are_the_ones_in_use(value: int, unknown: int, other: int, mask: int) -> None:
    """64-bit vectors and Python's integers agree on `bits.add` and `bits.subtract`."""
    a, b = (value & ~unknown & U64_MAX, unknown), (other & ~mask & U64_MAX, mask)
    smallest = (a[0] + b[0]) & U64_MAX
    spread = ((smallest ^ (smallest + a[1] + b[1])) | a[1] | b[1]) & U64_MAX
    assert bits.add(a, b) == (smallest & ~spread, spread)
    difference = (a[0] - b[0]) & U64_MAX
    spread = (((difference + a[1]) ^ (difference - b[1])) | a[1] | b[1]) & U64_MAX
    assert bits.subtract(a, b) == (difference & ~spread, spread)


def test_shared_leading_bits_of_two_bounds_are_proved_known() -> None:
    """A number between two others has every bit above the highest one in which they differ (`bits.of_range`)."""
    lo, hi, x, shift = z3.BitVecs("lo hi x shift", 64)
    claim = z3.Implies(
        z3.And(z3.ULE(lo, x), z3.ULE(x, hi), z3.ULT(shift, 64), z3.LShR(lo, shift) == z3.LShR(hi, shift)),
        z3.LShR(x, shift) == z3.LShR(lo, shift),
    )
    assert proved(claim)


@pytest.mark.parametrize("operation", ["and", "or", "xor"])
def test_bounds_of_bitwise_operations_are_proved(operation: str) -> None:
    """x & y is at most either, x | y at least either and below the next power of two, as is x ^ y. On 16 bits."""
    x, y, top = z3.BitVecs("x y top", 16)
    below = z3.And(z3.ULE(x, top), z3.ULE(y, top), top & (top + 1) == 0)
    claim = {
        "and": z3.And(z3.ULE(x & y, x), z3.ULE(x & y, y)),
        "or": z3.And(z3.UGE(x | y, x), z3.UGE(x | y, y), z3.Implies(below, z3.ULE(x | y, top))),
        "xor": z3.Implies(below, z3.ULE(x ^ y, top)),
    }[operation]
    assert proved(claim)


@settings(max_examples=300, deadline=None)
@given(st.integers(-(1 << 66), 1 << 66), st.integers(0, 1 << 65), st.integers(0, 1 << 65))
def test_wrapping_a_range_keeps_its_members(lo: int, length: int, at: int) -> None:
    """Bringing an exact range back into 64 bits never loses a member, in either reading."""
    hi, member = lo + length, lo + min(at, length)
    low, high = wrap_unsigned(lo, hi)
    assert low <= member & U64_MAX <= high
    low, high = wrap_signed(lo, hi)
    assert low <= signed(member) <= high
