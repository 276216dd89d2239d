"""Programs that run by time: `begin`, `interval:5s`, `end`. Live they follow this machine's monotonic clock; over a
recording they follow its events' clock, so that a replay ticks the same on every run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.names import AttachKind, parse_attach

LIVE_CATCH_UP = 1
"""A live clock that was held up runs one tick and counts the others as lost."""

RECORDED_CATCH_UP = 100_000
"""Silence in a recording is made up for tick by tick, up to this many at once."""

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
            name = parse_attach(link.event)
            group = self._groups.setdefault(link.event, len(self._groups))
            made = lib.tr_ticks_add(self.native, link.program, _KINDS[name.kind], name.interval_ns, link.need, group)
            if made < 0:
                raise SourceError(link.event, "more than 256 timed programs")

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
        self._run, self._buffer = new_run(seed=1)

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and run the begin programs."""
        offset = time.time_ns() - time.monotonic_ns()
        self._ticks = Ticks(links, unix_offset_ns=offset, cpu=self._cpu, catch_up=LIVE_CATCH_UP)
        self._ticks.advance(time.monotonic_ns(), self._run)

    def pump(self, timeout_ms: int) -> int:
        """Wait for the next tick, at most that long, and run what is due."""
        ticks = self._live()
        wait_ns = min(ticks.due_ns - time.monotonic_ns(), timeout_ms * 10**6)
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
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
