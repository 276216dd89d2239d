"""Decide whether one state stands for no more concrete states than another.

`included(a, b)` looks for a reading of b's symbols and identities in terms of a's: each symbol of b becomes a symbol of
a plus a constant. If under that reading every value agrees and every fact of b follows from a's facts, then every
assignment for a gives one for b. Symbols of b that no value mentions may be anything. False is always a safe answer.
"""

from __future__ import annotations

from tracerd.verifier.domains import scalar
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN
from tracerd.verifier.facts import moved
from tracerd.verifier.frame import Frame
from tracerd.verifier.recompute import recompute
from tracerd.verifier.state import State
from tracerd.verifier.symbols import Definition, Symbols
from tracerd.verifier.values import (
    LENGTH,
    MAP_VALUE,
    MAP_VALUE_OR_NULL,
    NOTHING,
    NUMBER,
    RECORD,
    RECORD_OR_NULL,
    WORD,
    ZERO_SYMBOL,
    Value,
    signed_constant,
    symbolic,
)

IDENTIFIED = frozenset({MAP_VALUE, MAP_VALUE_OR_NULL, RECORD, RECORD_OR_NULL})
NULL_REGION = -1


def included(a: State, b: State) -> bool:
    """True if every concrete state of `a` is one of `b`. Both are at the same node."""
    return len(a.records) == len(b.records) and not _differ_plainly(a, b) and _Reading(a, b).holds()


def _differ_plainly(a: State, b: State) -> bool:
    """True if some register or cell rules inclusion out at first sight: most candidates end here."""
    for x, y in zip(a.regs, b.regs, strict=True):
        known = x is not y and y.kind != NOTHING and not y.symbol
        if known and (x.symbol or (x.constant != y.constant and y.kind == x.kind)):
            return True
    f, g = a.frames[-1], b.frames[-1]
    if g.init & ~f.init:
        return True
    if f is not g:
        for offset, cell in g.cells.items():
            if not cell.value.symbol:
                own = f.cells.get(offset)
                if own is not None and own != cell and own.size == cell.size and cell.value.kind == NUMBER:
                    return True
    return False


class _Reading:
    """b's symbols and identities in terms of a's, built up while values are compared."""

    def __init__(self, a: State, b: State) -> None:
        self.a, self.b = a, b
        self.symbols: dict[int, tuple[int, int]] = {ZERO_SYMBOL: (ZERO_SYMBOL, 0), LENGTH: (LENGTH, 0)}
        self.regions: dict[int, int] = {}

    def holds(self) -> bool:
        a, b = self.a, self.b
        for x, y in zip(a.regs, b.regs, strict=True):
            if not self._value(x, y):
                return False
        for f, g in zip(a.frames, b.frames, strict=True):
            if not self._frame(f, g):
                return False
        for key, y in b.marks.items():
            mark = a.marks.get(key)
            if mark is None or not self._value(mark, y):
                return False
        return self._records() and self._scalars() and self._definitions() and self._order()

    def _value(self, x: Value, y: Value) -> bool:
        """True if x can be read as y."""
        kind = y.kind
        if kind == NOTHING:
            return True
        if x.kind != kind:
            if kind != MAP_VALUE_OR_NULL:
                return False
            if x.kind == NUMBER:
                return x.symbol == x.constant == 0 and self.regions.setdefault(y.region, NULL_REGION) == NULL_REGION
            if x.kind != MAP_VALUE:
                return False
        if kind in IDENTIFIED:
            table: Symbols = self.a.facts.symbols
            if table.regions[x.region] != table.regions[y.region]:
                return False
            if self.regions.setdefault(y.region, x.region) != x.region:
                return False
        elif x.region != y.region:
            return False
        wanted = (x.symbol, (x.constant - y.constant) & WORD)
        return self.symbols.setdefault(y.symbol, wanted) == wanted

    def _frame(self, f: Frame, g: Frame) -> bool:
        """Every byte that b may read is readable in a, as a value of b's kind; no pointer where b has numbers."""
        if g.init & ~f.init:
            return False
        for x, y in zip(f.saved, g.saved, strict=True):
            if not self._value(x, y):
                return False
        for offset, cell in g.cells.items():
            own = f.cells.get(offset)
            if own is None or own.size != cell.size:
                if cell.value.kind != NUMBER or f.pointers_in(offset, cell.size):
                    return False
                constant = f.constant_at(offset, cell.size)
                if constant is not None:
                    if not self._value(Value(NUMBER, 0, ZERO_SYMBOL, constant), cell.value):
                        return False
                elif not self._free(cell.value, cell.size):
                    return False
            elif not self._value(own.value, cell.value):
                return False
        unheld = g.init & ~g.held
        return not unheld or not unheld & f.pointer_mask()

    def _free(self, y: Value, size: int) -> bool:
        """True if y, seen here only, stands for every number of that size."""
        if y.symbol in self.symbols or y.constant:
            return False
        fresh = self.a.facts.fresh(scalar.of_size(size))
        self.symbols[y.symbol] = (fresh.symbol, 0)
        return True

    def _records(self) -> bool:
        """The same records are held."""
        return {self.regions.get(region) for region in self.b.records} == set(self.a.records)

    def _scalars(self) -> bool:
        known = self.a.facts.scalars
        for symbol, bound in self.b.facts.scalars.items():
            place = self.symbols.get(symbol)
            if place is None:
                place = self._computed(symbol)
                if place is None:
                    continue
            if not bound.includes(moved(known[place[0]], place[1])):
                return False
        return True

    def _computed(self, symbol: int) -> tuple[int, int] | None:
        """Read a symbol that only a definition ties to the values: as the same computation on a's side."""
        definition = self.b.facts.definition(symbol)
        if definition is None:
            return None
        place = self._counterpart(definition)
        if place is not None:
            self.symbols[symbol] = place
        return place

    def _counterpart(self, definition: Definition) -> tuple[int, int] | None:
        """Return the symbol and constant that a definition of b has in a, making it if a has not computed it."""
        first, second = self.symbols.get(definition.first), self.symbols.get(definition.second)
        if first is None or second is None:
            return None
        x = symbolic(first[0], first[1] + definition.first_constant)
        y = symbolic(second[0], second[1] + definition.second_constant)
        value = recompute(self.a, definition, x, y)
        return value.symbol, value.constant

    def _definitions(self) -> bool:
        """Every definition that counts in b is true of the readings."""
        scalars = self.b.facts.scalars
        table = self.b.facts.symbols.definitions
        for symbol in scalars:
            definition = table.get(symbol)
            if definition is None or definition.first not in scalars or definition.second not in scalars:
                continue
            place = self.symbols.get(symbol)
            if place is None or self._is_defined_so(place, definition):
                continue
            if self._counterpart(definition) != place:
                return False
        return True

    def _is_defined_so(self, place: tuple[int, int], definition: Definition) -> bool:
        """True if a's symbol has the same definition by name: doing it again may find a shorter name by now."""
        own = self.a.facts.definition(place[0])
        if own is None or place[1] or own.operation != definition.operation or own.parameter != definition.parameter:
            return False
        first, second = self.symbols.get(definition.first), self.symbols.get(definition.second)
        return (first, second) == ((own.first, own.first_constant - definition.first_constant),
                                   (own.second, own.second_constant - definition.second_constant))

    def _order(self) -> bool:
        """sigma(x) + c <= sigma(y) for the readings, in plain integers, if neither reading wraps."""
        facts = self.a.facts
        for (x, y), by in self.b.facts.order.items():
            p, q = self.symbols.get(x), self.symbols.get(y)
            if p is None or q is None:
                continue
            u, v = symbolic(*p), symbolic(*q)
            for value in (u, v):
                low, high = facts.integers(value)
                if low < S64_MIN or high > S64_MAX:
                    return False
            if not facts.proves(p[0], by + signed_constant(u) - signed_constant(v), q[0]):
                return False
        return True
