"""What programs print with bpf_trace_printk, for whoever follows: the last lines are kept, each with a running number.

A follower is a number: of the line it gets next. Nobody waits for a slow one; what it missed is the difference between
its number and the oldest line's, so it can be told exactly.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from tracerd.runtime.pump import PRINTED_LINES

AT_FIRST = 200
"""Kept lines that a new follower gets before what comes."""


class PrintedLines:
    """The last lines, and those who follow them. Thread-safe.

    By default as many are kept as wait in one pump: who takes his lines promptly misses none that came from there.
    """

    def __init__(self, kept: int = PRINTED_LINES) -> None:
        self._arrived = threading.Condition()
        self._kept: deque[str] = deque(maxlen=kept)
        self._next = 0                   # the number of the line that comes next
        self._dropped = 0
        self._followers: list[PrintedFollower] = []
        self._ended = False

    @property
    def dropped(self) -> int:
        """Lines that never came here, so far: they found no room to wait."""
        return self._dropped

    @property
    def followed(self) -> bool:
        """True if somebody follows."""
        return bool(self._followers)

    def add(self, lines: Sequence[str], dropped: int = 0) -> None:
        """Hand lines on; `dropped` more were printed and did not come."""
        if not lines and not dropped:
            return
        with self._arrived:
            self._kept.extend(lines)
            self._next += len(lines)
            self._dropped += dropped
            self._arrived.notify_all()

    def follow(self, at_first: int = AT_FIRST) -> PrintedFollower:
        """Return a view of the last kept lines, at most so many, and of all that come."""
        with self._arrived:
            begin = self._next - min(at_first, len(self._kept))
            follower = PrintedFollower(self, begin, self._dropped)
            follower.closed = self._ended
            self._followers.append(follower)
            return follower

    def end(self) -> None:
        """Nothing is printed any more: whoever follows gets what waits, and then no more. May be called twice."""
        with self._arrived:
            self._ended = True
            for follower in self._followers:
                follower.closed = True
            self._arrived.notify_all()

    def take(self, follower: PrintedFollower, seconds: float) -> tuple[list[str], int]:
        """See `PrintedFollower.take`."""
        with self._arrived:
            self._arrived.wait_for(lambda: follower.closed or self._has_news(follower), seconds)
            oldest = self._next - len(self._kept)
            begin = max(follower.next, oldest)
            follower.missed += begin - follower.next
            follower.next = self._next
            follower.dropped = self._dropped
            return list(islice(self._kept, begin - oldest, None)), follower.lost

    def ended(self, follower: PrintedFollower) -> bool:
        """See `PrintedFollower.ended`."""
        with self._arrived:
            return follower.closed and not self._has_news(follower)

    def leave(self, follower: PrintedFollower) -> None:
        """See `PrintedFollower.close`."""
        with self._arrived, suppress(ValueError):
            follower.closed = True
            self._arrived.notify_all()
            self._followers.remove(follower)

    def _has_news(self, follower: PrintedFollower) -> bool:
        return follower.next != self._next or follower.dropped != self._dropped


class PrintedFollower:
    """One reader's own place in the lines. Its numbers are changed by `PrintedLines` only."""

    def __init__(self, lines: PrintedLines, begin: int, dropped: int) -> None:
        self._lines = lines
        self._dropped_before = dropped
        self.next = begin                # the number of the line it gets next
        self.missed = 0                  # lines that were kept no longer when it asked
        self.dropped = dropped           # of all, when it asked last
        self.closed = False

    @property
    def lost(self) -> int:
        """Lines that it will not get, so far: too slow for them, or they found no room before they came here."""
        return self.missed + self.dropped - self._dropped_before

    def take(self, seconds: float) -> tuple[list[str], int]:
        """Return the lines that wait, after at most that long if there are none, and how many were lost so far.

        What it was too slow for came before these lines.
        """
        return self._lines.take(self, seconds)

    @property
    def ended(self) -> bool:
        """True if nothing waits and nothing will come any more."""
        return self._lines.ended(self)

    def close(self) -> None:
        """Follow no more. May be called twice."""
        self._lines.leave(self)
