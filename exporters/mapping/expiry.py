"""Series that end though their entries are still there: of processes that have exited, or that stand still."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from exporters.mapping.grouping import Grouped
from exporters.mapping.series import Attributes, HistogramPoints, NumberPoints, Points
from tracerd.snapshot import MapLayout, MapSnapshot, Processes


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
    """Leaves out series whose value has not changed for a time; one that changes again is told again."""

    def __init__(self, seconds: float) -> None:
        self._limit_ns = round(seconds * 1e9)
        self._attributes: Attributes | None = None
        self._values: npt.NDArray[np.generic] = np.zeros(0)
        self._changed_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._shown: tuple[Attributes, bytes, Attributes] | None = None

    def hide(self, points: Points, taken_ns: int) -> Points:
        """Return the points of those series that have changed lately."""
        values = points.values if isinstance(points, NumberPoints) else points.counts
        self._note(points.attributes, values, taken_ns)
        fresh = taken_ns - self._changed_ns <= self._limit_ns
        if fresh.all():
            return points
        attributes = self._subset(points.attributes, fresh)
        if isinstance(points, NumberPoints):
            return replace(points, attributes=attributes, starts=points.starts[fresh], values=points.values[fresh])
        return self._some(points, attributes, fresh)

    @staticmethod
    def _some(points: Points, attributes: Attributes, fresh: npt.NDArray[np.bool_]) -> Points:
        assert not isinstance(points, NumberPoints)
        sums = points.sums[fresh] if points.sums is not None else None
        counts, starts = points.counts[fresh], points.starts[fresh]
        if isinstance(points, HistogramPoints):
            return replace(points, attributes=attributes, starts=starts, counts=counts, sums=sums)
        return replace(points, attributes=attributes, starts=starts, counts=counts, sums=sums)

    def _note(self, attributes: Attributes, values: npt.NDArray[np.generic], taken_ns: int) -> None:
        """Remember when each series changed last; a new one has changed now."""
        if self._attributes is attributes:
            differs = values != self._values
            changed = differs.any(axis=1) if differs.ndim > 1 else differs
            self._changed_ns = np.where(changed, taken_ns, self._changed_ns)
        else:
            self._changed_ns = self._moved(attributes, values, taken_ns)
        self._attributes, self._values = attributes, values

    def _moved(self, attributes: Attributes, values: npt.NDArray[np.generic], taken_ns: int) -> npt.NDArray[np.int64]:
        before = {row: number for number, row in enumerate(self._attributes.rows)} if self._attributes else {}
        old = [before.get(row, -1) for row in attributes.rows]
        return np.array(
            [
                self._changed_ns[was] if was >= 0 and np.array_equal(values[now], self._values[was]) else taken_ns
                for now, was in enumerate(old)
            ],
            np.int64,
        )

    def _subset(self, attributes: Attributes, fresh: npt.NDArray[np.bool_]) -> Attributes:
        """Return the attributes of some series; the very object of the last call if they are the same."""
        mask = fresh.tobytes()
        if self._shown is None or self._shown[0] is not attributes or self._shown[1] != mask:
            kept = Attributes(tuple(row for row, stays in zip(attributes.rows, fresh.tolist(), strict=True) if stays))
            self._shown = attributes, mask, kept
        return self._shown[2]
