"""Live Linux events: tracepoints, system calls and what is made of them (`perf_process`) through perf_event_open(2),
one ring per CPU.

The control plane only: names become tracepoint numbers, rings and links are made, refusals become sentences. All that
happens per event is in `native/src/perf_pump.c`.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracerd.errors import ConfigError, NotPermitted, NotSupported, RunError, SourceError
from tracerd.linux.cpus import cpu_slots, online
from tracerd.linux.perf import refusal
from tracerd.linux.tracefs import tracefs
from tracerd.native import ffi, lib
from tracerd.snapshot import HELPING, Ledger
from tracerd.sources.base import Buffers, LinkRequest, Pause
from tracerd.sources.perf_events import PerfEvents
from tracerd.sources.perf_process import ProcessEvents, is_process_event
from tracerd.sources.perf_relink import PerfRelink, at_once, wanted_of
from tracerd.sources.tasks import Sweep, seed

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
        self.events = PerfEvents(None, 0)    # until it is opened, none
        self.processes: ProcessEvents | None = None
        self._past: dict[str, Ledger] = {}   # of process events that were asked for before
        self._ignored = set[int]() if self.options.include_self else {os.getpid()}
        self._ignoring = threading.Lock()    # the list has one writer, and must not be freed under it
        self._cpus: tuple[int, ...] = ()
        self._sweep = Sweep()
        self._printed: Any = ffi.new("char[]", _PRINT_BYTES)

    @classmethod
    def permitted(cls) -> NotPermitted | NotSupported | None:
        """Return why `process:start` and `process:exit` cannot come from tracepoints here; None if they can.

        Reads the layouts, opens one tracepoint on one CPU (what allows one allows all) and closes it again: some 30 ms.
        """
        source = cls(PerfOptions(pages=1))
        try:
            forks, *_ = ProcessEvents(tracefs()).layouts(()).values()
            source._make_rings(online()[:1])
            source.events.abandon(source.events.open({forks.full_name: forks}))
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
        try:
            wanted = wanted_of(links)
            self._make_rings(online())
            with self._ignoring:
                for pid in self._ignored:
                    self._ignore_now(pid)
            self._begin(lib.tr_perf_start_tasks)
            seed(self._perf)             # after task records were let in, so that no thread can slip between
            relink = PerfRelink(self, wanted)
            relink.make(at_once)
        except BaseException:
            self.close()
            raise

    def relink(self, links: Sequence[LinkRequest], pause: Pause) -> PerfRelink:  # noqa: ARG002  the protocol's
        """Prepare other links; what was not open is opened now, disabled.

        Raises:
            As `open`; nothing has changed then.
        """
        self._live()
        return PerfRelink(self, wanted_of(links, self.events.layouts))

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return what a link's program has taken, and how often it failed."""
        with self.events.lock:
            if is_process_event(link.event):
                return self.processes.counts(link) if self.processes is not None else (0, 0)
            return self.events.counts(link)

    def pump(self, timeout_ms: int) -> int:
        """Deliver events for `timeout_ms` (0: what is there), in one native call; `wake` ends it early."""
        taken = int(lib.tr_perf_pump(self._live(), max(timeout_ms, 0)))
        if taken < 0:
            raise RunError("perf", f"pump: {os.strerror(-taken)}")
        self._sweep.step(self._live(), taken)
        if self.processes is not None:
            self.processes.step()
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
        self._live()
        with self.events.lock:
            ledgers = {name: self.events.ledger(tracepoint) for name, tracepoint in self.events.named.items()}
            ledgers |= self._past
            if self.processes is not None:
                ledgers |= self._process_ledgers(self.processes) | self._helping(self.processes)
        return ledgers

    def track(self, processes: ProcessEvents) -> None:
        """Make process events from now on (see `perf_relink`)."""
        processes.follow(self._live())
        self.processes = processes

    def untrack(self) -> None:
        """Make no process events any more; their ledgers stay."""
        if self.processes is not None:
            self.processes.end()
            self._past |= self._process_ledgers(self.processes)
            self.processes = None
            lib.tr_perf_untrack(self._live())

    def cost(self) -> PerfCost:
        """Return what the pump did and how much CPU time it took."""
        raw = self._counted()
        tasks: Any = ffi.new("struct tr_tasks_statistics *")
        lib.tr_tasks_statistics(lib.tr_perf_tasks(self._live()), tasks)
        counted = {field: int(getattr(raw, field)) for field in PerfCost.__dataclass_fields__ if hasattr(raw, field)}
        missed = tuple(sorted(set(online()) - set(self._cpus)))
        tracked = self.processes.statistics() if self.processes is not None else {}
        return PerfCost(**counted, **tracked, tasks=tasks.tasks, tasks_evicted=tasks.evicted, cpus_missed=missed)

    def buffers(self) -> Buffers:
        """Return the rings, one a CPU: the bytes that the kernel writes records to."""
        return Buffers(len(self._cpus), self.options.pages * mmap.PAGESIZE)

    def unprinted(self) -> int:
        """Return how many lines found no room in the buffer that `printed` empties."""
        return int(self._counted().print_dropped)

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines. From the pumping thread."""
        length = lib.tr_perf_printed(self._live(), self._printed, _PRINT_BYTES)
        return bytes(ffi.buffer(self._printed, length))

    def close(self) -> None:
        """Release everything. May be called twice."""
        with self._ignoring:
            if self._perf is not None:
                lib.tr_perf_free(self._perf)
                self._perf = None
        self.processes = None

    def _process_ledgers(self, processes: ProcessEvents) -> dict[str, Ledger]:
        """Return the balance of process events, those of earlier trackers included."""
        ledgers = processes.ledgers(self.events.open_now)
        return {name: ledger + self._past[name] if name in self._past else ledger for name, ledger in ledgers.items()}

    def _helping(self, processes: ProcessEvents) -> dict[str, Ledger]:
        """Return the rows of the tracepoints that only help to make process events."""
        shown = set(self.events.named.values())
        return {
            name: self.events.ledger(tracepoint, via=HELPING)
            for name, tracepoint in processes.helpers().items()
            if tracepoint not in shown
        }

    def _counted(self) -> Any:
        raw: Any = ffi.new("struct tr_perf_statistics *")
        lib.tr_perf_statistics(self._live(), raw)
        return raw

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
        self.events = PerfEvents(self._perf, len(self._cpus))

    def _make_ring(self, cpu: int) -> bool:
        """Make one CPU's ring; False if it went offline meanwhile."""
        step: Any = ffi.new("int *")
        error = -lib.tr_perf_add_cpu(self._perf, cpu, step)
        if error == errno.ENODEV:
            return False
        if error > 0:
            raise refusal("live events", error, step[0], self.options.pages)
        return True

    def _ignore_now(self, pid: int) -> None:
        if lib.tr_perf_ignore_pid(self._perf, pid, 1) < 0:
            raise SourceError("perf", "more than 16 processes to ignore")

    def _begin(self, start: Callable[[Any], int]) -> None:
        error = start(self._perf)
        if error < 0:
            raise SourceError("perf", f"cannot start: {os.strerror(-error)}")
