"""Programs that run by time: `begin`, `interval:5s`, `end`. Live they follow this machine's monotonic clock; over a
recording they follow its events' clock, so that a replay ticks the same on every run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import Buffers, LinkRequest, Pause, ledger
from tracerd.sources.names import AttachKind, parse_attach

LIVE_CATCH_UP = 1
"""A live clock that was held up runs one tick and counts the others as lost."""

RECORDED_CATCH_UP = 100_000
"""Silence in a recording is made up for tick by tick, up to this many at once."""

MOST = 256
"""Timed programs a session may have (native/src/ticks.c)."""

PRINT_BYTES = 65536
_KINDS = {
    AttachKind.BEGIN: lib.TR_TICK_BEGIN,
    AttachKind.INTERVAL: lib.TR_TICK_INTERVAL,
    AttachKind.END: lib.TR_TICK_END,
}


def new_run(seed: int) -> tuple[Any, Any]:
    """Return a native `struct tr_run *` with room for printed lines, and the buffer that must live as long."""
    buffer: Any = ffi.new("char[]", PRINT_BYTES)
    run: Any = ffi.new("struct tr_run *", {"random": seed, "print_buffer": buffer, "print_capacity": PRINT_BYTES})
    return run, buffer


def take_printed(run: Any, buffer: Any) -> bytes:
    """Take the lines that programs printed into a run's buffer."""
    text = bytes(ffi.buffer(buffer, run.printed))
    run.printed = 0
    return text


class Ticks:
    """The timed links of a session. `native` is the `struct tr_ticks *` that a recording's walker drives."""

    def __init__(self, links: Iterable[LinkRequest], *, unix_offset_ns: int, cpu: int, catch_up: int) -> None:
        """Make the links; runs are on `cpu`, and unix time is the driving clock plus `unix_offset_ns`.

        Raises:
            ConfigError: a name is none of begin, interval and end.
            SourceError: too many of them.
        """
        self.native: Any = lib.tr_ticks_new(unix_offset_ns, cpu, catch_up)
        self._groups: dict[str, int] = {}
        for link in links:
            self.add(link)

    def add(self, link: LinkRequest) -> None:
        """Add a timed program; an interval begins now, begin programs run with the next `begin_new`.

        Raises:
            SourceError: there are too many.
        """
        name = parse_attach(link.event)
        group = self._groups.setdefault(link.event, len(self._groups))
        made = lib.tr_ticks_add(self.native, link.program, _KINDS[name.kind], name.interval_ns, link.need, group)
        if made < 0:
            raise SourceError(link.event, f"more than {MOST} timed programs")

    def names_with(self, links: Iterable[LinkRequest]) -> int:
        """Return how many names there would be with these links; each keeps its ledger for good, of `MOST`."""
        return len(self._groups.keys() | {link.event for link in links})

    def begin_new(self, run: Any) -> None:
        """Run the begin programs that were added since the first advance."""
        lib.tr_ticks_begin_new(self.native, run)

    def remove(self, link: LinkRequest, run: Any) -> None:
        """Take a timed program out; an end program runs now."""
        lib.tr_ticks_remove(self.native, link.program, self._groups[link.event], run)

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return how many ticks a link's program has taken, and how many failed."""
        group: Any = ffi.new("uint32_t *")
        for at in range(MOST):
            found = lib.tr_ticks_link(self.native, at, group)
            if found == ffi.NULL:
                break
            if found.program == link.program and group[0] == self._groups.get(link.event):
                return int(found.delivered), int(found.failed)
        return 0, 0

    @property
    def due_ns(self) -> int:
        """When the next tick is due on the driving clock; 2**64 - 1: never."""
        return int(lib.tr_ticks_due(self.native))

    def advance(self, now_ns: int, run: Any) -> None:
        """Run what is due. The first call runs the begin programs."""
        lib.tr_ticks_advance(self.native, now_ns, run)

    def end(self, run: Any) -> None:
        """Run the end programs, once."""
        lib.tr_ticks_end(self.native, run)

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each name; ticks left out are lost."""
        raw: Any = ffi.new("struct tr_ledger *")
        ledgers = {}
        for name, group in self._groups.items():
            lib.tr_ticks_ledger(self.native, group, raw)
            ledgers[name] = ledger(raw)
        return ledgers

    def close(self) -> None:
        """Release it. May be called twice."""
        if self.native is not None:
            lib.tr_ticks_free(self.native)
            self.native = None


class IntervalSource:
    """Timed programs of a live session: begin when it is opened, end when it is stopped."""

    def __init__(self, cpu: int) -> None:
        """Runs are on `cpu`, a slot of their own behind the machine's CPUs: no other source runs there."""
        self._cpu = cpu
        self._ticks: Ticks | None = None
        self._links: tuple[LinkRequest, ...] = ()
        self._run, self._buffer = new_run(seed=1)
        self._woken = threading.Event()

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and run the begin programs."""
        offset = time.time_ns() - time.monotonic_ns()
        self._ticks = Ticks(links, unix_offset_ns=offset, cpu=self._cpu, catch_up=LIVE_CATCH_UP)
        self._links = tuple(links)
        self._ticks.advance(time.monotonic_ns(), self._run)

    def relink(self, links: Sequence[LinkRequest], pause: Pause) -> TicksRelink:  # noqa: ARG002  the protocol's
        """Prepare other links.

        Raises:
            SourceError: they are too many.
        """
        return TicksRelink(self, links)

    def exchange(self, gone: Iterable[LinkRequest], new: Iterable[LinkRequest]) -> None:
        """Take links out, whose end programs run, and put others in, whose begin programs run. Between pumps."""
        ticks = self._live()
        ticks.advance(time.monotonic_ns(), self._run)
        for link in gone:
            ticks.remove(link, self._run)
            self._links = tuple(each for each in self._links if each != link)
        for link in new:
            ticks.add(link)
            self._links += (link,)
        ticks.begin_new(self._run)

    @property
    def links(self) -> tuple[LinkRequest, ...]:
        """The links there are."""
        return self._links

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return what a link's program has taken, and how often it failed."""
        return self._live().counts(link)

    def names_with(self, links: Iterable[LinkRequest]) -> int:
        """Return how many names there would be with these links, those that had some included."""
        return self._live().names_with(links)

    def wake(self) -> None:
        """Make a pump in another thread return now, or the next one at once."""
        self._woken.set()

    def pump(self, timeout_ms: int) -> int:
        """Wait for the next tick, at most that long, and run what is due."""
        ticks = self._live()
        wait_ns = min(ticks.due_ns - time.monotonic_ns(), timeout_ms * 10**6)
        if wait_ns > 0 and self._woken.wait(wait_ns / 1e9):
            self._woken.clear()
        before = ticks.due_ns
        ticks.advance(time.monotonic_ns(), self._run)
        return int(ticks.due_ns != before)

    def stop(self) -> None:
        """Run what is still due, then the end programs."""
        ticks = self._live()
        ticks.advance(time.monotonic_ns(), self._run)
        ticks.end(self._run)

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines."""
        return take_printed(self._run, self._buffer)

    def unprinted(self) -> int:
        """Return how many lines found no room in the buffer that `printed` empties."""
        return int(self._run.print_dropped)

    def buffers(self) -> Buffers:
        """Return nothing: ticks are made here."""
        return Buffers()

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each name."""
        return self._live().statistics()

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._ticks is not None:
            self._ticks.close()
            self._ticks = None

    def _live(self) -> Ticks:
        if self._ticks is None:
            raise SourceError("interval", "is not open")
        return self._ticks


class TicksRelink:
    """A change of timed programs; see `base.Relink`. New ones begin in `make`, those that are gone end in `finish`, so
    begin programs run before the events of a change and end programs after them.
    """

    def __init__(self, source: IntervalSource, links: Sequence[LinkRequest]) -> None:
        """Raises SourceError if they are too many."""
        self._source = source
        self._new = [link for link in links if link not in source.links]
        self._gone = [link for link in source.links if link not in links]
        if len(source.links) + len(self._new) > MOST:
            raise SourceError("timed programs", f"more than {MOST}")
        if source.names_with(self._new) > MOST:
            cause = f"more than {MOST} different ones since the first; detach all timed programs to begin anew"
            raise SourceError("intervals", cause)

    def make(self, pause: Pause) -> None:
        """Put the new ones in."""
        if self._new:
            pause(lambda: self._source.exchange((), self._new))

    def finish(self, pause: Pause) -> None:
        """Take the others out."""
        if self._gone:
            pause(lambda: self._source.exchange(self._gone, ()))

    def abandon(self) -> None:
        """Nothing was done yet."""
