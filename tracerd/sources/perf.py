"""Live Linux events: tracepoints, system calls and what is made of them (`perf_process`) through perf_event_open(2),
one ring per CPU.

The control plane only: names become tracepoint numbers, rings and links are made, refusals become sentences. All that
happens per event is in `native/src/perf_pump.c`.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracerd.errors import ConfigError, NotPermitted, NotSupported, RunError, SourceError
from tracerd.linux.cpus import cpu_slots, online
from tracerd.linux.perf import ADDING, refusal
from tracerd.linux.tracefs import tracefs
from tracerd.native import ffi, lib
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest, ledger
from tracerd.sources.names import parse_attach
from tracerd.sources.perf_process import EXIT, START, ProcessEvents, is_process_event
from tracerd.sources.schema.tracefs import TracepointFormat, read_format
from tracerd.sources.tasks import Sweep, process_ids, seed

_PRINT_BYTES = 65536


@dataclass(frozen=True, slots=True)
class PerfOptions:
    """How the rings are made. At 1.2 million events/s a ring of 2,048 pages holds about 60 ms."""

    pages: int = 2048                # of data per CPU, a power of two
    window_us: int = 1000            # an event waits that long for older ones of other CPUs
    include_self: bool = False       # deliver the events of this process too


@dataclass(frozen=True, slots=True)
class PerfCost:
    """What the source did and what it cost so far. Counts are of all events together."""

    delivered: int
    batches: int                 # merge rounds that found something
    wakeups: int
    reordered: int               # delivered after a younger one
    unparsed: int                # samples of no event of ours
    lost_records: int            # what PERF_RECORD_LOST says: less than the ledger's lost
    task_records: int
    task_records_lost: int       # names may be stale until the next sweep
    task_reads: int
    cpu_ns: int                  # CPU time of the pump, programs included
    print_dropped: int
    cpus_missed: tuple[int, ...]    # came online after the start: their events are not seen
    tasks: int                   # threads in the task table
    tasks_evicted: int
    processes: int = 0           # in the process table; 0 unless process events are asked for
    processes_evicted: int = 0   # living processes forgotten for want of room
    starts_early: int = 0        # told before their exec for want of room


class PerfSource:
    """Tracepoints of this machine as an event source. One thread pumps and stops it; `wake` may come from any other."""

    def __init__(self, options: PerfOptions | None = None, cpus: int | None = None) -> None:
        """`cpus` is how many CPUs maps have slots for; by default, as many as this machine needs now."""
        self.options = options or PerfOptions()
        self.cpus = cpus if cpus is not None else cpu_slots()
        self._perf: Any = None
        self._names: dict[str, int] = {}     # full name -> its tracepoint's id
        self._numbers: dict[int, int] = {}   # a tracepoint's id -> the core's number
        self._processes: ProcessEvents | None = None
        self._ignored = set[int]() if self.options.include_self else {os.getpid()}
        self._ignoring = threading.Lock()    # the list has one writer, and must not be freed under it
        self._cpus: tuple[int, ...] = ()
        self._sweep = Sweep()

    @classmethod
    def permitted(cls) -> NotPermitted | NotSupported | None:
        """Return why `process:start` and `process:exit` cannot come from tracepoints here; None if they can.

        Reads the layouts, opens one tracepoint on one CPU (what allows one allows all) and closes it again: some 30 ms.
        """
        source = cls(PerfOptions(pages=1))
        try:
            forks, *_ = ProcessEvents([], tracefs(), (START, EXIT)).formats.values()
            source._make_rings(online()[:1])
            source._add_event(forks.full_name, forks.id)
        except (NotPermitted, NotSupported) as error:
            return error
        finally:
            source.close()
        return None

    def ignore(self, pid: int) -> None:
        """Count the events of another process of ours as filtered, like those of this one. At any time, any thread.

        Raises:
            SourceError: it would be one too many.
        """
        if self.options.include_self:
            return
        with self._ignoring:
            self._ignored.add(pid)
            if self._perf is not None:
                self._ignore_now(pid)

    def forget(self, pid: int) -> None:
        """Take back `ignore`, for a process that has ended: its id may become another's. At any time, any thread."""
        with self._ignoring:
            self._ignored.discard(pid)
            if self._perf is not None:
                lib.tr_perf_ignore_pid(self._perf, pid, 0)

    def open(self, links: list[LinkRequest]) -> None:
        """Make the rings, the events and the links, and let the events in.

        Raises:
            ConfigError: no such event, or a ring size that cannot be.
            NotPermitted: the kernel refuses perf events, tracefs or locked memory to this user.
            NotSupported: the kernel is too old.
            SourceError: an event's record is shorter than its program reads, or the system's limits are too low.
        In every case nothing stays open.
        """
        if self._perf is not None:
            raise SourceError("perf", "is already open")
        processes = [link for link in links if is_process_event(link.event)]
        links = [link for link in links if not is_process_event(link.event)]
        formats = _formats(links)
        if processes:
            self._processes = ProcessEvents(processes, tracefs())
        try:
            self._make_rings(online())
            self._make_events(formats)
            self._make_links(links, formats)
            if self._processes is not None:
                self._processes.follow(self._perf, self._numbers)
            with self._ignoring:
                for pid in self._ignored:
                    self._ignore_now(pid)
            self._start()
        except BaseException:
            self.close()
            raise

    def pump(self, timeout_ms: int) -> int:
        """Deliver events for `timeout_ms` (0: what is there), in one native call; `wake` ends it early."""
        taken = int(lib.tr_perf_pump(self._live(), max(timeout_ms, 0)))
        if taken < 0:
            raise RunError("perf", f"pump: {os.strerror(-taken)}")
        self._sweep.step(self._live())
        if self._processes is not None:
            self._processes.step()
        return taken

    def wake(self) -> None:
        """Make a pump in another thread return now. The next pump returns at once if none is running."""
        if self._perf is not None:
            lib.tr_perf_wake(self._perf)

    def stop(self) -> None:
        """Stop the events and deliver what is in the rings. From the pumping thread, or after it has ended."""
        if self._perf is None:
            return
        result = lib.tr_perf_stop(self._perf)
        if result == -errno.EBUSY:
            raise RunError("perf", "cannot stop while another thread pumps")
        if result < 0:
            raise RunError("perf", f"stop: {os.strerror(-result)}")

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each event, by the name it was first asked for. Exact after `stop`."""
        ledgers = {name: self._ledger(tracepoint) for name, tracepoint in self._names.items()}
        if self._processes is not None:
            ledgers |= self._processes.statistics() | self._helping(self._processes)
        return ledgers

    def cost(self) -> PerfCost:
        """Return what the pump did and how much CPU time it took."""
        raw: Any = ffi.new("struct tr_perf_statistics *")
        lib.tr_perf_statistics(self._live(), raw)
        tasks: Any = ffi.new("struct tr_tasks_statistics *")
        lib.tr_tasks_statistics(lib.tr_perf_tasks(self._live()), tasks)
        counted = {field: int(getattr(raw, field)) for field in PerfCost.__dataclass_fields__ if hasattr(raw, field)}
        missed = tuple(sorted(set(online()) - set(self._cpus)))
        tracked = self._processes.counts() if self._processes is not None else {}
        return PerfCost(**counted, **tracked, tasks=tasks.tasks, tasks_evicted=tasks.evicted, cpus_missed=missed)

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines. From the pumping thread."""
        text = ffi.new("char[]", _PRINT_BYTES)
        length = lib.tr_perf_printed(self._live(), text, _PRINT_BYTES)
        return bytes(ffi.buffer(text, length))

    def close(self) -> None:
        """Release everything. May be called twice."""
        with self._ignoring:
            if self._perf is not None:
                lib.tr_perf_free(self._perf)
                self._perf = None
        self._processes = None

    def _helping(self, processes: ProcessEvents) -> dict[str, Ledger]:
        """Return the rows of the tracepoints that only help to make process events."""
        shown = set(self._names.values())
        return {
            name: self._ledger(tracepoint, via="also taken, to tell process events")
            for name, tracepoint in processes.helpers().items()
            if tracepoint not in shown
        }

    def _ledger(self, tracepoint: int, via: str = "") -> Ledger:
        raw: Any = ffi.new("struct tr_ledger *")
        error = lib.tr_perf_ledger(self._live(), self._numbers[tracepoint], raw)
        if error < 0:
            raise RunError("perf", f"the counter of tracepoint {tracepoint} cannot be read: {os.strerror(-error)}")
        return ledger(raw, via)

    def _live(self) -> Any:
        if self._perf is None:
            raise SourceError("perf", "is not open")
        return self._perf

    def _make_rings(self, cpus: Iterable[int]) -> None:
        pages = self.options.pages
        if pages < 1 or pages & (pages - 1):
            raise ConfigError(f"--pages {pages}", "must be a power of two")
        self._perf = lib.tr_perf_new(pages, self.options.window_us)
        if self._perf == ffi.NULL:
            self._perf = None
            raise NotSupported("live events", "no memory for them, or not a Linux system")
        # A CPU may have come online since maps were made: they have no slot for its events, or it is another source's.
        self._cpus = tuple(cpu for cpu in cpus if cpu < self.cpus and self._make_ring(cpu))
        if not self._cpus:
            raise SourceError("perf", "no CPU of this machine takes perf events")

    def _make_ring(self, cpu: int) -> bool:
        """Make one CPU's ring; False if it went offline meanwhile."""
        step: Any = ffi.new("int *")
        error = -lib.tr_perf_add_cpu(self._perf, cpu, step)
        if error == errno.ENODEV:
            return False
        if error > 0:
            raise refusal("live events", error, step[0], self.options.pages)
        return True

    def _make_events(self, formats: Mapping[str, TracepointFormat]) -> None:
        for name, layout in formats.items():
            if layout.id not in self._numbers:           # two names may mean one tracepoint
                self._add_event(name, layout.id)
                self._names[name] = layout.id
        for layout in self._processes.formats.values() if self._processes is not None else ():
            if layout.id not in self._numbers:
                self._add_event(layout.full_name, layout.id)

    def _add_event(self, name: str, tracepoint: int) -> None:
        number = lib.tr_perf_add_event(self._perf, tracepoint)
        if number < 0:
            raise refusal(name, -number, ADDING)
        self._numbers[tracepoint] = number

    def _make_links(self, links: list[LinkRequest], formats: Mapping[str, TracepointFormat]) -> None:
        native: Any = ffi.new("struct tr_link[]", len(links))
        for row, link in zip(native, links, strict=True):
            row.program = link.program
            row.event = self._numbers[formats[link.event].id]
            row.need = link.need
        error = lib.tr_perf_set_links(self._perf, native, len(links))
        if error < 0:
            raise SourceError("perf", f"{len(links)} links: {os.strerror(-error)}")

    def _ignore_now(self, pid: int) -> None:
        if lib.tr_perf_ignore_pid(self._perf, pid, 1) < 0:
            raise SourceError("perf", "more than 16 processes to ignore")

    def _start(self) -> None:
        """Let task records in before the threads are read, so that none can slip between; then the events."""
        self._begin(lib.tr_perf_start_tasks)
        seed(self._perf)
        self._begin(lib.tr_perf_start)
        if self._processes is not None:
            self._processes.seed(process_ids())

    def _begin(self, start: Callable[[Any], int]) -> None:
        error = start(self._perf)
        if error < 0:
            raise SourceError("perf", f"cannot start: {os.strerror(-error)}")


def _formats(links: list[LinkRequest]) -> dict[str, TracepointFormat]:
    """Return the layout of every event asked for, having checked that it is long enough for its programs."""
    root = tracefs()
    formats: dict[str, TracepointFormat] = {}
    for link in links:
        if link.event not in formats:
            formats[link.event] = _format(root, link.event)
        have = formats[link.event].record_bytes
        if link.need > have:
            raise SourceError(link.event, f"its program reads {link.need} bytes of the record, the event has {have}")
    return formats


def _format(root: Path, event: str) -> TracepointFormat:
    name = parse_attach(event)
    if not name.kind.live_linux:
        raise ConfigError(event, "is not an event of the Linux kernel: tracepoint:CATEGORY:NAME or syscall:NAME:enter")
    try:
        return read_format(root, name.category, name.event)
    except ConfigError as error:
        raise ConfigError(event, error.cause) from error
