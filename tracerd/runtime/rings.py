"""Empty ring buffers as they fill, and keep the last few records. Any pump thread may do it, one at a time.

A script may `follow` a ring: then all records wait for it in a queue. A full queue stops the emptying, the ring fills
and the program is told that there is no room, as in the kernel: every record that is lost is in the ring's `dropped`.
Whoever must not hold others up gets a view of its own (`subscribe`), and loses records of its own when it is slow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from tracerd.platforms.model import MapKind
from tracerd.snapshot import RingSnapshot
from tracerd.vm.maps import Map

KEPT = 32
"""Latest records kept of each ring."""

QUEUE_BYTES = 16 << 20
"""What a follower may leave waiting, in bytes of records; one more ring's contents may come on top."""

RECORD_COST = 64
"""Counted for each waiting record beside its bytes: what Python takes for it."""


class RingReader:
    """The one reader of a ring buffer."""

    def __init__(self, ring: Map) -> None:
        self._ring = ring
        self._arrived = threading.Condition()
        self._records = 0
        self._latest: deque[bytes] = deque(maxlen=KEPT)
        self._queue: deque[bytes] | None = None
        self._queued_bytes = 0
        self._followers: list[RingFollower] = []

    @property
    def name(self) -> str:
        return self._ring.name

    def follow(self) -> None:
        """From now on keep every record until `take` fetches it."""
        with self._arrived:
            if self._queue is None:
                self._queue = deque()

    def subscribe(self, queue_bytes: int) -> RingFollower:
        """Return a view of all records from now on, for somebody who must not hold the ring up."""
        follower = RingFollower(queue_bytes, self._unsubscribe)
        with self._arrived:
            self._followers.append(follower)
        return follower

    def empty(self) -> None:
        """Take out what is there, unless a follower has too much waiting."""
        with self._arrived:
            if self._queued_bytes > QUEUE_BYTES:
                return
            records = self._ring.read()
            self._records += len(records)
            self._latest.extend(records)
            if self._queue is not None and records:
                self._queue.extend(records)
                self._queued_bytes += sum(map(len, records)) + RECORD_COST * len(records)
                self._arrived.notify_all()
            for follower in self._followers:
                follower.put(records)

    def take(self, seconds: float) -> list[bytes]:
        """Return all records that wait for the follower, after at most that long if there are none."""
        with self._arrived:
            if not self._queue:
                self._arrived.wait(seconds)
            waiting = list(self._queue or ())
            if self._queue:
                self._queue.clear()
            self._queued_bytes = 0
            return waiting

    def snapshot(self) -> RingSnapshot:
        """Return the counts so far and the latest records."""
        with self._arrived:
            return RingSnapshot(self.name, self._records, self._ring.statistics.refused, tuple(self._latest))

    def end(self) -> None:
        """The ring is about to be freed: nobody who follows it will get another record."""
        with self._arrived:
            followers = list(self._followers)
        for follower in followers:
            follower.close()

    def _unsubscribe(self, follower: RingFollower) -> None:
        with self._arrived, suppress(ValueError):
            self._followers.remove(follower)


class RingFollower:
    """One consumer's own view of a ring's records. Who is too slow loses the oldest of its own, counted."""

    def __init__(self, queue_bytes: int, close: Callable[[RingFollower], None]) -> None:
        self._most = queue_bytes
        self._close = close
        self._arrived = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        self._closed = False

    def put(self, records: Sequence[bytes]) -> None:
        """Add records; the oldest give way where there is no room. From the pump's thread."""
        if not records:
            return
        with self._arrived:
            for record in records:
                self._queue.append(record)
                self._bytes += len(record) + RECORD_COST
            while self._bytes > self._most:
                self._bytes -= len(self._queue.popleft()) + RECORD_COST
                self._lost += 1
            self._arrived.notify_all()

    def take(self, seconds: float) -> tuple[list[bytes], int]:
        """Return the records that wait, after at most that long if there are none, and how many were lost so far."""
        with self._arrived:
            if not self._queue and not self._closed:
                self._arrived.wait(seconds)
            waiting = list(self._queue)
            self._queue.clear()
            self._bytes = 0
            return waiting, self._lost

    @property
    def ended(self) -> bool:
        """True if nothing waits and nothing will come any more."""
        with self._arrived:
            return self._closed and not self._queue

    def close(self) -> None:
        """Follow no more. May be called twice."""
        self._close(self)
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()


def rings_of(maps: Iterable[Map]) -> tuple[RingReader, ...]:
    """Return a reader for every ring buffer."""
    return tuple(RingReader(each) for each in maps if each.kind is MapKind.RINGBUF)
