"""The core's feed of a recording: which programs run on which of its events, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.etw_matcher import CONTEXT_BYTES, EtwMatcher
from tracerd.sources.names import parse_attach
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.ticks import RECORDED_CATCH_UP, Ticks, new_run, take_printed
from tracerd.sources.trec.layouts import canonical
from tracerd.sources.trec.meta import Meta, RecordedEvent

SEED = 0x7472616365726400
"""Of get_prandom_u32: replays give the same numbers."""

NEVER = (1 << 64) - 1
NAMES_SHOWN = 12


class Feed:
    """A `struct tr_feed` with its links. Belongs to the thread that runs it."""

    def __init__(
        self, path: Path, meta: Meta, links: Iterable[LinkRequest], schemas: Catalog | None = None
    ) -> None:
        """Declare the events and make the links.

        Raises:
            ConfigError: a name is no attach name.
            SourceError: the recording has no event of that name, a program reads more than was recorded, or what the
                file says of its events makes no sense.
        """
        self._path = path
        self._meta = meta
        self._schemas = schemas
        self._names: dict[str, int] = {}         # attach name -> event, for those that are not ETW's
        self._matcher: EtwMatcher | None = None
        self._ticks: Ticks | None = None
        self.run, self._buffer = new_run(SEED)
        self.native: Any = lib.tr_feed_new(meta.cpus)
        if self.native == ffi.NULL:
            raise SourceError(str(path), "no memory to replay it")
        try:
            self._declare()
            self._link(list(links))
        except BaseException:
            self.close()
            raise

    @property
    def passed(self) -> int:
        """Events run so far, whatever became of them."""
        return int(lib.tr_feed_passed(self.native))

    def run_until(self, data: bytes, start: int, until_ns: int) -> int:
        """Run a batch from a byte on, up to a time; returns the byte where it stopped."""
        return int(lib.tr_feed_run_until(self.native, ffi.from_buffer(data), start, len(data), until_ns, self.run))

    @property
    def next_ns(self) -> int | None:
        """The time of the event that the last run stopped before, or None if it went on to the batch's end."""
        found = int(lib.tr_feed_next_ns(self.native))
        return found if found != NEVER else None

    def end(self) -> None:
        """Run the end programs, once."""
        if self._ticks is not None:
            self._ticks.end(self.run)

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines."""
        return take_printed(self.run, self._buffer)

    def statistics(self) -> dict[str, Ledger]:
        """Return the ledger of each attach name."""
        ledgers = {name: self._event(number) for name, number in self._names.items()}
        if self._matcher is not None:
            ledgers.update(self._matcher.statistics())
        if self._ticks is not None:
            ledgers.update(self._ticks.statistics())
        return ledgers

    def unread(self) -> str:
        """Say of how many ETW events programs could not read fields that they asked for, and why; "" if of none."""
        return self._matcher.unread() if self._matcher is not None else ""

    def names(self) -> Mapping[int, str]:
        """Return the attach name that answers for each event that is not ETW's."""
        return {number: name for name, number in self._names.items()}

    def rest(self) -> Ledger:
        """Return the ledger of all events that no attach name answers for."""
        asked = set(self._names.values())
        others = [self._event(number) for number in range(len(self._meta.events)) if number not in asked]
        dropped = sum(each.dropped_in_ring for each in others) + int(lib.tr_feed_senseless(self.native))
        filtered = sum(each.filtered for each in others)
        if self._matcher is not None:
            filtered += self._matcher.unmatched
        return Ledger(dropped + filtered, 0, dropped_in_ring=dropped, filtered=filtered)

    def counts(self) -> dict[str, int]:
        """Return how many of each event have passed."""
        return {event.name: self._event(number).produced for number, event in enumerate(self._meta.events)}

    def close(self) -> None:
        """Release it. May be called twice."""
        if self.native is not None:
            lib.tr_feed_free(self.native)
            self.native = None
        for part in (self._matcher, self._ticks):
            if part is not None:
                part.close()

    def _event(self, number: int) -> Ledger:
        raw: Any = ffi.new("struct tr_ledger *")
        lib.tr_feed_ledger(self.native, number, raw)
        return ledger(raw)

    def _declare(self) -> None:
        for event in self._meta.events:
            if lib.tr_feed_add_event(self.native, event.context, event.payload) < 0:
                raise SourceError(str(self._path), f"what it says of its event {event.name!r} makes no sense")

    def _link(self, links: list[LinkRequest]) -> None:
        """Give each link to who serves it: the feed itself, the matcher of ETW events, or the clock."""
        kinds = {link.event: parse_attach(link.event).kind for link in links}
        self._link_events([link for link in links if not kinds[link.event].etw and not kinds[link.event].timed])
        self._link_etw([link for link in links if kinds[link.event].etw])
        self._link_timed([link for link in links if kinds[link.event].timed])

    def _link_events(self, links: list[LinkRequest]) -> None:
        native: Any = ffi.new("struct tr_link[]", len(links))
        for row, link in zip(native, links, strict=True):
            row.program, row.event, row.need = link.program, self._number(link), link.need
        if lib.tr_feed_set_links(self.native, native, len(links)) < 0:
            raise SourceError(str(self._path), "no memory for its links")

    def _number(self, link: LinkRequest) -> int:
        number = number_of(self._path, self._meta.events, link.event)
        have = self._meta.events[number].context
        if link.need > have:
            raise SourceError(link.event, f"its program reads {link.need} bytes of the event, {self._path} has {have}")
        if number not in self._names.values():
            self._names[link.event] = number
        return number

    def _link_etw(self, links: list[LinkRequest]) -> None:
        if not links:
            return
        numbers = [number for number, event in enumerate(self._meta.events) if event.type == "etw"]
        if not numbers:
            raise _absent(self._path, self._meta.events, links[0].event)
        self._matcher = EtwMatcher(str(self._path), links, catalog=self._schemas)
        for number in numbers:
            if lib.tr_feed_set_matcher(self.native, number, self._matcher.native) < 0:
                raise SourceError(str(self._path), f"its ETW events have less than {CONTEXT_BYTES} bytes of context")

    def _link_timed(self, links: list[LinkRequest]) -> None:
        """Timed programs run on CPU 0, as they do where a `.etl` drives them: one thread runs all of a recording."""
        if not links:
            return
        offset = self._meta.clock_offset_ns
        self._ticks = Ticks(links, unix_offset_ns=offset, cpu=0, catch_up=RECORDED_CATCH_UP)
        lib.tr_feed_set_ticks(self.native, self._ticks.native)


def number_of(path: Path, events: tuple[RecordedEvent, ...], name: str) -> int:
    """Return the number of the event that an attach name means.

    Raises:
        ConfigError: it is no attach name.
        SourceError: the recording has no such event.
    """
    wanted = canonical(parse_attach(name))
    for number, event in enumerate(events):
        if event.name == wanted:
            return number
    raise _absent(path, events, name)


def _absent(path: Path, events: tuple[RecordedEvent, ...], name: str) -> SourceError:
    names = [event.name for event in events[:NAMES_SHOWN]]
    more = f" and {len(events) - NAMES_SHOWN} more" if len(events) > NAMES_SHOWN else ""
    return SourceError(name, f"is not in {path}, which has: {', '.join(names) or 'nothing'}{more}")
