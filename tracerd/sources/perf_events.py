"""The tracepoints a perf source has open: made, linked, counted and closed, at the start or while others are pumped."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tracerd.errors import RunError, SourceError
from tracerd.linux.perf import ADDING, refusal
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, Pause, count_of, ledger
from tracerd.sources.schema.tracefs import TracepointFormat

EVEN_TRIES = 200
LET_THROUGH_SECONDS = 0.002
"""What had passed an event's filter before it was shut is counted within that time; then its balance is waited for, as
often as a stop does (native/src/perf_counts.c)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A tracepoint that is open and disabled, and nobody's yet."""

    name: str
    tracepoint: int
    fds: Any


class PerfEvents:
    """The events of one native source. `lock` keeps those who read counts off while events come and go."""

    def __init__(self, perf: Any, cpus: int) -> None:
        """`cpus` is the number of rings."""
        self.lock = threading.Lock()
        self._perf = perf
        self._cpus = cpus
        self._names: dict[str, int] = {}      # the name each tracepoint was first asked for by -> its id
        self.layouts: Mapping[str, TracepointFormat] = {}    # of every linked event, by name
        self._numbers: dict[int, int] = {}    # a tracepoint's id -> the core's number, also of closed ones
        self._open: set[int] = set()

    @property
    def open_now(self) -> frozenset[int]:
        """The ids of the tracepoints that are open."""
        return frozenset(self._open)

    @property
    def numbers(self) -> Mapping[int, int]:
        """The core's number of every tracepoint's id."""
        return self._numbers

    @property
    def named(self) -> Mapping[str, int]:
        """The tracepoints that links asked for by name, closed ones too."""
        return self._names

    def open(self, layouts: Mapping[str, TracepointFormat]) -> list[Opened]:
        """Open those that are not open yet, by name, disabled; beside the pump. All or none.

        Raises:
            NotPermitted, SourceError: the kernel refuses one.
        """
        opened: list[Opened] = []
        taken = set(self._open)
        try:
            for name, layout in layouts.items():
                if layout.id not in taken:
                    taken.add(layout.id)
                    opened.append(self._open_one(name, layout.id))
        except BaseException:
            self.abandon(opened)
            raise
        return opened

    def abandon(self, opened: Iterable[Opened]) -> None:
        """Close what was opened and not installed."""
        for each in opened:
            lib.tr_perf_close_fds(each.fds, self._cpus)

    def install(self, opened: list[Opened]) -> list[Opened]:
        """Make them events, still disabled; each leaves the list, for it is closed with the source from now on.

        Between pumps, with the lock. Returns those that were in the list.
        """
        installed = []
        while opened:
            each = opened[0]
            number = lib.tr_perf_install_event(self._perf, each.tracepoint, each.fds)
            if number < 0:
                raise refusal(each.name, -number, ADDING)
            installed.append(opened.pop(0))
            self._numbers[each.tracepoint] = number
            self._open.add(each.tracepoint)
        return installed

    def enable(self, opened: Iterable[Opened]) -> None:
        """Let their events in."""
        for each in opened:
            error = lib.tr_perf_enable_event(self._perf, self._numbers[each.tracepoint])
            if error < 0:
                raise SourceError(each.name, f"cannot start: {os.strerror(-error)}")

    def name(self, layouts: Mapping[str, TracepointFormat]) -> None:
        """Tell the ledgers of these events by these names; one tracepoint has one name, the first it was given."""
        for name, layout in layouts.items():
            if layout.id not in self._names.values():
                self._names[name] = layout.id

    def link(self, links: Sequence[LinkRequest], layouts: Mapping[str, TracepointFormat]) -> None:
        """Set all links of the source; those that were there before go on with their counts. Between pumps."""
        native: Any = ffi.new("struct tr_link[]", len(links))
        for row, link in zip(native, links, strict=True):
            row.program = link.program
            row.event = self._numbers[layouts[link.event].id]
            row.need = link.need
        error = lib.tr_perf_set_links(self._perf, native, len(links))
        if error < 0:
            raise SourceError("perf", f"{len(links)} links: {os.strerror(-error)}")
        self.layouts = layouts

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return how many events a link's program has taken, and how many failed. With the lock."""
        layout = self.layouts.get(link.event)
        number = self._numbers.get(layout.id) if layout is not None else None
        count: Any = ffi.new("uint32_t *")
        links = lib.tr_perf_links(self._perf, count)
        return count_of(links, count[0], link, number) if number is not None else (0, 0)

    def close(self, tracepoints: Iterable[int], pause: Pause) -> None:
        """Close events that have no links any more, once all that they let in has been taken. Beside the pump."""
        numbers = [self._numbers[each] for each in tracepoints]
        if not numbers:
            return
        for number in numbers:
            lib.tr_perf_shut_event(self._perf, number)
        time.sleep(LET_THROUGH_SECONDS)
        for _ in range(EVEN_TRIES):
            if all(lib.tr_perf_event_is_even(self._perf, number) for number in numbers):
                break
            pause(_nothing)                   # the pump takes what is there whenever it begins a turn
            time.sleep(LET_THROUGH_SECONDS / 2)
        fds: Any = ffi.new("int[]", self._cpus)
        for tracepoint in tracepoints:
            pause(partial(self._retire, tracepoint, fds))
            lib.tr_perf_close_fds(fds, self._cpus)

    def ledger(self, tracepoint: int, via: str = "") -> Ledger:
        """Return the balance of a tracepoint over all its openings."""
        raw: Any = ffi.new("struct tr_ledger *")
        error = lib.tr_perf_ledger(self._perf, self._numbers[tracepoint], raw)
        if error < 0:
            raise RunError("perf", f"the counter of tracepoint {tracepoint} cannot be read: {os.strerror(-error)}")
        return ledger(raw, via)

    def _open_one(self, name: str, tracepoint: int) -> Opened:
        fds: Any = ffi.new("int[]", self._cpus)
        error = -lib.tr_perf_open_event(self._perf, tracepoint, fds)
        if error > 0:
            raise refusal(name, error, ADDING)
        return Opened(name, tracepoint, fds)

    def _retire(self, tracepoint: int, fds: Any) -> None:
        with self.lock:
            if lib.tr_perf_retire_event(self._perf, self._numbers[tracepoint], fds) < 0:
                raise RunError("perf", f"tracepoint {tracepoint} is not open: {os.strerror(errno.EBADF)}")
            self._open.discard(tracepoint)


def _nothing() -> None:
    """What a pause is for that only has to begin and end."""
