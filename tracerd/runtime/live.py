"""This machine's sources under a daemon: opened when something links to them, relinked while they run, closed after.

A change of links is a transaction over all sources: everything that can fail is prepared first, beside the pumps; then
the links are exchanged between two turns of each pump, and links that stay lose nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from tracerd.errors import TracerdError
from tracerd.linux.cpus import cpu_slots
from tracerd.runtime.objects import SourceInfo
from tracerd.runtime.printed import PrintedLines
from tracerd.runtime.pump import PRINTED_LINES, Pump, stop_all
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, LiveSource, Relink
from tracerd.sources.choose import LiveOptions, MachineSource, Serving, machine_sources
from tracerd.sources.etw.source import EtwSource
from tracerd.sources.names import parse_attach
from tracerd.sources.perf import PerfSource
from tracerd.sources.system import SystemSource
from tracerd.sources.ticks import IntervalSource

Wanted = Mapping[MachineSource, list[LinkRequest]]


@dataclass(slots=True)
class _Running:
    """A source that is open, and its pump. `unprinted` is what was told of the source's own."""

    source: LiveSource
    pump: Pump
    unprinted: int = 0


_Change = tuple[MachineSource, _Running, Relink]


class LiveSources:
    """All sources of this machine. One change at a time; reading counts may go on beside it."""

    def __init__(self, options: LiveOptions, between: Callable[[], None]) -> None:
        """`between` is called after every turn of every pump: ring buffers are emptied there."""
        self._options = options
        self._between = between
        self._slots = cpu_slots()
        self._running: dict[MachineSource, _Running] = {}
        self._placed: dict[LinkRequest, MachineSource] = {}
        self._broken: dict[MachineSource, str] = {}     # closed, though links want it: why
        self._past: dict[str, Ledger] = {}
        self._past_cpu_ns = 0
        self._printed: tuple[list[str], int] = ([], 0)
        self.printed = PrintedLines()
        self._own_pids: set[int] = set()
        self._lock = threading.RLock()

    @property
    def cpus(self) -> int:
        """How many slots per-CPU maps need: the machine's CPUs, one for the timer, one for what is polled."""
        return self._slots + 2

    def relink(self, links: Sequence[LinkRequest]) -> None:
        """Have exactly these links. Those that were there before go on, with their counts.

        When it returns, no program of a link that is gone will run again.

        Raises:
            ConfigError, NotPermitted, NotSupported, SourceError: one cannot be made, and everything is as it was.
        """
        with self._lock:
            placed = self._place(links)
            wanted = {kind: [link for link in links if placed[link] is kind] for kind in MachineSource}
            with ExitStack() as undo:
                prepared = self._prepare(wanted, undo)
                undo.pop_all()
            try:
                self._make(prepared)
            except BaseException:
                self._close_unused()
                raise
            self._placed = placed
            self._finish(prepared)
            self._close_unused()

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return how many events a link's program has taken, and how many failed."""
        with self._lock:
            kind = self._placed.get(link)
            running = self._running.get(kind) if kind else None
            return running.source.counts(link) if running else (0, 0)

    def ledger(self) -> dict[str, Ledger]:
        """Return the balance of every event since the daemon's start."""
        with self._lock:
            ledgers = dict(self._past)
            for running in self._running.values():
                for name, now in running.source.statistics().items():
                    ledgers[name] = now + ledgers[name] if name in ledgers else now
            return ledgers

    def infos(self) -> list[SourceInfo]:
        """Return the sources that are open, and those that should be. Their events are those in their ledgers."""
        with self._lock:
            failed = self.failed()
            return [
                self._info(kind, failed.get(kind.value, ""))
                for kind in MachineSource
                if kind in self._running or kind.value in failed
            ]

    def take_printed(self) -> tuple[list[str], int]:
        """Return the lines of bpf_trace_printk since the last call, and how many more found no room to wait.

        Who follows `printed` gets them now.
        """
        with self._lock:
            for running in self._running.values():
                self._take_printed(running)
            taken, self._printed = self._printed, ([], 0)
            self.printed.add(*taken)
            return taken

    @property
    def cpu_ns(self) -> int:
        """CPU time of all pump threads so far."""
        with self._lock:
            return self._past_cpu_ns + sum(running.pump.cpu_ns for running in self._running.values())

    def ignore(self, pid: int) -> None:
        """Filter the events of another process of ours."""
        with self._lock:
            self._own_pids.add(pid)
            for source in self._filtering():
                source.ignore(pid)

    def forget(self, pid: int) -> None:
        """The process is gone: its number may soon be another's."""
        with self._lock:
            self._own_pids.discard(pid)
            for source in self._filtering():
                source.forget(pid)

    @contextmanager
    def parked(self) -> Iterator[None]:
        """While inside, no program runs: every pump waits between two turns. Keep it short: rings fill meanwhile."""
        with self._lock:
            release = threading.Event()
            waiting = [_Parked(running.pump, release) for running in self._running.values()]
            try:
                for each in waiting:
                    each.there.wait()
                yield
            finally:
                release.set()
                for each in waiting:
                    each.join()

    def failed(self) -> dict[str, str]:
        """Return the sources that should run and do not, and why."""
        with self._lock:
            ended = {kind.value: each.pump.failure for kind, each in self._running.items() if each.pump.failure}
            return ended | {kind.value: self._broken.get(kind, "could not be opened again") for kind in self._missing()}

    def stalled(self, seconds: float) -> list[str]:
        """Return the sources whose pump has not turned for so long. Never waits: what is stuck may hold the lock."""
        running = list(self._running.items())
        return [kind.value for kind, each in running if each.pump.silent_seconds > seconds]

    def revive(self) -> list[str]:
        """Open failed sources anew with the links they had; what passes meanwhile is not seen. Returns their names.

        Raises:
            TracerdError: one cannot be opened; it stays failed.
        """
        with self._lock:
            ended = [kind for kind, running in self._running.items() if running.pump.failure]
            dead = [*ended, *self._missing()]
            for kind in ended:
                self._close(kind)
            if dead:
                self.relink(tuple(self._placed))
            return [kind.value for kind in dead]

    def stop(self) -> list[TracerdError]:
        """Stop all events and deliver what is in the buffers; ledgers balance. Returns what pumps met."""
        with self._lock:
            return stop_all(self._running[kind].pump for kind in reversed(MachineSource) if kind in self._running)

    def close(self) -> None:
        """Release everything. May be called twice."""
        with self._lock:
            for running in self._running.values():
                running.pump.close()
            self._running.clear()
            self._placed = {}
            self.printed.end()

    def _place(self, links: Sequence[LinkRequest]) -> dict[LinkRequest, MachineSource]:
        """Choose each link's source; those that have one keep it, whatever would be chosen for them now."""
        new = dict.fromkeys(link.event for link in links if link not in self._placed)
        served = machine_sources([parse_attach(event) for event in new], poll=self._options.poll)
        source_of = {name.text: kind for kind, names in served.items() for name in names}
        return {link: self._placed.get(link) or source_of[link.event] for link in links}

    def _links_of(self, kind: MachineSource) -> list[LinkRequest]:
        return [link for link, placed in self._placed.items() if placed is kind]

    def _info(self, kind: MachineSource, failure: str) -> SourceInfo:
        links = self._links_of(kind)
        info = SourceInfo(kind.value, tuple(dict.fromkeys(link.event for link in links)), len(links), failure=failure)
        running = self._running.get(kind)
        if running is None:
            return info
        buffers, events = running.source.buffers(), dict.fromkeys([*info.events, *running.source.statistics()])
        return replace(
            info, events=tuple(events), buffers=buffers.count, buffer_bytes=buffers.bytes, cpu_ns=running.pump.cpu_ns
        )

    def _missing(self) -> list[MachineSource]:
        """Return the sources that have links and could not be opened again."""
        return [kind for kind in MachineSource if kind not in self._running and self._links_of(kind)]

    def _close_unused(self) -> None:
        for kind in [kind for kind in self._running if not self._links_of(kind)]:
            self._close(kind)

    def _prepare(self, wanted: Wanted, undo: ExitStack) -> list[_Change]:
        prepared: list[_Change] = []
        for kind in MachineSource:
            if wanted[kind] and kind not in self._running:
                self._open(kind)
                undo.callback(self._close, kind)
            if kind in self._running:
                running = self._running[kind]
                change = running.source.relink(wanted[kind], running.pump.pause)
                undo.callback(change.abandon)
                prepared.append((kind, running, change))
        return prepared

    def _make(self, prepared: Sequence[_Change]) -> None:
        """Exchange the links of all sources, or of none: the programs of links that were refused are freed next."""
        for place, (_, running, change) in enumerate(prepared):
            try:
                change.make(running.pump.pause)
            except BaseException:
                for _, _, not_made in prepared[place:]:
                    not_made.abandon()
                for kind, _, _ in prepared[: place + 1]:
                    self._go_back(kind)
                raise

    def _go_back(self, kind: MachineSource) -> None:
        """Give a source the links it had before. One that cannot have them is closed: then it runs nothing at all."""
        running = self._running[kind]
        try:
            change = running.source.relink(self._links_of(kind), running.pump.pause)
            change.make(running.pump.pause)
            change.finish(running.pump.pause)
        except Exception as error:  # noqa: BLE001  a defect too: whatever it is, the programs are freed next
            self._broken[kind] = str(error)
            self._close(kind)

    def _finish(self, prepared: Sequence[_Change]) -> None:
        """Close what is left over. A source that cannot is closed as a whole: programs of links that are gone are freed
        next, and no source may have them."""
        for kind, running, change in reversed(prepared):
            try:
                change.finish(running.pump.pause)
            except Exception as error:  # noqa: BLE001  a defect too
                self._broken[kind] = str(error)
                self._close(kind)

    def _open(self, kind: MachineSource) -> None:
        source = self._new(kind)
        pump = Pump(Serving(source, self.cpus, (kind.value,)), self._between)
        try:
            pump.open([])
            pump.start()
        except BaseException:
            pump.close()
            raise
        self._running[kind] = _Running(source, pump)
        self._broken.pop(kind, None)

    def _new(self, kind: MachineSource) -> LiveSource:
        if kind is MachineSource.TIMER:
            return IntervalSource(self._slots)
        if kind is MachineSource.SYSTEM:
            return SystemSource(self._slots + 1, self._options.system)
        options, slots = self._options, self._slots
        perf = kind is MachineSource.PERF
        source = PerfSource(options.perf, slots) if perf else EtwSource(options.etw, slots, options.schemas)
        for pid in self._own_pids:
            source.ignore(pid)
        return source

    def _close(self, kind: MachineSource) -> None:
        """Stop a source that nothing links to; its ledgers stay."""
        running = self._running.pop(kind)
        stop_all([running.pump])
        try:
            for name, last in running.source.statistics().items():
                self._past[name] = last + self._past[name] if name in self._past else last
            self._past_cpu_ns += running.pump.cpu_ns
            self._take_printed(running)
        finally:
            running.pump.close()

    def _take_printed(self, running: _Running) -> None:
        lines, lost = running.pump.take_printed()
        told, running.unprinted = running.unprinted, running.source.unprinted()
        lost += running.unprinted - told
        self._printed[0].extend(lines)
        self._printed = (self._printed[0][-PRINTED_LINES:], self._printed[1] + lost + _over(self._printed[0]))

    def _filtering(self) -> list[PerfSource | EtwSource]:
        """Return the sources whose events may be our own processes'."""
        sources = (running.source for running in self._running.values())
        return [source for source in sources if isinstance(source, PerfSource | EtwSource)]


def _over(lines: Sequence[str]) -> int:
    return max(len(lines) - PRINTED_LINES, 0)


class _Parked:
    """A pump held between two turns until `release`."""

    def __init__(self, pump: Pump, release: threading.Event) -> None:
        self.there = threading.Event()
        self._thread = threading.Thread(target=partial(pump.pause, partial(self._hold, release)), daemon=True)
        self._thread.start()

    def _hold(self, release: threading.Event) -> None:
        self.there.set()
        release.wait()

    def join(self) -> None:
        self._thread.join()
