"""The names of unknown numbers, and how some are computed from others (value numbering).

A definition says sigma(child) = operation(sigma(parent) + constant, …). It counts in a state only while the child and
all its parents are among that state's facts; a dead parent takes the definition with it. Join and inclusion check
exactly those definitions, so nothing else may be concluded from the table.
"""

from __future__ import annotations

from typing import NamedTuple

from tracerd.verifier.values import LENGTH


class Definition(NamedTuple):
    """How a symbol is computed. `second` is 0 where the operation has one operand; `parameter` is the operation's.

    Operands are sigma(first) + first_constant and sigma(second) + second_constant, modulo 2**64.
    """

    operation: str
    first: int
    first_constant: int
    second: int = 0
    second_constant: int = 0
    parameter: int = 0


LOW32 = "low32"        # zero-extended low half
SEXT = "sext"          # sign-extended low `parameter` bits
SCALE = "scale"        # parameter × operand; first_constant is always 0


class Region(NamedTuple):
    """What a pointer identity stands for: a map's element, or a ring record of `size` bytes in ring `map`."""

    map: int
    size: int


class Symbols:
    """All symbols and regions of one analysis. Grows only; ids are never used again."""

    def __init__(self) -> None:
        self._next = LENGTH + 1
        self._known: dict[Definition, int] = {}
        self.definitions: dict[int, Definition] = {}
        self.children: dict[int, list[int]] = {}
        self.regions: list[Region] = []
        self._map_regions: dict[int, int] = {}

    def fresh(self) -> int:
        """Return a symbol of which nothing is known."""
        self._next += 1
        return self._next - 1

    def derived(self, definition: Definition) -> int:
        """Return the symbol of a computation, the same one for the same computation."""
        symbol = self._known.get(definition)
        if symbol is None:
            symbol = self.fresh()
            self.define(symbol, definition)
        return symbol

    def renewed(self, definition: Definition) -> int:
        """Return a new symbol for a computation, and from now on always that one."""
        self._known.pop(definition, None)
        return self.derived(definition)

    def define(self, symbol: int, definition: Definition) -> None:
        """Attach a definition to a symbol for which it holds in every state that has the symbol and its parents."""
        self._known.setdefault(definition, symbol)
        self.definitions[symbol] = definition
        for parent in {definition.first, definition.second} - {0}:
            self.children.setdefault(parent, []).append(symbol)

    def find(self, definition: Definition) -> int | None:
        """Return the symbol of a computation if there is one."""
        return self._known.get(definition)

    def region(self, region: Region) -> int:
        """Return a new pointer identity."""
        self.regions.append(region)
        return len(self.regions) - 1

    def only_element(self, region: Region) -> int:
        """Return the identity of the single element of a data section, the same for every reference."""
        if region.map not in self._map_regions:
            self._map_regions[region.map] = self.region(region)
        return self._map_regions[region.map]
