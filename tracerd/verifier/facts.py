"""What one state knows about its symbols: a set of possible numbers for each, and a few differences between two.

Invariant of a state: there is an assignment sigma of numbers to symbols that satisfies every scalar, every difference,
and every definition whose child and parents are all in `scalars`.
"""

from __future__ import annotations

from functools import lru_cache

from tracerd.verifier.definitions import evaluate, parents_from_child
from tracerd.verifier.domains import arithmetic, scalar
from tracerd.verifier.domains.interval import S64_MAX, S64_MIN, U64
from tracerd.verifier.domains.scalar import FULL, Scalar
from tracerd.verifier.symbols import Definition, Symbols
from tracerd.verifier.values import LENGTH, MAX_PACKET, WORD, ZERO_SYMBOL, Value, number, signed_constant, symbolic

MOST_STEPS = 24
"""Refinements that one learned bound may cause: a limit on work, not on soundness."""


@lru_cache(maxsize=1 << 14)
def moved(known: Scalar, by: int) -> Scalar:
    """Return the set with a constant added to each member, modulo 2**64."""
    return arithmetic.add(known, scalar.constant(by & WORD)) if by else known


@lru_cache(maxsize=1 << 12)
def _constant(word: int) -> Scalar:
    return scalar.constant(word)


class Facts:
    """Scalars by symbol, and differences: `order[a, b] == c` says sigma(a) + c <= sigma(b) in plain integers.

    The integers are the symbols' words read as signed numbers, so a difference never hides a wrap-around.
    """

    __slots__ = ("order", "scalars", "symbols")

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.scalars: dict[int, Scalar] = {
            ZERO_SYMBOL: scalar.constant(0),
            LENGTH: scalar.unsigned_range(0, MAX_PACKET),
        }
        self.order: dict[tuple[int, int], int] = {}

    def copy(self) -> Facts:
        other = Facts.__new__(Facts)
        other.symbols = self.symbols
        other.scalars = self.scalars.copy()
        other.order = self.order.copy()
        return other

    # Reading

    def scalar(self, value: Value) -> Scalar:
        """Return what is known of sigma(symbol) + constant: the number itself, or a pointer's offset."""
        if value.symbol == ZERO_SYMBOL:
            return _constant(value.constant)
        return moved(self.scalars[value.symbol], value.constant)

    def constant(self, value: Value) -> int | None:
        """Return the one word that symbol + constant can be, or None."""
        if value.symbol == ZERO_SYMBOL:
            return value.constant
        known = self.scalars[value.symbol]
        return (known.ulo + value.constant) & WORD if known.ulo == known.uhi else None

    def integers(self, value: Value) -> tuple[int, int]:
        """Return bounds of S(sigma) + S(constant) as plain integers, which may lie outside 64 bits."""
        known = self.scalars[value.symbol]
        by = signed_constant(value)
        return known.slo + by, known.shi + by

    def fresh(self, known: Scalar = FULL) -> Value:
        """Return a new unknown number from that set."""
        if known.is_constant:
            return number(known.ulo)
        symbol = self.symbols.fresh()
        self.scalars[symbol] = known
        return symbolic(symbol)

    def derive(self, definition: Definition, known: Scalar) -> Value:
        """Return the number that a definition gives. `known` is its set as computed from the operands.

        A symbol that was forgotten here must not come back while a child of it is known: that child's definition no
        longer counts (a join may have made it another number), and would count again.
        """
        if known.is_constant:
            return number(known.ulo)
        symbol = self.symbols.derived(definition)
        before = self.scalars.get(symbol)
        if before is None and any(child in self.scalars for child in self.symbols.children.get(symbol, ())):
            symbol = self.symbols.renewed(definition)
        if before is not None and before != known:
            known = scalar.meet(before, known) or known
        self.scalars[symbol] = known
        return symbolic(symbol)

    def definition(self, symbol: int) -> Definition | None:
        """Return a symbol's definition if it counts here, that is if its parents are known."""
        found = self.symbols.definitions.get(symbol)
        if found is None or found.first not in self.scalars or found.second not in self.scalars:
            return None
        return found

    # Learning

    def learn(self, value: Value, known: Scalar) -> bool:
        """Restrict symbol + constant to a set. False if that is impossible: the path is dead."""
        if value.symbol == ZERO_SYMBOL:
            return known.contains(value.constant)
        return self.refine(value.symbol, moved(known, -value.constant & WORD))

    def refine(self, symbol: int, known: Scalar) -> bool:
        """Restrict a symbol, and through definitions its relatives. False if nothing is left."""
        waiting = [(symbol, known)]
        for _ in range(MOST_STEPS):
            if not waiting:
                break
            target, bound = waiting.pop(0)
            before = self.scalars[target]
            if bound.includes(before):
                continue
            after = scalar.meet(before, bound)
            if after is None:
                return False
            if after != before:
                self.scalars[target] = after
                waiting += self._consequences(target)
        return True

    def _consequences(self, symbol: int) -> list[tuple[int, Scalar]]:
        """Return what a changed symbol says about its parents and children in this state."""
        scalars = self.scalars
        found: list[tuple[int, Scalar]] = []
        definition = self.definition(symbol)
        if definition is not None:
            found += parents_from_child(definition, scalars[symbol], scalars)
        for child in self.symbols.children.get(symbol, ()):
            if child in scalars:
                meaning = self.definition(child)
                if meaning is not None:
                    found.append((child, evaluate(meaning, scalars)))
        return found

    # Differences

    def proves(self, a: int, by: int, b: int) -> bool:
        """True if sigma(a) + by <= sigma(b) in plain integers follows from what is known."""
        best = self.distance(a, b)
        return best is not None and best >= by

    def distance(self, a: int, b: int) -> int | None:
        """Return the largest proved c with sigma(a) + c <= sigma(b).

        From the same symbol, from both intervals, from a compared pair, or from two pairs in a row.
        """
        if a == b:
            return 0
        scalars, order = self.scalars, self.order
        best = scalars[b].slo - scalars[a].shi
        if order:
            direct = order.get((a, b))
            if direct is not None:
                best = max(best, direct)
            for (x, y), c in order.items():
                if x == a and y != b:
                    rest = order.get((y, b))
                    best = max(best, c + (scalars[b].slo - scalars[y].shi if rest is None else rest))
                elif y == b and x != a:
                    best = max(best, c + scalars[x].slo - scalars[a].shi)
        return best

    def relate(self, a: int, by: int, b: int) -> bool:
        """Learn sigma(a) + by <= sigma(b) in plain integers. False if that contradicts what is known."""
        if a == b:
            return by <= 0
        if by < -U64 or by > U64:
            return by < 0
        scalars = self.scalars
        if a != ZERO_SYMBOL and b != ZERO_SYMBOL:
            if by > self.order.get((a, b), by - 1):
                self.order[a, b] = by
            back = self.order.get((b, a))
            if back is not None and back + by > 0:
                return False
        high, low = scalars[b].shi - by, scalars[a].slo + by
        if high < S64_MIN or low > S64_MAX:
            return False
        if (a == ZERO_SYMBOL and high < 0) or (b == ZERO_SYMBOL and low > 0):
            return False
        if a != ZERO_SYMBOL and high < scalars[a].shi and not self.refine(a, scalar.signed_range(S64_MIN, high)):
            return False
        return b == ZERO_SYMBOL or low <= scalars[b].slo or self.refine(b, scalar.signed_range(low, S64_MAX))
