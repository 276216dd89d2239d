"""Histograms over time, of every row of a map: only what grew is kept, so that a row can be looked at later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tui.model.history import CAPACITY, Rhythm, Times, Values
from tui.model.slots import Counts, Ids, Slots

MOST_CELLS = 500_000
"""Slots that grew, over all intervals: 18 bytes each. The oldest intervals make room."""


@dataclass(frozen=True, slots=True, eq=False)
class _Interval:
    """What grew: histogram `ids[i]` by `counts[i]` in slot `slots[i]`. `known` False: nothing is known of it."""

    taken_ns: int
    known: bool
    ids: Ids
    slots: npt.NDArray[np.uint16]
    counts: Values


class SlotHistory:
    """How much each slot of each histogram grew in each interval.

    A histogram that is new counts from zero. So does one of which a slot has shrunk: it was deleted and made again, or
    set to zero, and what it has now was counted since. An interval that took much longer than those before is one of
    which nothing is known, as in `history.Matrix`.
    """

    def __init__(self, intervals: int = CAPACITY, cells: int = MOST_CELLS) -> None:
        self._intervals: deque[_Interval] = deque(maxlen=intervals)
        self._most_cells = cells
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._intervals.clear()
        self._cells = 0
        self._last: Slots | None = None
        self._rhythm = Rhythm()
        self.since_ns = 0                        # what is told has happened after this

    def __len__(self) -> int:
        return len(self._intervals)

    def add(self, taken_ns: int, now: Slots) -> None:
        """Take what is counted now. The same moment again changes nothing; an earlier one begins anew."""
        last_ns = self._rhythm.last_ns
        if last_ns is not None and taken_ns < last_ns:
            self.clear()
        if taken_ns == self._rhythm.last_ns:
            return
        late = self._rhythm.beat(taken_ns)
        if self._last is None:
            self.since_ns = taken_ns
        else:
            self._keep(_gap(taken_ns) if late else _grown(taken_ns, self._last, now))
        self._last = now

    def heat(self, slots: int, ids: Ids | None = None, intervals: int = CAPACITY) -> tuple[Times, Values]:
        """Return the newest intervals' ends, and how much slots grew, shape (intervals, slots): of some, or of all.

        An interval of which nothing is known is a row of NaN.
        """
        kept = list(self._intervals)[-intervals:] if intervals > 0 else []
        rows = [_row(each, slots, ids) for each in kept]
        times = np.array([each.taken_ns for each in kept], dtype=np.int64)
        return times, np.array(rows, dtype=np.float64).reshape(len(kept), slots)

    def grown(self, slots: int, ids: Ids | None = None) -> Values:
        """Return how much slots grew in all intervals together."""
        return np.asarray(np.nansum(self.heat(slots, ids)[1], axis=0))

    def _keep(self, interval: _Interval) -> None:
        if len(self._intervals) == self._intervals.maxlen:
            self._drop()
        self._intervals.append(interval)
        self._cells += len(interval.ids)
        while self._cells > self._most_cells and len(self._intervals) > 1:
            self._drop()

    def _drop(self) -> None:
        dropped = self._intervals.popleft()
        self._cells -= len(dropped.ids)
        self.since_ns = dropped.taken_ns


def _gap(taken_ns: int) -> _Interval:
    return _Interval(taken_ns, False, np.zeros(0, np.uint64), np.zeros(0, np.uint16), np.zeros(0, np.float64))


def _grown(taken_ns: int, before: Slots, now: Slots) -> _Interval:
    old = _as_in(now, before)
    anew = np.any(now.counts < old, axis=1, keepdims=True)
    more = now.counts - np.where(anew, np.uint64(0), old)
    rows, slots = np.nonzero(more)
    return _Interval(taken_ns, True, now.ids[rows], slots.astype(np.uint16), more[rows, slots].astype(np.float64))


def _as_in(now: Slots, before: Slots) -> Counts:
    """Return what was counted before, row by row as now; zero for what is new."""
    counts = _wide(before.counts, now.number)
    if len(now.ids) == len(before.ids) and np.array_equal(now.ids, before.ids):
        return counts
    if not len(before.ids):
        return np.zeros_like(now.counts)
    places = np.minimum(np.searchsorted(before.ids, now.ids), len(before.ids) - 1)
    known = before.ids[places] == now.ids
    return np.where(known[:, None], counts[places], np.uint64(0))


def _wide(counts: Counts, slots: int) -> Counts:
    """Return counts of so many slots: where rows are slots, there are as many as have been used."""
    if counts.shape[1] == slots:
        return counts
    made = np.zeros((len(counts), slots), np.uint64)
    both = min(slots, counts.shape[1])
    made[:, :both] = counts[:, :both]
    return made


def _row(interval: _Interval, slots: int, ids: Ids | None) -> Values:
    if not interval.known:
        return np.full(slots, np.nan)
    places, counts = interval.slots, interval.counts
    if ids is not None:
        among = interval.ids == ids[0] if len(ids) == 1 else np.isin(interval.ids, ids)
        places, counts = places[among], counts[among]
    return np.bincount(places, weights=counts, minlength=slots)[:slots].astype(np.float64)
