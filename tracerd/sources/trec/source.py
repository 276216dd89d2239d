"""Replay a `.trec`: a recording as an event source, as fast as it can be read or at the pace of its own clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tracerd.errors import SourceError
from tracerd.snapshot import HELPING, Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.trec.feed import NEVER, Feed
from tracerd.sources.trec.prefetch import Prefetch
from tracerd.sources.trec.reader import Batch, Reader
from tracerd.text import printable

_FROM = "recorded from "
_SAID = 4                                        # files and sessions of which a replay tells what was wrong with them
_MOST_NAME = 80                                  # characters of the name of one


class TrecSource:
    """A recording as an event source. Opening the file reads what it says of itself; `open` begins to read ahead.

    Raises:
        SourceError: the file cannot be read, or is no recording of ours.
        NotSupported: it has a version of the format that does not exist yet.
    """

    def __init__(self, path: Path | str, speed: float | None = None, schemas: Catalog | None = None) -> None:
        """`speed` is how many seconds of the recording pass in one of ours; None: as fast as it can be. `schemas` are
        those by which programs find fields of ETW events."""
        self.path = Path(path)
        self._schemas = schemas
        self.reader = Reader(self.path)
        self._pace = _Pace(speed) if speed is not None else None
        self._feed: Feed | None = None
        self._ahead: Prefetch | None = None
        self._batch: Batch | None = None
        self._at = 0                             # of the batch
        self._before = 0                         # events passed before the batch
        self._short = 0                          # events that batches promised and did not have

    @property
    def cpus(self) -> int:
        """Slots that per-CPU maps need."""
        return self.reader.meta.cpus

    @property
    def clock_offset_ns(self) -> int:
        """Unix time minus the clock of the events."""
        return self.reader.meta.clock_offset_ns

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and begin to read ahead.

        Raises:
            ConfigError: a name is no attach name.
            SourceError: the recording has no event of that name, or a program reads more than was recorded.
        """
        self._feed = Feed(self.path, self.reader.meta, links, self._schemas)
        self._ahead = Prefetch(self.reader)

    def pump(self, timeout_ms: int) -> int:
        """Run events for about `timeout_ms`, a batch at a time. Returns how many, or -1 at the end.

        Raises:
            SourceError: the system refused a read.
        """
        feed, ahead = self._live()
        end = time.monotonic() + timeout_ms / 1000
        before = feed.passed
        while self._batch is not None or self._next(ahead, end - time.monotonic()):
            self._run(feed, end)
            if time.monotonic() >= end:
                break
        passed = feed.passed - before
        return -1 if ahead.ended and not passed else passed

    def stop(self) -> None:
        """Run the end programs. What has not been run yet was never produced."""
        self._live()[0].end()

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines."""
        return self._live()[0].printed()

    def statistics(self) -> Mapping[str, Ledger]:
        """Return each name's ledger, and that of the file for all else that was recorded, lost or damaged.

        What was lost while recording is lost in the session here and what was dropped is dropped, once the file's last
        block has been read. `via` of the file's row says what is wrong with it, and what was wrong with the file or
        session that it was recorded from.
        """
        feed = self._live()[0]
        ledgers = feed.statistics()
        rest = feed.rest() + _dropped(self.damaged_events)
        recorded = self.recorded()
        for number, name in feed.names().items():
            lost = recorded.pop(self.reader.meta.events[number].name, None)
            if lost is not None:
                ledgers[name] = replace(ledgers[name] + _gone(lost), via=lost.via)
        for other in recorded.values():
            rest += _gone(other)
        said = "; ".join(filter(None, (self._condition(), *self._told(recorded), feed.unread())))
        ledgers[f"trec:{self.path}"] = replace(rest, via=said)
        return ledgers

    def recorded(self) -> dict[str, Ledger]:
        """Return what became of the events while they were recorded, by name; nothing before the last block is read."""
        end = self.reader.end
        return {name: row.ledger() for name, row in end.ledger.items()} if end is not None else {}

    def counts(self) -> dict[str, int]:
        """Return how many of each event have passed."""
        return self._live()[0].counts()

    @property
    def damaged_events(self) -> int:
        """Events that were recorded and cannot be read.

        The file's last block knows how many there were; without it, the headers of damaged blocks do.
        """
        known = self.reader.damage.events + self._short
        if self.reader.end is None or self._batch is not None or not self._live()[1].ended:
            return known
        return max(self.reader.end.events - self._live()[0].passed, 0)

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        self.reader.close()

    def _live(self) -> tuple[Feed, Prefetch]:
        if self._feed is None or self._ahead is None:
            raise SourceError(str(self.path), "is not open")
        return self._feed, self._ahead

    def _next(self, ahead: Prefetch, timeout: float) -> bool:
        self._batch, self._at = ahead.next(timeout), 0
        if self._batch is None:
            return False
        self._before = self._live()[0].passed
        if self._pace is not None:
            self._pace.begin(self._batch.first_ns)
        return True

    def _run(self, feed: Feed, end: float) -> None:
        """Run what is due of the batch; wait for the next event that is not, no longer than until `end`."""
        batch = self._batch
        assert batch is not None
        until = self._pace.now_ns() if self._pace is not None else NEVER
        self._at = feed.run_until(batch.data, self._at, until)
        later = feed.next_ns
        if later is not None:
            left = min(self._pace.seconds_to(later), end - time.monotonic()) if self._pace is not None else 0
            time.sleep(max(left, 0))
        else:
            self._short += max(batch.events - (feed.passed - self._before), int(self._at < len(batch.data)))
            self._batch = None

    def _told(self, recorded: Mapping[str, Ledger]) -> Iterator[str]:
        """Yield what was wrong with what the events came from: rows of no event. It is the recording that says it.

        What a recording was told by the one that it was made from it says as it is: it stays short, and whole.
        """
        events = {event.name for event in self.reader.meta.events}
        rows = [(name, row.via) for name, row in recorded.items() if name not in events]
        said = [(name, via) for name, via in rows if via not in ("", HELPING)]
        for name, via in said[:_SAID]:
            short = name if len(name) <= _MOST_NAME else f"...{name[3 - _MOST_NAME :]}"
            yield printable(via if via.startswith(_FROM) else f"{_FROM}{short}: {via}")
        if said[_SAID:]:
            yield f"and {len(said) - _SAID} more"

    def _condition(self) -> str:
        damage = self.reader.damage
        if damage.torn:
            return "the recording is torn: it has no end"
        if self._live()[1].ended and self.reader.end is None:
            return "the recording has no end: what was lost while it was made is not known"
        return f"{damage.blocks} blocks of the recording cannot be read" if damage.blocks else ""


class _Pace:
    """The recording's clock, run at a speed from its first event on."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first_ns: int | None = None
        self._began = 0.0

    def begin(self, first_ns: int) -> None:
        """Start the clock, unless it runs already."""
        if self._first_ns is None:
            self._first_ns, self._began = first_ns, time.monotonic()

    def now_ns(self) -> int:
        """Return what the clock says."""
        assert self._first_ns is not None
        return min(self._first_ns + int((time.monotonic() - self._began) * self._speed * 1e9), NEVER)

    def seconds_to(self, ns: int) -> float:
        """Return how long it takes until the clock says `ns`."""
        return (ns - self.now_ns()) / 1e9 / self._speed


def _dropped(events: int) -> Ledger:
    return Ledger(events, 0, dropped_in_ring=events)


def _gone(row: Ledger) -> Ledger:
    """Return what did not get into the recording, as a loss of the session that recorded it, or as dropped by it."""
    lost = row.lost + row.failed
    return Ledger(lost + row.dropped_in_ring, 0, lost_in_session=lost, dropped_in_ring=row.dropped_in_ring)
