"""Series that end though their entries are still there: of processes that have exited, or that stand still."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporters.mapping.grouping import Grouped
from exporters.mapping.series import Attributes, places_in
from exporters.mapping.totals import Cells
from tracerd.snapshot import MapLayout, MapSnapshot, Processes

Fresh = npt.NDArray[np.bool_] | slice
EVERY: Fresh = slice(None)


class Exits:
    """Finds groups all of whose processes have exited. They are told one look longer: with their last values."""

    def __init__(self, pid: str) -> None:
        """`pid` is the field of an entry that is a process."""
        self._pid = pid
        self._before: frozenset[int] = frozenset()

    def dead(
        self, snapshot: MapSnapshot, layout: MapLayout, processes: Processes, grouped: Grouped
    ) -> frozenset[int]:
        """Return the numbers of those groups whose processes were gone at the look before too."""
        pids = layout.read(snapshot, self._pid, "first")
        known = processes.look(np.unique(pids).tolist())
        gone = frozenset(pid for pid, process in known.items() if not process.alive)
        if not gone:
            self._before = gone
            return frozenset()
        entries_gone = np.isin(pids, list(gone & self._before))
        self._before = gone
        inside = grouped.places >= 0
        alive = set(grouped.places[inside & ~entries_gone].tolist())
        return frozenset(set(grouped.places[inside & entries_gone].tolist()) - alive)


class Idle:
    """Finds series whose value has not changed for a time; one that changes again is told again."""

    def __init__(self, seconds: float) -> None:
        self._limit_ns = round(seconds * 1e9)
        self._attributes: Attributes | None = None
        self._values: Cells = np.zeros((0, 1))
        self._changed_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._shown: tuple[Attributes, bytes, Attributes] | None = None

    def fresh(self, attributes: Attributes, values: Cells, taken_ns: int) -> tuple[Attributes, Fresh]:
        """Return those series that have changed lately, and their places. `values` (series, cells) are totals."""
        self._note(attributes, values, taken_ns)
        fresh = taken_ns - self._changed_ns <= self._limit_ns
        return (attributes, EVERY) if fresh.all() else (self._subset(attributes, fresh), fresh)

    def _note(self, attributes: Attributes, values: Cells, taken_ns: int) -> None:
        """Remember when each series changed last; a new one has changed now."""
        before, places = self._values, places_in(self._attributes, attributes)
        known = np.flatnonzero(places >= 0)
        changed_ns = np.full(len(attributes), taken_ns, np.int64)
        if len(known):
            now, then = values[known], before[places[known]]
            same = ((now == then) | ((now != now) & (then != then))).all(axis=1)
            changed_ns[known[same]] = self._changed_ns[places[known[same]]]
        self._attributes, self._values, self._changed_ns = attributes, values, changed_ns

    def _subset(self, attributes: Attributes, fresh: npt.NDArray[np.bool_]) -> Attributes:
        """Return the attributes of some series; the very object of the last call if they are the same."""
        mask = fresh.tobytes()
        if self._shown is None or self._shown[0] is not attributes or self._shown[1] != mask:
            kept = Attributes(tuple(row for row, stays in zip(attributes.rows, fresh.tolist(), strict=True) if stays))
            self._shown = attributes, mask, kept
        return self._shown[2]
