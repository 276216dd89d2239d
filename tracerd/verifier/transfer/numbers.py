"""The machine's arithmetic on numbers that are symbols plus constants.

Everything is brought to 64-bit operations, the low half and sign extension, so that equal computations get equal
symbols. All equalities below hold modulo 2**64; where a rule needs more, it says what.
"""

from __future__ import annotations

from collections.abc import Callable

from tracerd.verifier.domains import arithmetic, scalar
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN, U32_MAX, U64, U64_MAX
from tracerd.verifier.facts import Facts
from tracerd.verifier.symbols import LOW32, SCALE, SEXT, Definition
from tracerd.verifier.values import ZERO_SYMBOL, Value, number, symbolic

Operation = Callable[[Facts, Value, Value], Value]


def low32(facts: Facts, a: Value) -> Value:
    """Return the zero-extended low half. A number that fits is its own low half, so copies keep sharing its symbol.

    The low half of a sum depends on the low halves of its parts, so the constant counts modulo 2**32, and the low half
    of a low half or of a 32-bit sign extension plus a constant is that of the original plus the constants.
    """
    if a.symbol == ZERO_SYMBOL:
        return number(a.constant & U32_MAX)
    known = facts.scalar(a)
    if known.uhi <= U32_MAX:
        return a
    narrow = arithmetic.truncate(known, 32)
    symbol, by = a.symbol, a.constant
    inner = facts.definition(symbol)
    if inner is not None and (inner.operation == LOW32 or (inner.operation == SEXT and inner.parameter == 32)):
        symbol, by = inner.first, by + inner.first_constant
        if not by & U32_MAX and facts.scalars[symbol].uhi <= U32_MAX:
            facts.refine(symbol, narrow)
            return symbolic(symbol)
    return facts.derive(Definition(LOW32, symbol, by & U32_MAX), narrow)


def low_bytes(facts: Facts, a: Value, size: int) -> Value:
    """Return the low `size` bytes, zero-extended."""
    if size == 8:
        return a
    return low32(facts, a) if size == 4 else conjunction(facts, a, number((1 << 8 * size) - 1))


def sign_extend(facts: Facts, a: Value, width: int) -> Value:
    """Read the low bits as a signed number. One that already is in that range stays itself."""
    known = facts.scalar(a)
    if a.symbol == ZERO_SYMBOL:
        return number(arithmetic.sign_extend(known, width).ulo)
    half = 1 << (width - 1)
    if -half <= known.slo and known.shi < half:
        return a
    if width == 32:
        a = low32(facts, a)
        known = facts.scalar(a)
        if known.uhi < half:
            return a
    return facts.derive(
        Definition(SEXT, a.symbol, a.constant, parameter=width), arithmetic.sign_extend(known, width)
    )


def add(facts: Facts, a: Value, b: Value) -> Value:
    """(s + c) + (t + d) = (s + t) + (c + d)."""
    if b.symbol == ZERO_SYMBOL:
        return symbolic(a.symbol, a.constant + b.constant)
    if a.symbol == ZERO_SYMBOL:
        return symbolic(b.symbol, a.constant + b.constant)
    by = a.constant + b.constant
    if a.symbol == b.symbol:
        return scale(facts, symbolic(a.symbol), 2).moved(by)
    for x, y in ((a, b), (b, a)):
        inner = facts.definition(x.symbol)
        if inner is not None and inner.operation == "sub" and inner.second == y.symbol:
            return symbolic(inner.first, by)   # (s − t) + t = s
    first, second = sorted((a.symbol, b.symbol))
    known = arithmetic.add(facts.scalars[first], facts.scalars[second])
    return facts.derive(Definition("add", first, 0, second, 0), known).moved(by)


def subtract(facts: Facts, a: Value, b: Value) -> Value:
    """(s + c) − (t + d) = (s − t) + (c − d), with what is known of the difference of s and t.

    A proved t + n <= s holds for plain integers, so it bounds the machine's difference only if that does not leave
    the signed 64 bits.
    """
    by = a.constant - b.constant
    if a.symbol == b.symbol:
        return number(by)
    if b.symbol == ZERO_SYMBOL:
        return symbolic(a.symbol, by)
    if a.symbol == ZERO_SYMBOL:
        return scale(facts, symbolic(b.symbol), U64_MAX).moved(by)
    inner = facts.definition(a.symbol)
    if inner is not None and inner.operation == "add" and b.symbol in (inner.first, inner.second):
        return symbolic(inner.second if inner.first == b.symbol else inner.first, by)   # (s + t) − t = s
    x, y = facts.scalars[a.symbol], facts.scalars[b.symbol]
    known = arithmetic.subtract(x, y)
    low, high = x.slo - y.shi, x.shi - y.slo
    if low >= S64_MIN and high <= S64_MAX:
        above, below = facts.distance(b.symbol, a.symbol), facts.distance(a.symbol, b.symbol)
        low = low if above is None else max(low, above)
        high = high if below is None else min(high, -below)
        if low <= high:
            known = scalar.meet(known, scalar.signed_range(low, high)) or known
    return facts.derive(Definition("sub", a.symbol, 0, b.symbol, 0), known).moved(by)


def scale(facts: Facts, a: Value, by: int) -> Value:
    """(s + c) × m = s × m + c × m, and multiples of multiples multiply."""
    by %= U64
    if a.symbol == ZERO_SYMBOL or by == 0:
        return number(a.constant * by)
    if by == 1:
        return a
    symbol, factor = a.symbol, by
    known = arithmetic.multiply(facts.scalars[symbol], scalar.constant(by))
    inner = facts.definition(symbol)
    if inner is not None and inner.operation == SCALE:
        symbol, factor = inner.first, inner.parameter * by % U64
        if factor in (0, 1):
            return symbolic(symbol if factor else ZERO_SYMBOL, a.constant * by)
    return facts.derive(Definition(SCALE, symbol, 0, parameter=factor), known).moved(a.constant * by)


def multiply(facts: Facts, a: Value, b: Value) -> Value:
    for x, y in ((a, b), (b, a)):
        constant = facts.constant(y)
        if constant is not None:
            return scale(facts, x, constant)
    return _generic("mul", facts, a, b)


def conjunction(facts: Facts, a: Value, b: Value) -> Value:
    """A mask that covers every bit that may be set changes nothing; 0xffffffff takes the low half."""
    for x, y in ((a, b), (b, a)):
        mask = facts.constant(y)
        if mask is None:
            continue
        known = facts.scalar(x)
        if not (known.value | known.unknown) & ~mask:
            return x
        if mask == U32_MAX:
            return low32(facts, x)
        return _generic("and", facts, x, number(mask))
    return a if a == b else _generic("and", facts, a, b)


def disjunction(facts: Facts, a: Value, b: Value) -> Value:
    """Where no bit can be set on both sides nothing carries, so | is +."""
    x, y = facts.scalar(a), facts.scalar(b)
    if not (x.value | x.unknown) & (y.value | y.unknown):
        return add(facts, a, b)
    return a if a == b else _generic("or", facts, a, b)


def exclusive(facts: Facts, a: Value, b: Value) -> Value:
    if a == b:
        return number(0)
    x, y = facts.scalar(a), facts.scalar(b)
    if not (x.value | x.unknown) & (y.value | y.unknown):
        return add(facts, a, b)
    return _generic("xor", facts, a, b)


def divide(facts: Facts, a: Value, b: Value) -> Value:
    """By a power of two, unsigned division is a shift."""
    by = facts.constant(b)
    if by and by & (by - 1) == 0:
        return shift_right(facts, a, number(by.bit_length() - 1))
    return _generic("div", facts, a, b)


def modulo(facts: Facts, a: Value, b: Value) -> Value:
    """A dividend below the divisor stays; modulo a power of two is a mask."""
    by = facts.constant(b)
    if by and by & (by - 1) == 0:
        return conjunction(facts, a, number(by - 1))
    if facts.scalar(a).uhi < facts.scalar(b).ulo:
        return a
    return _generic("mod", facts, a, b)


def shift_left(facts: Facts, a: Value, b: Value) -> Value:
    by = facts.constant(b)
    return _generic("lsh", facts, a, b) if by is None else scale(facts, a, 1 << (by & 63))


def shift_right(facts: Facts, a: Value, b: Value) -> Value:
    """x << k >> k keeps the low 64 − k bits of x: how compilers zero-extend."""
    by = facts.constant(b)
    if by is None:
        return _generic("rsh", facts, a, b)
    by &= 63
    if not by:
        return a
    unshifted = _unshifted(facts, a, by)
    if unshifted is not None:
        return conjunction(facts, unshifted, number((1 << (64 - by)) - 1))
    return _generic("rsh", facts, a, number(by))


def shift_right_arithmetic(facts: Facts, a: Value, b: Value) -> Value:
    """x << k s>> k sign-extends the low 64 − k bits of x."""
    by = facts.constant(b)
    if by is None:
        return _generic("arsh", facts, a, b)
    by &= 63
    if not by:
        return a
    unshifted = _unshifted(facts, a, by)
    if unshifted is not None:
        return sign_extend(facts, unshifted, 64 - by)
    return _generic("arsh", facts, a, number(by))


def _unshifted(facts: Facts, a: Value, by: int) -> Value | None:
    """If a = (s + c) << by, return s + c (any c with the right low bits will do: what is cut off does not matter)."""
    if a.symbol == ZERO_SYMBOL or a.constant & ((1 << by) - 1):
        return None
    inner = facts.definition(a.symbol)
    if inner is None or inner.operation != SCALE or inner.parameter != 1 << by:
        return None
    return symbolic(inner.first, a.constant >> by)


def divide_signed(facts: Facts, a: Value, b: Value) -> Value:
    return _generic("sdiv", facts, a, b)


def modulo_signed(facts: Facts, a: Value, b: Value) -> Value:
    return _generic("smod", facts, a, b)


def byte_swap(facts: Facts, a: Value, width: int) -> Value:
    """Reverse the bytes of the low `width` bits. Not numbered: compilers seldom swap the same word twice."""
    return facts.fresh(arithmetic.byte_swap(facts.scalar(a), width))


def _generic(operation: str, facts: Facts, a: Value, b: Value) -> Value:
    """Number a computation that has no rule of its own, with what the operands' sets say about it."""
    known = arithmetic.ALU64[operation](facts.scalar(a), facts.scalar(b))
    return facts.derive(Definition(operation, a.symbol, a.constant, b.symbol, b.constant), known)


WIDE: dict[str, Operation] = {
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


def narrow(operation: str, facts: Facts, a: Value, b: Value) -> Value:
    """Do a 32-bit operation: the low half of the 64-bit one on suitable operands (see `domains.arithmetic.ALU32`).

    Sums need no narrowing first, their low half depends on the operands' low halves alone; keeping the wide operands
    lets `w1 += 1` share r1's symbol where nothing overflows.
    """
    if operation in ("add", "sub"):
        a, b = low32(facts, a), low32(facts, b)
        if b.symbol == ZERO_SYMBOL:
            b = number(b.constant - (1 << 32) if b.constant >> 31 else b.constant)
        return low32(facts, WIDE[operation](facts, a, b))
    if operation in ("sdiv", "smod"):
        return low32(facts, WIDE[operation](facts, sign_extend(facts, a, 32), sign_extend(facts, b, 32)))
    if operation in ("lsh", "rsh", "arsh"):
        by = facts.constant(b)
        if by is None:
            known = arithmetic.ALU32[operation](facts.scalar(a), facts.scalar(b))
            return facts.fresh(known)
        a = sign_extend(facts, a, 32) if operation == "arsh" else low32(facts, a)
        return low32(facts, WIDE[operation](facts, a, number(by & 31)))
    return low32(facts, WIDE[operation](facts, low32(facts, a), low32(facts, b)))
