"""Totals that only grow: what the entries of each series counted, whatever becomes of the entries.

What an entry counts is its series' for as long as it belongs to it. When it is deleted, what it had counted stays with
a series that has other entries; when it moves to another series (a process has another name now), only what it counts
from then on is the other's. A series that is a single entry is that entry's value, and begins anew when the value does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporters.mapping.admission import Admitted
from exporters.mapping.grouping import Places
from exporters.mapping.series import Row, Times
from tracerd.snapshot import Bytes

Cells = npt.NDArray[Any]         # int64, uint64 or float64
Parts = tuple[Cells, ...]
Mask = npt.NDArray[np.bool_]

MOST_ENDED = 100_000
"""Series that ended and are remembered, so that one that comes again has a start of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What a map's entries have counted at one look.

    Each part has shape (entries, cells): one cell for a counter, one for each slot of a histogram; a second part for
    the sum of values. The first part tells whether an entry began anew. With `slots`, an entry has one cell of the
    first part, the one of that number of `width`.
    """

    keys: Bytes
    parts: Parts
    slots: Places | None = None
    width: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A look, and what of its entries had been counted for other series or before they began anew."""

    counted: Counted
    admitted: Admitted
    base: Parts | None


class Totals:
    """The totals of one metric's series, from look to look."""

    def __init__(self, since_ns: int) -> None:
        """`since_ns` is since when the map counts: what was not in it was 0 then."""
        self._since_ns = since_ns
        self._before_ns = since_ns
        self._before: _Look | None = None
        self._retired: dict[Row, list[Cells]] = {}
        self._starts: dict[Row, int] = {}
        self._ended: set[int] = set()            # hashes of rows: a mistaken one only has a later start
        self._forgotten = False
        self._times: Times = np.zeros(0, np.uint64)

    def look(self, counted: Counted, admitted: Admitted, taken_ns: int) -> tuple[Parts, Times]:
        """Return each series' totals, for every part shape (series, cells), and since when they count."""
        base = None
        if self._before is None:
            self._begin(admitted, frozenset())
        else:
            base = self._follow(self._before, counted, admitted)
        totals = tuple(_sum(counted, admitted, part, base) for part in range(len(counted.parts)))
        for row, kept in self._retired.items():
            for total, more in zip(totals, kept, strict=True):
                total[admitted.numbers[row]] += more
        self._before, self._before_ns = _Look(counted, admitted, base), taken_ns
        return totals, self._times

    def _follow(self, before: _Look, counted: Counted, admitted: Admitted) -> Parts | None:
        """Settle what has moved, begun anew or gone since the look before. Returns what is not to be counted."""
        old = _places_before(before.counted.keys, counted.keys)
        same = before.admitted is admitted
        stayed = np.flatnonzero(old >= 0)
        was, now = before.admitted.places[old[stayed]], admitted.places[stayed]
        moved = np.zeros(len(stayed), bool) if same else _renumbered(before.admitted, admitted)[was] != now
        shrunk = _shrunk(before.counted, counted, old[stayed], stayed)
        anew = shrunk & ~moved
        if not same:
            self._begin(admitted, frozenset(now[moved].tolist()))
        gone = np.ones(len(before.counted.keys), bool)
        gone[old[stayed[~moved]]] = False
        self._retire(before, np.flatnonzero(gone & (before.admitted.places >= 0)), admitted)
        if anew.any():
            restarted = self._restart(admitted, now[anew])
            again = old[stayed[anew]][~restarted]
            self._retire(before, again[before.admitted.places[again] >= 0], admitted)
        return _base(before, counted, stayed, old, moved, shrunk)

    def _begin(self, admitted: Admitted, moved_to: frozenset[int]) -> None:
        """Give new series their start, and let go of those that ended. `moved_to` have entries that are not new."""
        rows = admitted.attributes.rows
        for row in [row for row in self._starts if row not in admitted.numbers]:
            del self._starts[row]
            self._retired.pop(row, None)
            self._ended.add(hash(row))
        if len(self._ended) > MOST_ENDED:
            self._ended.clear()
            self._forgotten = True
        for number, row in enumerate(rows):
            if row not in self._starts:
                again = self._forgotten or hash(row) in self._ended or number in moved_to
                self._starts[row] = self._before_ns if again else self._since_ns
        self._times = np.array([self._starts[row] for row in rows], np.uint64)

    def _restart(self, admitted: Admitted, series: Places) -> Mask:
        """Begin those of these series anew that are one entry and nothing else; return which."""
        entries = np.bincount(admitted.places[admitted.places >= 0], minlength=len(admitted.attributes))
        rows = admitted.attributes.rows
        alone = np.array([n >= 0 and entries[n] == 1 and rows[n] not in self._retired for n in series.tolist()], bool)
        if alone.any():
            self._times = self._times.copy()
            for number in series[alone].tolist():
                self._starts[rows[number]] = self._before_ns
                self._times[number] = self._before_ns
        return alone

    def _retire(self, before: _Look, entries: Places, admitted: Admitted) -> None:
        """Keep what entries of the look before had counted, for series that go on without them."""
        rows, counted = before.admitted.attributes.rows, before.counted
        for entry in entries.tolist():
            row = rows[before.admitted.places[entry]]
            if row not in admitted.numbers:
                continue
            kept = self._retired.setdefault(row, _zeros(counted))
            for number, (total, cells) in enumerate(zip(kept, counted.parts, strict=True)):
                had = cells[entry] - (before.base[number][entry] if before.base else cells.dtype.type(0))
                place = counted.slots[entry] if counted.slots is not None and number == 0 else slice(None)
                total[place] += had[0] if isinstance(place, np.integer) else had


def _places_before(before: Bytes, now: Bytes) -> Places:
    """Return where each key of now was before, -1 for new ones."""
    if np.array_equal(before, now):
        return np.arange(len(now))
    place_of = {key: place for place, key in enumerate(_identities(before))}
    return np.array([place_of.get(key, -1) for key in _identities(now)], np.intp)


def _identities(keys: Bytes) -> list[bytes]:
    whole, size = keys.tobytes(), keys.shape[1]
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _renumbered(before: Admitted, now: Admitted) -> Places:
    """Return the number that each series of before has now, -2 if it is gone; and last, -1 for no series."""
    return np.array([*(now.numbers.get(row, -2) for row in before.attributes.rows), -1], np.intp)


def _shrunk(before: Counted, now: Counted, old: Places, stayed: Places) -> Mask:
    """Return which entries began anew: one of their counts is smaller. A signed or real sum may shrink by itself."""
    less = [
        (part[stayed] < had[old]).any(axis=1)
        for number, (had, part) in enumerate(zip(before.parts, now.parts, strict=True))
        if number == 0 or part.dtype.kind == "u"
    ]
    return np.asarray(np.logical_or.reduce(less))


def _base(before: _Look, counted: Counted, stayed: Places, old: Places, moved: Mask, shrunk: Mask) -> Parts | None:
    """Return what entries have counted that is not their series'."""
    if before.base is None and not moved.any():
        return None
    made = tuple(np.zeros_like(part) for part in counted.parts)
    for number, part in enumerate(made):
        if before.base is not None:
            part[stayed] = before.base[number][old[stayed]]
        part[stayed[moved]] = before.counted.parts[number][old[stayed[moved]]]
        part[stayed[shrunk]] = 0
    return made


def _zeros(counted: Counted) -> list[Cells]:
    """Return what a series has before anything is counted."""
    first = counted.width or counted.parts[0].shape[1]
    widths = (first, *(part.shape[1] for part in counted.parts[1:]))
    return [np.zeros(width, part.dtype) for part, width in zip(counted.parts, widths, strict=True)]


def _sum(counted: Counted, admitted: Admitted, number: int, base: Parts | None) -> Cells:
    """Return each series' sum of a part."""
    cells = counted.parts[number] if base is None else counted.parts[number] - base[number]
    series = len(admitted.attributes)
    if counted.slots is None or number:
        return sum_by(cells, admitted.places, series)
    flat = np.where(admitted.places >= 0, admitted.places * counted.width + counted.slots, -1)
    return sum_by(cells, flat, series * counted.width).reshape(series, counted.width)


def sum_by(cells: Cells, places: Places, many: int) -> Cells:
    """Return the sums of the rows of `cells`, (n, k), that have the same place in range(many): (many, k)."""
    if len(places) == many and np.array_equal(places, np.arange(many)):
        return cells.copy()
    total = np.zeros((many, cells.shape[1]), cells.dtype)
    counts = places >= 0
    np.add.at(total, places[counts], cells[counts])
    return total
