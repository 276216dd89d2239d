"""What was a while ago: rings of samples, rates of totals, histograms by interval. Bounded, in numpy.

All times are the snapshots' `taken_ns`. Where nothing is known (no sample for a while, a total that began anew) there
is a NaN: pictures leave a gap there instead of inventing a line.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

CAPACITY = 600
SECOND = 10**9

_LATE = 3
_STEPS = 5


class _Ring:
    """The newest rows of a table: written at the end of a block twice as long, moved to its front when that is full."""

    def __init__(self, capacity: int, columns: int) -> None:
        if capacity < 1:
            raise ValueError(f"a ring of {capacity} samples")
        self._capacity = capacity
        self._times = np.zeros(2 * capacity, dtype=np.int64)
        self._rows = np.zeros((2 * capacity, columns), dtype=np.float64)
        self._end = 0

    def __len__(self) -> int:
        return min(self._end, self._capacity)

    def append(self, taken_ns: int, row: Values | float) -> None:
        if self._end == len(self._times):
            kept = self._capacity
            self._times[:kept] = self._times[-kept:]
            self._rows[:kept] = self._rows[-kept:]
            self._end = kept
        self._times[self._end] = taken_ns
        self._rows[self._end] = row
        self._end += 1

    def clear(self) -> None:
        self._end = 0

    def replace_last(self, row: Values | float) -> None:
        self._rows[self._end - 1] = row

    @property
    def last(self) -> Values:
        row: Values = self._rows[self._end - 1].copy()
        return row

    @property
    def times(self) -> Times:
        return self._times[self._end - len(self):self._end].copy()

    @property
    def rows(self) -> Values:
        return self._rows[self._end - len(self):self._end].copy()


class Rhythm:
    """How far apart samples come, learnt from them: people change the interval, daemons restart.

    Late is what comes after more than three times the longest of the last few steps. Once may be an outage; twice in a
    row is a longer interval, and no longer late.
    """

    def __init__(self) -> None:
        self.last_ns: int | None = None
        self._steps: deque[int] = deque(maxlen=_STEPS)
        self._late_step = 0

    def beat(self, taken_ns: int) -> bool:
        """Take the time of another sample, later than the last one; True if it is late."""
        last_ns, self.last_ns = self.last_ns, taken_ns
        if last_ns is None:
            return False
        step = taken_ns - last_ns
        late = bool(self._steps) and step > _LATE * max(self._steps)
        if late and self._late_step and step <= _LATE * self._late_step:
            late = False
            self._steps.clear()
        self._late_step = step if late else 0
        if not late:
            self._steps.append(step)
        return late


class History:
    """Rows with their times: what series and matrices have in common."""

    def __init__(self, capacity: int, columns: int) -> None:
        self._ring = _Ring(capacity, columns)
        self._rhythm = Rhythm()

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def times(self) -> Times:
        """When samples were taken (of a rate: when its interval ended), oldest first."""
        return self._ring.times

    def clear(self) -> None:
        """Forget everything."""
        self._ring.clear()
        self._rhythm = Rhythm()

    def _since(self, taken_ns: int) -> int | None:
        """Return when the sample before was taken. If that is later, a recording is played again: forget everything."""
        if self._rhythm.last_ns is not None and taken_ns < self._rhythm.last_ns:
            self.clear()
        return self._rhythm.last_ns


class Numbers(History):
    """One number for each time."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(capacity, 1)

    @property
    def values(self) -> Values:
        """The values, oldest first; NaN where nothing is known."""
        return self._ring.rows[:, 0]

    @property
    def last(self) -> float:
        """The newest value; NaN if it is not known."""
        return float(self._ring.last[0]) if len(self) else float("nan")


class Series(Numbers):
    """The last values of one number."""

    def append(self, taken_ns: int, value: float) -> None:
        """Add a value. One that comes late has a NaN before it; the same moment again has the new value."""
        since_ns = self._since(taken_ns)
        if since_ns == taken_ns:
            self._ring.replace_last(value)
            return
        if self._rhythm.beat(taken_ns) and since_ns is not None:
            self._ring.append((since_ns + taken_ns) // 2, float("nan"))
        self._ring.append(taken_ns, value)


class Rate(Numbers):
    """How much a total grew per second, from one sample to the next."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(capacity)
        self._total = 0.0

    def add(self, taken_ns: int, total: float) -> None:
        """Add what a total is now.

        A total that is smaller than before began anew in between: how much it was in the meantime nobody knows, so the
        rate of that interval is a NaN, as it is after a gap. The same moment again changes nothing.
        """
        since_ns, old = self._since(taken_ns), self._total
        if since_ns == taken_ns:
            return
        late = self._rhythm.beat(taken_ns)
        self._total = total
        if since_ns is not None:
            known = total >= old and not late
            self._ring.append(taken_ns, float(total - old) * SECOND / (taken_ns - since_ns) if known else float("nan"))


class Matrix(History):
    """How much each slot of a histogram grew in each interval: what a heat map shows."""

    def __init__(self, slots: int, capacity: int = CAPACITY) -> None:
        super().__init__(capacity, slots)
        self.slots = slots
        self._totals = np.zeros(slots, dtype=np.uint64)

    def add(self, taken_ns: int, totals: npt.ArrayLike) -> None:
        """Add what the slots' totals are now, shape (slots,).

        If one of them is smaller than before, or a while passed without a sample, the interval is a row of NaN. The
        same moment again changes nothing.

        Raises:
            ValueError: the number of slots is another one.
        """
        now = np.array(totals, dtype=np.uint64)
        if now.shape != (self.slots,):
            raise ValueError(f"{now.shape} totals for {self.slots} slots")
        since_ns, old = self._since(taken_ns), self._totals
        if since_ns == taken_ns:
            return
        late = self._rhythm.beat(taken_ns)
        self._totals = now
        if since_ns is not None:
            known = not late and bool((now >= old).all())
            self._ring.append(taken_ns, (now - old).astype(np.float64) if known else float("nan"))

    @property
    def counts(self) -> Values:
        """Counts, shape (intervals, slots), oldest first; a row of NaN where nothing is known."""
        return self._ring.rows
