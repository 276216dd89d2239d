"""What a conditional jump teaches on each side.

Conditions are brought to six forms: ==, !=, unsigned < and <=, signed < and <=, and the two of `jset`; the others swap
operands. Each side is a state, or None if no concrete state takes it.
"""

from __future__ import annotations

from tracerd.isa.instruction import (
    JEQ,
    JGE,
    JGT,
    JLE,
    JLT,
    JMP32,
    JNE,
    JSET,
    JSGE,
    JSGT,
    JSLE,
    JSLT,
    Instruction,
)
from tracerd.verifier.checks.arithmetic import NULLABLE, is_null
from tracerd.verifier.domains import scalar
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN, U64_MAX, to_signed
from tracerd.verifier.domains.scalar import Scalar
from tracerd.verifier.facts import Facts
from tracerd.verifier.state import State
from tracerd.verifier.transfer import numbers
from tracerd.verifier.transfer.arithmetic import second_operand
from tracerd.verifier.values import MAP_VALUE, NUMBER, PACKET, RECORD, STACK, Value, signed_constant

EQ, NE, LT, LE, SLT, SLE, SET, CLEAR = range(8)

_FORMS = {
    # operation: (form if taken, operands swapped)
    JEQ: (EQ, False), JNE: (NE, False), JLT: (LT, False), JLE: (LE, False), JSLT: (SLT, False), JSLE: (SLE, False),
    JGT: (LT, True), JGE: (LE, True), JSGT: (SLT, True), JSGE: (SLE, True), JSET: (SET, False),
}  # fmt: skip

_NEGATED = {
    # form: (form of the negation, operands swapped): not a < b is b <= a
    EQ: (NE, False), NE: (EQ, False), LT: (LE, True), LE: (LT, True), SLT: (SLE, True), SLE: (SLT, True),
    SET: (CLEAR, False),
}  # fmt: skip

FAR = 1 << 48
"""User-space addresses, and sums of one with an offset smaller than this, stay far from wrapping."""


def branch(state: State, instruction: Instruction) -> tuple[State | None, State | None]:
    """Return the states after a jump that is taken and after one that is not. `state` is used up."""
    a, b = state.regs[instruction.dst], second_operand(state, instruction)
    form, swapped = _FORMS[instruction.operation]
    if a.kind == NUMBER and b.kind == NUMBER and instruction.klass == JMP32:
        a, b = _halves(state.facts, a, b, form in (SLT, SLE))
    if swapped:
        a, b = b, a
    negated, turned = _NEGATED[form]
    c, d = (b, a) if turned else (a, b)
    decided = _decided(state, form, a, b)
    if decided is not None:
        return (state, None) if decided else (None, state)
    other = state.copy()
    taken = other if _assume(other, form, a, b) else None
    return taken, state if _assume(state, negated, c, d) else None


def _halves(facts: Facts, a: Value, b: Value, signed: bool) -> tuple[Value, Value]:
    """A 32-bit comparison is the 64-bit one of the operands' low halves, extended as it reads them."""
    a, b = numbers.low32(facts, a), numbers.low32(facts, b)
    return (numbers.sign_extend(facts, a, 32), numbers.sign_extend(facts, b, 32)) if signed else (a, b)


def _decided(state: State, form: int, a: Value, b: Value) -> bool | None:
    """Say what the intervals alone decide, so that most constant branches cost nothing."""
    if a.kind != NUMBER or b.kind != NUMBER:
        return None
    x, y = state.facts.scalar(a), state.facts.scalar(b)
    if form in (EQ, NE):
        if x.is_constant and y.is_constant:
            return (x.ulo == y.ulo) == (form == EQ)
        return (form == NE) if scalar.meet(x, y) is None else None
    if form == LT:
        return True if x.uhi < y.ulo else False if x.ulo >= y.uhi else None
    if form == LE:
        return True if x.uhi <= y.ulo else False if x.ulo > y.uhi else None
    if form == SLT:
        return True if x.shi < y.slo else False if x.slo >= y.shi else None
    if form == SLE:
        return True if x.shi <= y.slo else False if x.slo > y.shi else None
    if x.value & y.value:
        return True
    return False if not (x.value | x.unknown) & (y.value | y.unknown) else None


def _assume(state: State, form: int, a: Value, b: Value) -> bool:
    """Learn that the condition holds. False if it cannot."""
    if a.kind == NUMBER and b.kind == NUMBER:
        return _assume_numbers(state.facts, form, a, b)
    if is_null(a) or is_null(b):
        return _assume_null(state, form, b if is_null(a) else a)
    if a.kind == b.kind and a.region == b.region and a.kind in (PACKET, MAP_VALUE, RECORD, STACK):
        return _assume_pointers(state.facts, form, a, b)
    return True


def _assume_null(state: State, form: int, pointer: Value) -> bool:
    """A pointer against null. Objects are never at address 0, but the payload of an empty event may be."""
    if pointer.kind in NULLABLE:
        if form == EQ:
            state.set_null(pointer.region)
        elif form == NE:
            state.set_not_null(pointer.region)
        return True
    at_base = pointer.symbol == 0 and pointer.constant == 0 and pointer.kind != PACKET
    return not (form == EQ and at_base)


def _assume_numbers(facts: Facts, form: int, a: Value, b: Value) -> bool:
    x, y = facts.scalar(a), facts.scalar(b)
    if form == EQ:
        both = scalar.meet(x, y)
        if both is None or not facts.learn(a, both) or not facts.learn(b, both):
            return False
        return _relate(facts, a, b, 0, True) and _relate(facts, b, a, 0, True)
    if form == NE:
        return _assume_different(facts, a, b, x, y)
    if form in (LT, LE):
        gap = 1 if form == LT else 0
        if x.ulo + gap > y.uhi:
            return False
        below, above = scalar.unsigned_range(0, y.uhi - gap), scalar.unsigned_range(x.ulo + gap, U64_MAX)
        return facts.learn(a, below) and facts.learn(b, above) and _relate(facts, a, b, gap, False)
    if form in (SLT, SLE):
        gap = 1 if form == SLT else 0
        if x.slo + gap > y.shi:
            return False
        below, above = scalar.signed_range(S64_MIN, y.shi - gap), scalar.signed_range(x.slo + gap, S64_MAX)
        return facts.learn(a, below) and facts.learn(b, above) and _relate(facts, a, b, gap, True)
    return _assume_bits(facts, form, a, y.ulo) if y.is_constant else True


def _assume_different(facts: Facts, a: Value, b: Value, x: Scalar, y: Scalar) -> bool:
    """A constant that is the other's bound moves that bound; with a proved a <= b, different means a < b."""
    if x.is_constant and y.is_constant:
        return x.ulo != y.ulo
    for value, known, other in ((a, x, y), (b, y, x)):
        if other.is_constant:
            rest = _without(known, other.ulo)
            if rest is None or not facts.learn(value, rest):
                return False
    return _different_offsets(facts, a, b)


def _without(known: Scalar, word: int) -> Scalar | None:
    """Cut a word off the ends of the intervals."""
    ulo, uhi, slo, shi = known.ulo, known.uhi, known.slo, known.shi
    signed = to_signed(word)
    ulo, uhi = ulo + (ulo == word), uhi - (uhi == word)
    slo, shi = slo + (slo == signed), shi - (shi == signed)
    if ulo > uhi or slo > shi:
        return None
    return scalar.reduce(ulo, uhi, slo, shi, known.value, known.unknown)


def _different_offsets(facts: Facts, a: Value, b: Value) -> bool:
    """If sigma(a) + c <= sigma(b) is proved with exactly the c that would make them equal, c + 1 holds."""
    if a.symbol == b.symbol:
        return a.constant != b.constant
    if not _exact(facts, a, True) or not _exact(facts, b, True):
        return True
    gap = signed_constant(a) - signed_constant(b)
    for x, y, by in ((a.symbol, b.symbol, gap), (b.symbol, a.symbol, -gap)):
        if facts.distance(x, y) == by and not facts.relate(x, by + 1, y):
            return False
    return True


def _assume_bits(facts: Facts, form: int, a: Value, bits: int) -> bool:
    """`a & bits` is not 0 or is 0: if it is, all those bits are known; if not, only a single bit is."""
    if form == CLEAR:
        known = scalar.reduce(0, U64_MAX, S64_MIN, S64_MAX, 0, ~bits & U64_MAX)
    elif bits and bits & (bits - 1) == 0:
        known = scalar.reduce(0, U64_MAX, S64_MIN, S64_MAX, bits, ~bits & U64_MAX)
    else:
        return bits != 0
    return known is not None and facts.learn(a, known)


def _exact(facts: Facts, value: Value, signed: bool) -> bool:
    """True if the machine's word equals S(sigma) + S(constant) in plain integers, so comparisons of the two agree."""
    low, high = facts.integers(value)
    return high <= S64_MAX and low >= (S64_MIN if signed else 0)


def _relate(facts: Facts, a: Value, b: Value, gap: int, signed: bool) -> bool:
    """Keep a + gap <= b as a difference of the two symbols, if neither side wraps."""
    if not a.symbol or not b.symbol or not _exact(facts, a, signed) or not _exact(facts, b, signed):
        return True
    return facts.relate(a.symbol, signed_constant(a) - signed_constant(b) + gap, b.symbol)


def _assume_pointers(facts: Facts, form: int, a: Value, b: Value) -> bool:
    """Two addresses with one base, in [0, 2**48).

    == and != compare offsets modulo 2**64. For a < b: if b's offset is not below 0 its address does not wrap; a's may
    only wrap downwards, to a huge word, and then a < b is false. So a < b gives offset(a) < offset(b) in plain integers
    if both stay below 2**48 and offset(b) >= 0. A frame's top is at least 512 above 0, so there −512 will do.
    """
    (alo, ahi), (blo, bhi) = facts.integers(a), facts.integers(b)
    floor = -512 if a.kind == STACK else 0
    if form == NE:
        return _different_offsets(facts, a, b) if min(alo, blo) >= -FAR and max(ahi, bhi) <= FAR else True
    gap = signed_constant(a) - signed_constant(b)
    if form == EQ and min(alo, blo) >= -FAR and max(ahi, bhi) <= FAR:
        return facts.relate(a.symbol, gap, b.symbol) and facts.relate(b.symbol, -gap, a.symbol)
    if form in (LT, LE) and blo >= floor and bhi <= FAR and ahi <= FAR and alo >= -FAR:
        return facts.relate(a.symbol, gap + (form == LT), b.symbol)
    return True
