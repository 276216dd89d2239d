"""Which groups get a series of their own: as many as a metric may have, those that came first.

What finds no room is told together, under OpenTelemetry's overflow attribute, for as long as it is there: an entry that
has begun in the overflow stays in it, so that no total ever goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from exporters.mapping.grouping import Grouped, Places
from exporters.mapping.series import Attributes, Row
from tracerd.signals import Constants

OVERFLOW: Row = (("otel.metric.overflow", True),)
"""OpenTelemetry metrics SDK, cardinality limits."""


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """Entries by series: entry i counts for `attributes.rows[places[i]]`, or for none where that is -1."""

    places: Places
    attributes: Attributes
    overflowed: int              # groups that share the overflow
    numbers: Mapping[Row, int]   # of the rows of `attributes`


class Admission:
    """Gives the groups of one metric their series. A group of which nothing lives leaves its room to others."""

    def __init__(self, most: int, constants: Constants = ()) -> None:
        """`constants` are attributes of all series, of the overflow's too."""
        self._most = most
        self._overflow: Row = (*constants, *OVERFLOW)
        self._inside: dict[Row, None] = {}
        self._outside: frozenset[Row] = frozenset()
        self._last: tuple[Grouped, frozenset[int], Admitted] | None = None

    def admit(self, grouped: Grouped, dead: frozenset[int]) -> Admitted:
        """Return the series; the very object of the last call if the groups are, and the same ones are dead.

        `dead` are the numbers of groups that are not to be told any more though their entries are there.
        """
        last = self._last
        if last is not None and last[0] is grouped and last[1] == dead:
            return last[2]
        admitted = self._admit(grouped, dead)
        self._last = grouped, dead, admitted
        return admitted

    def _admit(self, grouped: Grouped, dead: frozenset[int]) -> Admitted:
        living = [row for number, row in enumerate(grouped.rows) if number not in dead]
        there = set(living)
        self._inside = {row: None for row in self._inside if row in there}
        for row in living:
            if row not in self._outside and len(self._inside) < self._most:
                self._inside.setdefault(row)
        waiting = there | self._outside
        self._outside = frozenset(row for row in grouped.rows if row in waiting and row not in self._inside)
        numbers = {row: number for number, row in enumerate(self._inside)}
        beyond = len(numbers) if self._outside else -1
        places_of = [numbers.get(row, beyond if row in self._outside else -1) for row in grouped.rows]
        table = np.array([*places_of, -1], np.intp)          # the last for entries that are left out: place -1
        rows = (*self._inside, self._overflow) if self._outside else tuple(self._inside)
        if self._outside:
            numbers[self._overflow] = beyond
        return Admitted(table[grouped.places], Attributes(rows), len(self._outside), numbers)
