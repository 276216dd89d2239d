"""From totals to what was counted since the look before (OTLP's delta temporality)."""

from __future__ import annotations

import numpy as np

from exporters.mapping.series import Attributes, Row, Times
from exporters.mapping.totals import Cells, Parts


class Deltas:
    """What the series of one metric counted between looks."""

    def __init__(self) -> None:
        self._attributes: Attributes | None = None
        self._totals: Parts = ()
        self._starts: Times = np.zeros(0, np.uint64)
        self._taken_ns = 0

    def look(self, attributes: Attributes, totals: Parts, starts: Times, taken_ns: int) -> tuple[Parts, Times]:
        """Return the differences, and their starts: the look before, or the series' own start if that is later."""
        before = self._before(attributes, totals, starts)
        deltas = tuple(total - old for total, old in zip(totals, before, strict=True))
        since = np.maximum(starts, np.uint64(self._taken_ns))
        self._attributes, self._totals, self._starts, self._taken_ns = attributes, totals, starts, taken_ns
        return deltas, since

    def _before(self, attributes: Attributes, totals: Parts, starts: Times) -> Parts:
        """Return what of the totals was told before: 0 for series that are new or began anew."""
        places = self._places(attributes)
        known = np.flatnonzero(places >= 0)
        known = known[self._starts[places[known]] == starts[known]]
        told: list[Cells] = []
        for number, total in enumerate(totals):
            old = np.zeros_like(total)
            if len(known):
                old[known] = self._totals[number][places[known]]
            told.append(old)
        return tuple(told)

    def _places(self, attributes: Attributes) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        if self._attributes is attributes:
            return np.arange(len(attributes))
        numbers: dict[Row, int] = {row: n for n, row in enumerate(self._attributes.rows)} if self._attributes else {}
        return np.array([numbers.get(row, -1) for row in attributes.rows], np.intp)
