"""The records of ring buffers on their way to exporters: each has a feed of its own, and loses its own when it is slow.

A feed follows every ring buffer that a probe exports, from before the probe's first event until its last record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from tracerd.errors import NotFound
from tracerd.runtime.loaded import Loaded
from tracerd.runtime.rings import RingFollower
from tracerd.snapshot import NO_PROCESSES, Processes, RecordBatch
from tracerd.views.signals import Resolved

QUEUE_BYTES = 32 << 20
"""What may wait in one feed for one ring buffer."""


@dataclass(frozen=True, slots=True)
class _Followed:
    probe: str
    ring: str
    loaded: Loaded
    exports: Resolved
    follower: RingFollower


class RecordFeed:
    """One exporter's records. Thread-safe."""

    def __init__(self, processes: Processes, leave: Callable[[RecordFeed], None]) -> None:
        self._processes = processes
        self._leave = leave
        self._followed: list[_Followed] = []
        self._past_lost = 0
        self._lost: dict[int, int] = {}
        self._closed = False
        self._changing = threading.Lock()

    @property
    def lost(self) -> int:
        """Records that found no room to wait, so far."""
        with self._changing:
            return self._past_lost + sum(self._lost.values())

    def follow(self, loaded: Loaded) -> None:
        """Follow what a probe exports; once, however often it is told."""
        with suppress(NotFound), loaded.used() as live, self._changing:
            if self._closed or any(each.loaded is loaded for each in self._followed):
                return
            exports = live.exports
            for ring in live.rings:
                if ring.name in exports.signals.rings:
                    follower = ring.subscribe(QUEUE_BYTES)
                    self._followed.append(_Followed(loaded.name, ring.name, loaded, exports, follower))

    def take(self) -> list[RecordBatch]:
        """Return the records that wait. Never waits itself."""
        batches = []
        with self._changing:
            for each in list(self._followed):
                ended = each.follower.ended
                records, lost = each.follower.take(0)
                self._lost[id(each)] = lost
                if records:
                    batches.append(self._batch(each, records))
                if ended:
                    self._past_lost += self._lost.pop(id(each))
                    self._followed.remove(each)
        return batches

    def close(self) -> None:
        """Follow nothing any more; what waits can still be taken. May be called twice."""
        self._leave(self)
        with self._changing:
            self._closed = True
            for each in self._followed:
                each.follower.close()

    def _batch(self, each: _Followed, records: list[bytes]) -> RecordBatch:
        now = time.time_ns()
        offset = now - time.monotonic_ns()
        return RecordBatch(
            each.probe, each.ring, tuple(records), now, offset, each.exports.signals,
            each.exports.records.get(each.ring, {}), self._processes,
        )  # fmt: skip


class RecordFeeds:
    """All feeds of a daemon."""

    def __init__(self, loaded: Callable[[], Iterable[Loaded]], processes: Processes = NO_PROCESSES) -> None:
        """`loaded` are the probes that are there."""
        self._loaded = loaded
        self._processes = processes
        self._feeds: list[RecordFeed] = []
        self._changing = threading.Lock()

    def open(self) -> RecordFeed:
        """Return a feed of all that the loaded probes export from now on, and those that will be loaded."""
        feed = RecordFeed(self._processes, self._forget)
        with self._changing:
            for each in self._loaded():
                feed.follow(each)
            self._feeds.append(feed)
        return feed

    def add(self, loaded: Loaded) -> None:
        """A probe was loaded; its programs do not run yet."""
        with self._changing:
            for feed in self._feeds:
                feed.follow(loaded)

    def _forget(self, feed: RecordFeed) -> None:
        with self._changing, suppress(ValueError):
            self._feeds.remove(feed)
