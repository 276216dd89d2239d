"""The event source: sleeps until a poll is due, reads what is asked for, runs the programs in one native call.

The first poll is made when the source is opened, so that what starts afterwards is seen to start; its events are
delivered by the first pump, when programs that run at the begin have run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tracerd.errors import SourceError
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.system.batch import Events, Feed, Words
from tracerd.sources.system.connections import ConnectionTable
from tracerd.sources.system.machine import MachineTable
from tracerd.sources.system.moment import Moment, Pace
from tracerd.sources.system.processes import ProcessTable
from tracerd.sources.system.reader import Reader, Wants, choose_reader
from tracerd.sources.ticks import new_run, take_printed


@dataclass(frozen=True, slots=True)
class SystemOptions:
    """How often to poll. The interval is stretched where polling would take more than `share` of one core."""

    interval_ns: int = 10**9
    share: float = 0.025


@dataclass(frozen=True, slots=True)
class SystemCost:
    """What polling cost so far, programs included."""

    reader: str                  # "native" or "psutil"
    polls: int
    refused: int                 # readings the operating system refused: their events are missing
    cpu_ns: int
    interval_ns: int             # between polls, as it is now


@dataclass
class _Reading:
    """One kind of thing that is polled: all or nothing each time."""

    kind: str                                            # before the colon of its events' names
    poll: Callable[[Moment], list[Events]]
    hidden: Callable[[], str]                            # what this user may not see of it, or nothing
    before_ns: int | None = None
    refused: int = 0
    why: str = ""

    def read(self, now_ns: int, *, samples: bool) -> list[Events]:
        """Poll. What the system refuses is counted, and what was known stays as it was.

        Raises:
            SourceError: the first poll is refused, so there will be no events.
        """
        try:
            parts = self.poll(Moment(now_ns, time.time_ns(), self.before_ns, samples))
        except SourceError as error:
            if self.before_ns is None:
                raise
            self.refused += 1
            self.why = str(error)
            return []
        self.before_ns = now_ns
        return parts


class SystemSource:
    """Polls this machine. `cpu` is a slot of its own behind the machine's CPUs: no other source runs there."""

    def __init__(self, cpu: int, options: SystemOptions | None = None, reader: Reader | None = None) -> None:
        self.options = options or SystemOptions()
        self._cpu = cpu
        self._reader = reader or choose_reader()
        self._pace = Pace(self.options.interval_ns, self.options.share)
        self._feed: Feed | None = None
        self._readings: list[_Reading] = []
        self._run, self._buffer = new_run(seed=1)
        self._waiting: list[Words] = []                  # read, not yet run
        self._due_ns = 0
        self._polls = 0
        self._cpu_ns = 0

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and read what is there now.

        Raises:
            SourceError: an event is unknown or too small for its program, or the system refuses what it needs.
        """
        self._feed = Feed(links, self._cpu + 1)
        try:
            self._readings = self._needed(self._feed.names)
            self._poll(deliver=False)
        except BaseException:
            self.close()
            raise

    def pump(self, timeout_ms: int) -> int:
        """Wait for the next poll, at most that long, and run the programs on what it found. Returns how many events."""
        if not self._waiting:
            wait_ns = min(self._due_ns - time.monotonic_ns(), timeout_ms * 10**6)
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
        if not self._waiting and time.monotonic_ns() < self._due_ns:
            return 0
        return self._deliver() if self._waiting else self._poll(deliver=True)

    def stop(self) -> None:
        """Poll a last time, so that what happened since the poll before is seen; a short rest is not sampled."""
        self._deliver()
        left_ns = self._due_ns - time.monotonic_ns()
        self._poll(deliver=True, samples=left_ns < self._pace.interval_ns // 2)

    def printed(self) -> bytes:
        """Take what programs printed with bpf_trace_printk, as lines."""
        return take_printed(self._run, self._buffer)

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each name; `via` tells what polling cannot see."""
        feed = self._live()
        return {name: feed.ledger(name, self._via(name)) for name in sorted(feed.names)}

    def cost(self) -> SystemCost:
        """Return what polling cost so far."""
        return SystemCost(
            reader=self._reader.name,
            polls=self._polls,
            refused=sum(reading.refused for reading in self._readings),
            cpu_ns=self._cpu_ns,
            interval_ns=self._pace.interval_ns,
        )

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _needed(self, names: frozenset[str]) -> list[_Reading]:
        """Return what has to be read for these events."""
        made = []
        if any(name.startswith("process:") for name in names):
            sampled = "process:sample" in names
            processes = ProcessTable(self._reader, Wants(io=sampled, handles=sampled), self._cpu)
            made.append(_Reading("process", processes.poll, lambda: _hidden(processes.hidden, "IO or open files")))
        if any(name.startswith("net:") for name in names):
            connections = ConnectionTable(self._reader, self._cpu)
            made.append(_Reading("net", connections.poll, lambda: _hidden(connections.hidden, "owners")))
        if "system:sample" in names:
            machine = MachineTable(self._cpu)
            made.append(_Reading("system", lambda now: machine.poll(self._reader.numbers, now), lambda: ""))
        return made

    def _poll(self, *, deliver: bool, samples: bool = True) -> int:
        """Read everything once, and run it or let it wait. The CPU time of this thread is what it cost."""
        began_ns, began_cpu = time.monotonic_ns(), time.thread_time_ns()
        parts: Sequence[Events] = [
            part for reading in self._readings for part in reading.read(began_ns, samples=samples)
        ]
        self._waiting.append(self._live().words(parts))
        taken = self._deliver() if deliver else 0
        spent = time.thread_time_ns() - began_cpu
        self._polls += 1
        self._cpu_ns += spent
        self._pace.spent(spent)
        self._due_ns = began_ns + self._pace.interval_ns
        return taken

    def _deliver(self) -> int:
        waiting, self._waiting = self._waiting, []
        return sum(self._live().run(batch, self._run) for batch in waiting)

    def _via(self, name: str) -> str:
        """Say how often is polled, what that cannot see, and what was refused."""
        every, asked = _seconds(self._pace.interval_ns), _seconds(self._pace.asked_ns)
        if every != asked:
            every += f" (not {asked}: polling may take {self._pace.share:.1%} of a core)"
        kind, _, event = name.partition(":")
        told = [f"polled every {every}" + ("" if event == "sample" else "; what lives shorter than that is not seen")]
        (reading,) = (each for each in self._readings if each.kind == kind)
        told += [reading.hidden()] if reading.hidden() and event not in ("start", "exit") else []
        told += [f"{reading.refused} polls refused: {reading.why}"] if reading.refused else []
        return "; ".join(told)

    def _live(self) -> Feed:
        if self._feed is None:
            raise SourceError("system", "is not open")
        return self._feed


def _hidden(counted: tuple[int, int], what: str) -> str:
    hidden, everything = counted
    return f"{what} of {hidden} of {everything} not readable" if hidden else ""


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3g} s"
