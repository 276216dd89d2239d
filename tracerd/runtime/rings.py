"""Empty ring buffers as they fill, and keep the last few records. Any pump thread may do it, one at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from tracerd.platforms.model import MapKind
from tracerd.snapshot import RingSnapshot
from tracerd.vm.maps import Map

KEPT = 32
"""Latest records kept of each ring."""


class RingReader:
    """The one reader of a ring buffer."""

    def __init__(self, ring: Map) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._records = 0
        self._latest: deque[bytes] = deque(maxlen=KEPT)

    @property
    def name(self) -> str:
        return self._ring.name

    def empty(self) -> None:
        """Take out what is there."""
        with self._lock:
            records = self._ring.read()
            self._records += len(records)
            self._latest.extend(records)

    def snapshot(self) -> RingSnapshot:
        """Return the counts so far and the latest records."""
        with self._lock:
            return RingSnapshot(self.name, self._records, self._ring.statistics.refused, tuple(self._latest))


def rings_of(maps: Iterable[Map]) -> tuple[RingReader, ...]:
    """Return a reader for every ring buffer."""
    return tuple(RingReader(each) for each in maps if each.kind is MapKind.RINGBUF)
