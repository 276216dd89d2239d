"""From totals to what was counted since the look before (OTLP's delta temporality)."""

from __future__ import annotations

import numpy as np

from exporters.mapping.series import Attributes, Times, places_in
from exporters.mapping.totals import Cells, Parts


class Deltas:
    """What the series of one metric counted between looks."""

    def __init__(self) -> None:
        self._attributes: Attributes | None = None
        self._totals: Parts = ()
        self._starts: Times = np.zeros(0, np.uint64)
        self._taken_ns = 0

    @property
    def unused(self) -> bool:
        """True before the first look."""
        return self._attributes is None

    def inherit(self, attributes: Attributes, totals: Parts, starts: Times, taken_ns: int) -> None:
        """Take totals as told: by an earlier process, of a pinned map; or nobody was there to tell them."""
        self._attributes, self._totals, self._starts, self._taken_ns = attributes, totals, starts, taken_ns

    def look(self, attributes: Attributes, totals: Parts, starts: Times, taken_ns: int) -> tuple[Parts, Times]:
        """Return the differences, and their starts: the look before, or the series' own start if that is later."""
        before = self._before(attributes, totals, starts)
        deltas = tuple(total - old for total, old in zip(totals, before, strict=True))
        since = np.minimum(np.maximum(starts, np.uint64(self._taken_ns)), np.uint64(taken_ns))
        self._attributes, self._totals, self._starts, self._taken_ns = attributes, totals, starts, taken_ns
        return deltas, since

    def _before(self, attributes: Attributes, totals: Parts, starts: Times) -> Parts:
        """Return what of the totals was told before: 0 for series that are new or began anew."""
        places = places_in(self._attributes, attributes)
        known = np.flatnonzero(places >= 0)
        known = known[self._starts[places[known]] == starts[known]]
        told: list[Cells] = []
        for number, total in enumerate(totals):
            old = np.zeros_like(total)
            if len(known):
                old[known] = self._totals[number][places[known]]
            told.append(old)
        return tuple(told)
