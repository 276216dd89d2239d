"""Make one state that stands for everything two states stand for.

Symbols are joined in pairs: (symbol of a, symbol of b, difference of the constants) becomes one new symbol, so values
that move together keep doing so. `r1 = s, r2 = s + 8` joined with `r1 = t, r2 = t + 8` is `r1 = u, r2 = u + 8`.
"""

from __future__ import annotations

from collections.abc import Callable

from tracerd.verifier.domains import scalar
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN
from tracerd.verifier.domains.scalar import Scalar
from tracerd.verifier.facts import Facts
from tracerd.verifier.frame import Frame
from tracerd.verifier.recompute import recompute
from tracerd.verifier.state import State
from tracerd.verifier.symbols import SCALE, Definition
from tracerd.verifier.values import (
    LENGTH,
    MAP_VALUE,
    MAP_VALUE_OR_NULL,
    MIXED_KINDS,
    NOTHING,
    NUMBER,
    RECORD,
    RECORD_OR_NULL,
    WORD,
    ZERO_SYMBOL,
    Value,
    number,
    signed_constant,
    symbolic,
)

NO_REGION = -1
"""Stands for null where identities are paired."""

Widen = Callable[[Scalar, Scalar], Scalar]


def joinable(a: State, b: State) -> bool:
    """True if the states hold equally many ring records, each still reachable: no reference may get lost in a join."""
    return len(a.records) == len(b.records)


def join(
    a: State, b: State, widen: Widen | None = None, *, plain: bool = False, loop: bool = False
) -> State | None:
    """Return a state that includes both, or None if their ring records do not correspond.

    With `widen`, a is the earlier state of a loop head: bounds that grew jump, differences that shrank are dropped.
    `plain` also drops definitions and differences, so that a loop that will not settle does. At a `loop` head
    differences between any two registers are tried: a counter and its bound may never have been compared before.
    """
    return _Joiner(a, b, widen, plain, loop).result()


class _Joiner:
    def __init__(self, a: State, b: State, widen: Widen | None, plain: bool, loop: bool) -> None:
        self.a, self.b, self.widen, self.plain, self.loop = a, b, widen, plain, loop
        self.table = a.facts.symbols
        self.out = a.copy()
        self.facts = Facts(self.table)
        self.out.facts = self.facts
        # (symbol of a, symbol of b, difference) -> (new symbol, what it is above a's symbol)
        self.pairs: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.regions: dict[tuple[int, int], int] = {}
        self._pair_scalar(LENGTH, LENGTH, 0, LENGTH, 0)

    def result(self) -> State | None:
        a, b, out = self.a, self.b, self.out
        out.regs = [self._value(x, y) for x, y in zip(a.regs, b.regs, strict=True)]
        for depth, (f, g) in enumerate(zip(a.frames, b.frames, strict=True)):
            out.frames[depth] = self._frame(f, g)
        out._own = (1 << len(out.frames)) - 1
        out.marks = {key: self._value(x, b.marks[key]) for key, x in a.marks.items() if key in b.marks}
        records = self._records()
        if records is None:
            return None
        out.records = records
        if not self.plain:
            self._computed()
            self._order()
        return out

    # Values

    def _value(self, x: Value, y: Value) -> Value:
        if x.kind == NOTHING or y.kind == NOTHING:
            return x if x.kind == NOTHING else y
        if x.kind != y.kind:
            return self._nullable(x, y)
        kind, region = x.kind, x.region
        if kind in (MAP_VALUE, MAP_VALUE_OR_NULL, RECORD, RECORD_OR_NULL):
            if self.table.regions[x.region] != self.table.regions[y.region]:
                return MIXED_KINDS
            region = self._region(x.region, y.region)
        elif x.region != y.region:
            return MIXED_KINDS
        symbol, constant = self._pair(x, y)
        return Value(kind, region, symbol, constant)

    def _nullable(self, x: Value, y: Value) -> Value:
        """Null or a pointer to an element, on different paths: an element or null, until it is checked."""
        pointer, other = (x, y) if x.kind in (MAP_VALUE, MAP_VALUE_OR_NULL) else (y, x)
        null = other.kind == NUMBER and other.symbol == other.constant == 0
        either = {x.kind, y.kind} == {MAP_VALUE, MAP_VALUE_OR_NULL}
        if not (null or either) or pointer.kind not in (MAP_VALUE, MAP_VALUE_OR_NULL):
            return MIXED_KINDS
        if pointer.symbol or pointer.constant or other.symbol or other.constant:
            return MIXED_KINDS
        if either and self.table.regions[x.region] != self.table.regions[y.region]:
            return MIXED_KINDS
        first, second = x.region, y.region
        if null:
            first, second = (first, NO_REGION) if pointer is x else (NO_REGION, second)
        region = self._region(first, second)
        return Value(MAP_VALUE_OR_NULL, region, ZERO_SYMBOL, 0)

    def _region(self, x: int, y: int) -> int:
        """Pair identities like symbols: one new identity per pair."""
        if x == y:
            return x
        key = (x, y)
        found = self.regions.get(key)
        if found is None:
            found = self.regions[key] = self.table.region(self.table.regions[max(x, y)])
        return found

    def _pair(self, x: Value, y: Value) -> tuple[int, int]:
        """Return symbol and constant of the joined value."""
        difference = (y.constant - x.constant) & WORD
        if x.symbol == y.symbol and not difference and not (self.plain and x.symbol > LENGTH):
            if x.symbol not in self.facts.scalars:
                self._pair_scalar(x.symbol, x.symbol, 0, x.symbol, 0)
                self.pairs[x.symbol, x.symbol, 0] = (x.symbol, 0)
            return x.symbol, x.constant
        key = (x.symbol, y.symbol, difference)
        found = self.pairs.get(key)
        if found is None:
            above = x.constant if x.symbol == ZERO_SYMBOL else 0
            symbol = self.table.fresh()
            found = self.pairs[key] = (symbol, above)
            self._pair_scalar(x.symbol, y.symbol, difference, symbol, above)
        symbol, above = found
        return symbol, (x.constant - above) & WORD

    def _pair_scalar(self, x: int, y: int, difference: int, symbol: int, above: int) -> None:
        """sigma(symbol) is sigma(x) + above in a, and sigma(y) + above + difference in b."""
        first = self.a.facts.scalar(symbolic(x, above))
        second = self.b.facts.scalar(symbolic(y, above + difference))
        self.facts.scalars[symbol] = self._together(first, second)

    def _together(self, first: Scalar, second: Scalar) -> Scalar:
        hull = scalar.join(first, second)
        return hull if self.widen is None or hull == first else self.widen(first, hull)

    # Stack and references

    def _frame(self, f: Frame, g: Frame) -> Frame:
        """Bytes readable in both; cells where both have one of that size; a pointer against bytes is unreadable."""
        x, y = f.saved, g.saved
        r6, r7, r8, r9 = (self._value(p, q) for p, q in zip(x, y, strict=True))
        out = Frame((r6, r7, r8, r9))
        out.init = f.init & g.init & ~(f.pointer_mask() | g.pointer_mask())
        for offset, cell in f.cells.items():
            other = g.cells.get(offset)
            second: Value | None = None
            if other is not None and other.size == cell.size:
                second = other.value
            elif cell.value.kind == NUMBER and not g.pointers_in(offset, cell.size):
                constant = g.constant_at(offset, cell.size)
                second = None if constant is None else number(constant)
            if second is not None:
                value = self._value(cell.value, second)
                if value.kind != NOTHING:
                    out.store(offset, cell.size, value)
        return out

    def _records(self) -> tuple[int, ...] | None:
        """Every record of a must be paired with one of b by some value, else a reference would be lost."""
        found = []
        mine, yours = set(self.a.records), set(self.b.records)
        if len(mine) != len(yours):
            return None
        joined = {(x, y): region for (x, y), region in self.regions.items() if x in mine and y in yours}
        for record in mine & yours:
            joined.setdefault((record, record), record)
        for x in mine:
            partners = [(pair, region) for pair, region in joined.items() if pair[0] == x]
            if len(partners) != 1:
                return None
            found.append(partners[0][1])
            yours.discard(partners[0][0][1])
        return tuple(found) if not yours else None

    # Facts about pairs

    def _computed(self) -> None:
        """Keep definitions that are true on both sides.

        For a pair that is a computation in a, do the same computation on the paired operands' halves in b. If b's half
        of the pair is what comes out, the definition holds for the new symbols.
        """
        place = {x: (symbol, y, difference) for (x, y, difference), (symbol, _) in self.pairs.items() if x}
        for (x, y, difference), (symbol, above) in list(self.pairs.items()):
            definition = self.a.facts.definition(x) if x else None
            if definition is None or above:
                continue
            first, second = place.get(definition.first), place.get(definition.second)
            if (first is None and definition.first) or (second is None and definition.second):
                continue
            value = recompute(
                self.b,
                definition,
                _half(first, definition.first_constant),
                _half(second, definition.second_constant),
            )
            if (value.symbol, value.constant) == (y, difference):
                self._define(symbol, definition, first[0] if first else 0, second[0] if second else 0)
        self._multiples()

    def _define(self, symbol: int, definition: Definition, first: int, second: int) -> None:
        if symbol in self.table.definitions:
            return
        if symbol in (first, second) or first == second == ZERO_SYMBOL:
            return
        self.table.define(
            symbol,
            Definition(
                definition.operation, first, definition.first_constant, second, definition.second_constant,
                definition.parameter,
            ),
        )  # fmt: skip

    def _multiples(self) -> None:
        """Two constants that moved in proportion, by d and by m × d: the second is m × the first.

        With sigma(u) in {p, p + d} and sigma(v) in {q, q + m × d}: sigma(v) − q = m × (sigma(u) − p) on both sides. It
        can be written as a definition if q = m × p.
        """
        steps = [
            (symbol, above, difference)
            for (x, y, difference), (symbol, above) in self.pairs.items()
            if x == y == ZERO_SYMBOL and difference
        ]
        for u, p, d in steps:
            for v, q, e in steps:
                factor = _ratio(e, d)
                if u != v and factor is not None and q == p * factor & WORD and v not in self.table.definitions:
                    self.table.define(v, Definition(SCALE, u, 0, parameter=factor))
                    break

    def _order(self) -> None:
        """Keep differences that both sides prove. Candidates are those that either side has."""
        place: dict[int, list[tuple[int, int, int]]] = {}
        back: dict[int, list[tuple[int, int, int]]] = {}
        for (x, y, difference), (symbol, above) in self.pairs.items():
            place.setdefault(x, []).append((symbol, y, above + difference))
            back.setdefault(y, []).append((symbol, x, above))
        place.setdefault(LENGTH, []).append((LENGTH, LENGTH, 0))
        back.setdefault(LENGTH, []).append((LENGTH, LENGTH, 0))
        halves = {s: (x, above, y, above + difference) for (x, y, difference), (s, above) in self.pairs.items()}
        halves[LENGTH] = (LENGTH, 0, LENGTH, 0)
        candidates = {
            (u[0], v[0])
            for order, index in ((self.a.facts.order, place), (self.b.facts.order, back))
            for p, q in order
            for u in index.get(p, ())
            for v in index.get(q, ())
        }
        if self.loop:
            held = {value.symbol for value in self.out.regs if value.kind == NUMBER and value.symbol in halves}
            candidates |= {(u, v) for u in held for v in held}
        for u, v in candidates:
            if u == v or ZERO_SYMBOL in (u, v):
                continue
            self._difference(u, v, halves[u], halves[v])

    def _difference(self, u: int, v: int, p: tuple[int, int, int, int], q: tuple[int, int, int, int]) -> None:
        first = _distance(self.a.facts, p[0], p[1], q[0], q[1])
        second = _distance(self.b.facts, p[2], p[3], q[2], q[3])
        if first is None or second is None:
            return
        both = min(first, second)
        if self.widen is not None and both < first:
            if both < 0:
                return
            both = 0
        known = self.facts.scalars
        if both > known[v].slo - known[u].shi:
            self.facts.order[u, v] = both


def _half(place: tuple[int, int, int] | None, constant: int) -> Value:
    """Return b's half of a pair, plus a constant: sigma(new) is sigma(y) + difference there."""
    return symbolic(place[1], place[2] + constant) if place else number(constant)


def _ratio(e: int, d: int) -> int | None:
    """Return m >= 2 with e = m × d for small steps read as signed, or None."""
    x, y = signed_constant(number(e)), signed_constant(number(d))
    if abs(x) > 1 << 31 or abs(y) > 1 << 31 or x % y or x // y < 2:
        return None
    return x // y


def _distance(facts: Facts, x: int, above: int, y: int, over: int) -> int | None:
    """Return the largest proved c with (sigma(x) + above) + c <= sigma(y) + over, if neither sum wraps."""
    u, v = symbolic(x, above), symbolic(y, over)
    for value in (u, v):
        low, high = facts.integers(value)
        if low < S64_MIN or high > S64_MAX:
            return None
    best = facts.distance(x, y)
    return None if best is None else best + signed_constant(v) - signed_constant(u)
