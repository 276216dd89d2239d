"""Streams of records as rows: what came out of each ring, and what of it we have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tracerd.snapshot import Moment, RingSnapshot
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen
from tui.model.sheet import Sheet

FIELDS = (
    Field("stream", key=True), Field("records", "count"), Field("records/s", "count", title="/s"),
    Field("dropped", "count", alert=True), Field("missed", "count", alert=True), Field("read", "count"), Field("state"),
)  # fmt: skip

SEPARATOR = "/"
"""Between a ring's probe and its own name."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One stream as its reader sees it."""

    name: str
    read: int                    # since it is followed
    missed: int                  # passed by because we were too slow
    trouble: str                 # why it is not followed now


@dataclass(frozen=True, slots=True)
class ReadThen:
    """What had been read at a moment, by stream: what rates of streams without a ring are made of."""

    taken_ns: int = 0
    read: tuple[tuple[str, int], ...] = ()


def streams(counted: Iterable[Counted], seen: Seen, then: ReadThen, only: str = "") -> Sheet:
    """Return all streams. A ring's counts are its own since it was loaded; those of printed lines are what was read."""
    return sheet_of_rows("streams", FIELDS, _rows(list(counted), seen, then, only))


def _rows(counted: list[Counted], seen: Seen, then: ReadThen, only: str) -> Iterator[tuple[object, ...]]:
    read_then = dict(then.read)
    for each in counted:
        now, before = ring(seen.moment, each.name), ring(seen.before, each.name)
        if now is not None:
            records, seconds = now.records, seen.seconds
            change = now.records - before.records if before is not None else 0
        else:
            taken = seen.moment.taken_ns if seen.moment is not None else 0
            records, seconds = each.read, (taken - then.taken_ns) / 1e9 if then.taken_ns else 0.0
            change = each.read - read_then.get(each.name, each.read)
        state = "only this one" if each.name == only else "followed"
        rate = round(max(change, 0) / seconds) if seconds > 0 else 0
        yield each.name, records, rate, now.dropped if now is not None else 0, each.missed, each.read, (
            f"not followed: {each.trouble}" if each.trouble else state
        )


def ring(moment: Moment | None, name: str) -> RingSnapshot | None:
    """Return what a moment says of a ring."""
    probe, _, own = name.rpartition(SEPARATOR)
    found = moment.probes.get(probe) if moment is not None else None
    return found.rings.get(own) if found is not None else None
