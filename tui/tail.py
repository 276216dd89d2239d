"""The threads that read rings and what programs print, and what waits of it for the screen.

A reader does as little as it can for a record: it notes the time and puts both into its stream's waiting line, where
the oldest give way. Nothing is formatted here, and a screen that takes nothing holds nobody up. A stream that breaks
off is followed again when the daemon comes back; that something may be missing in between is told by a note.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from tracerd.daemon.feed import Feed, Look
from tracerd.errors import TracerdError
from tracerd.views.format import duration
from tui.model.tail import KEPT, Line, Note

PRINTED = "bpf_printk"
"""What the stream of printed lines is called."""

LEAST_WAIT, MOST_WAIT = 0.5, 8.0
"""Seconds between two tries to follow a stream that breaks off; each lasts twice as long as the one before."""

FRAME = 2_000
"""Records of one stream that are read at a stretch before others get a turn; see `_Reader`."""

BREATH = 0.004
"""Seconds that a reader rests after so many: at 10⁵ records a second the screen would not get to draw otherwise."""


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a stream comes from; `map_id` 0: what programs print."""

    name: str
    map_id: int


def taps(look: Look) -> list[Tap]:
    """Return all that can be followed: every loaded ring buffer as probe/name, and what programs print."""
    rings = [Tap(f"{each.probe}/{each.name}", each.id) for each in look.maps if each.kind == "ringbuf" and each.id]
    return [*rings, Tap(PRINTED, 0)]


class Stream:
    """One stream's counts, and what waits. Written by its reader, read by the screen: single values only."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read = 0                            # records since it is followed
        self.trouble = ""                        # why it is not followed now
        self.waiting: deque[Line] = deque(maxlen=KEPT)
        self._put = self._taken = 0              # lines
        self._lost_before = 0                    # by readers before this one
        self._lost = 0                           # by this one

    @property
    def missed(self) -> int:
        """Records that passed by because we were too slow."""
        return self._lost_before + self._lost

    @property
    def given_way(self) -> int:
        """Lines that gave way to newer ones before anybody took them."""
        return max(self._put - self._taken - len(self.waiting), 0)

    def put(self, line: Line) -> None:
        """Let a line wait."""
        self.waiting.append(line)
        self._put += 1

    def lose(self, lost: int) -> None:
        """Note how many its present reader has missed so far."""
        self._lost = lost

    def begin(self) -> None:
        """Another reader begins."""
        self._lost_before += self._lost
        self._lost = 0

    def take(self) -> list[Line]:
        """Take out what waits now."""
        taken = [self.waiting.popleft() for _ in range(len(self.waiting))]
        self._taken += len(taken)
        return taken


class Tail:
    """All streams. For the screen's thread; the readers are its own."""

    def __init__(self, connect: Callable[[], Feed], now: Callable[[], int] = time.time_ns) -> None:
        """`connect` gives each reader a feed; `now` is the unix time in ns that a record is read at."""
        self._connect = connect
        self._now = now
        self._readers: dict[str, _Reader] = {}
        self.streams: dict[str, Stream] = {}

    def follow(self, wanted: Iterable[Tap]) -> None:
        """Follow these and no others. What a stream that goes on has counted stays."""
        by_name = {each.name: each for each in wanted}
        for name in self._readers.keys() - by_name.keys():
            self._readers.pop(name).ended.set()
            del self.streams[name]
        for name, tap in by_name.items():
            reader = self._readers.get(name)
            if reader is not None and reader.tap == tap:
                continue
            if reader is not None:               # the daemon has begun anew: another ring of that name
                reader.ended.set()
            stream = self.streams.setdefault(name, Stream(name))
            self._readers[name] = _Reader(tap, stream, self._connect, self._now, again=reader is not None)
            self._readers[name].start()

    def take(self) -> list[Line]:
        """Take what waits in all streams, in the order it was read."""
        return sorted(chain.from_iterable(stream.take() for stream in self.streams.values()), key=itemgetter(0))

    @property
    def read(self) -> int:
        """Records read so far, of all streams."""
        return sum(stream.read for stream in self.streams.values())

    @property
    def given_way(self) -> int:
        """Lines that gave way before anybody took them."""
        return sum(stream.given_way for stream in self.streams.values())

    def stop(self) -> None:
        """Follow nothing any more. A reader that waits for a record ends when its stream does, or with the process."""
        for reader in self._readers.values():
            reader.ended.set()
        self._readers.clear()


class _Reader(threading.Thread):
    """Follows one stream until it is told to end."""

    def __init__(
        self, tap: Tap, stream: Stream, connect: Callable[[], Feed], now: Callable[[], int], *, again: bool
    ) -> None:
        super().__init__(name=f"tail {tap.name}", daemon=True)
        self.tap = tap
        self.ended = threading.Event()
        self._stream = stream
        self._connect = connect
        self._now = now
        self._broken_ns = now() if again else 0  # since when it is not followed; 0: it is, or was never

    def run(self) -> None:
        wait = LEAST_WAIT
        while not self.ended.is_set():
            before = self._stream.read
            self._stream.begin()
            trouble = self._follow()
            if self.ended.is_set():
                return
            self._stream.trouble = trouble or "it has ended"
            self._broken_ns = self._broken_ns or self._now()
            wait = LEAST_WAIT if self._stream.read > before else min(2 * wait, MOST_WAIT)
            self.ended.wait(wait)

    def _follow(self) -> str:
        """Read until the stream breaks off; returns why, if that is told."""
        try:
            with closing(self._connect()) as feed:
                self._stream.trouble = ""
                for value, lost in self._records(feed):
                    if self.ended.is_set():
                        break
                    self._put(value, lost)
        except TracerdError as error:
            return str(error)
        return ""

    def _records(self, feed: Feed) -> Iterator[tuple[object, int]]:
        if self.tap.map_id:
            for record in feed.records(self.tap.map_id):
                yield record.value, record.lost
        else:
            for printed in feed.printed():
                yield printed.line, printed.lost

    def _put(self, value: object, lost: int) -> None:
        stream, at = self._stream, self._now()
        if self._broken_ns:
            gap = Note(f"not followed for {duration(max(at - self._broken_ns, 0))}: what came meanwhile is not here")
            stream.put(Line(at, stream.name, gap))
            self._broken_ns = 0
        stream.put(Line(at, stream.name, value))
        stream.lose(lost)
        stream.read += 1
        if stream.read % FRAME == 0:
            time.sleep(BREATH)
