"""A made feed whose rings and printed lines are what a test puts in, when it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.tui.feeds import MadeFeed
from tracerd.daemon.feed import Look, Printed, Record
from tracerd.errors import RunError


@dataclass
class RingFeed(MadeFeed):
    """Streams go on until `cut` breaks them off or the feed is gone; a reader begins with what is put after it came."""

    ring_names: tuple[str, ...] = ("slow_calls",)
    missed: int = 0                              # what readers are told that they missed
    opened: int = 0                              # streams that were begun
    _put: list[tuple[int, object]] = field(default_factory=list)     # map id (0: printed), value
    _cuts: int = 0

    def put(self, *values: object, ring: int = 3) -> None:
        """Put records into a ring, by its map's id."""
        self._put.extend((ring, value) for value in values)

    def print(self, *lines: str) -> None:
        """Have a program print."""
        self._put.extend((0, line) for line in lines)

    def cut(self) -> None:
        """Break all streams off."""
        self._cuts += 1

    def look(self) -> Look:
        look = super().look()
        ring = next(each for each in look.maps if each.kind == "ringbuf")
        others = tuple(each for each in look.maps if each is not ring)
        rings = tuple(replace(ring, id=ring.id + 10 * n, name=name) for n, name in enumerate(self.ring_names))
        return replace(look, maps=(*others, *rings))

    def records(self, map_id: int) -> Iterator[Record]:
        for value in self._values(map_id):
            yield Record(value, self.missed)

    def printed(self) -> Iterator[Printed]:
        for value in self._values(0):
            yield Printed(str(value), self.missed)

    def _values(self, map_id: int) -> Iterator[object]:
        at, cuts = len(self._put), self._cuts
        self.opened += 1
        while not self.gone:
            if self._cuts != cuts:
                raise RunError("made", "the stream broke off")
            if at == len(self._put):
                time.sleep(0.002)
            for ring, value in self._put[at:]:
                at += 1
                if ring == map_id:
                    yield value
        raise RunError("made", "no daemon answers there")
