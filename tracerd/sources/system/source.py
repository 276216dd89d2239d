"""The event source: sleeps until a poll is due, reads what is asked for, runs the programs in one native call.

The first poll is made when the source is opened, so that what starts afterwards is seen to start; its events are
delivered by the first pump, when programs that run at the begin have run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from tracerd.errors import SourceError
from tracerd.snapshot import Ledger
from tracerd.sources.base import Buffers, LinkRequest, Pause
from tracerd.sources.system.batch import Events, Feed, Words, check
from tracerd.sources.system.moment import Pace
from tracerd.sources.system.reader import Reader, choose_reader
from tracerd.sources.system.readings import Reading, readings_for
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


class SystemSource:
    """Polls this machine. `cpu` is a slot of its own behind the machine's CPUs: no other source runs there."""

    def __init__(self, cpu: int, options: SystemOptions | None = None, reader: Reader | None = None) -> None:
        self.options = options or SystemOptions()
        self._cpu = cpu
        self._reader = reader or choose_reader()
        self._pace = Pace(self.options.interval_ns, self.options.share)
        self._feed: Feed | None = None
        self._readings: dict[str, Reading] = {}          # by kind
        self._run, self._buffer = new_run(seed=1)
        self._waiting: list[Words] = []                  # read, not yet run
        self._woken = threading.Event()
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
            self._readings = readings_for(self._feed.names, {}, self._reader, self._cpu)
            self._poll(deliver=False)
        except BaseException:
            self.close()
            raise

    def relink(self, links: Sequence[LinkRequest], pause: Pause) -> SystemRelink:
        """Prepare other links: what was not polled before is read a first time.

        Raises:
            As `open`; nothing has changed then.
        """
        check(links)
        wanted: dict[str, Reading] = {}
        pause(lambda: wanted.update(self._begun({link.event for link in links})))
        return SystemRelink(self, tuple(links), wanted)

    def exchange(self, links: Sequence[LinkRequest], readings: Mapping[str, Reading]) -> None:
        """Deliver what was read for the links there are, then have others. Between pumps."""
        self._deliver()
        self._live().link(links)
        self._readings = dict(readings)
        for reading in self._readings.values():
            reading.want(self._live().names)

    def counts(self, link: LinkRequest) -> tuple[int, int]:
        """Return what a link's program has taken, and how often it failed."""
        return self._live().counts(link)

    def wake(self) -> None:
        """Make a pump in another thread return now, or the next one at once."""
        self._woken.set()

    def pump(self, timeout_ms: int) -> int:
        """Wait for the next poll, at most that long, and run the programs on what it found. Returns how many events."""
        if not self._waiting:
            wait_ns = min(self._due_ns - time.monotonic_ns(), timeout_ms * 10**6)
            if wait_ns > 0 and self._woken.wait(wait_ns / 1e9):
                self._woken.clear()
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

    def unprinted(self) -> int:
        """Return how many lines found no room in the buffer that `printed` empties."""
        return int(self._run.print_dropped)

    def buffers(self) -> Buffers:
        """Return nothing: what is polled comes when it is asked for."""
        return Buffers()

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the ledger of each name; `via` tells what polling cannot see."""
        feed = self._live()
        return {name: feed.ledger(name, self._via(name)) for name in sorted(feed.known)}

    def cost(self) -> SystemCost:
        """Return what polling cost so far."""
        return SystemCost(
            reader=self._reader.name,
            polls=self._polls,
            refused=sum(reading.refused for reading in self._readings.values()),
            cpu_ns=self._cpu_ns,
            interval_ns=self._pace.interval_ns,
        )

    def close(self) -> None:
        """Release everything. May be called twice."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _begun(self, names: Set[str]) -> dict[str, Reading]:
        """Return the readings for these events; those that are new have read once, so that changes can be told."""
        wanted = readings_for(names, self._readings, self._reader, self._cpu)
        for kind, reading in wanted.items():
            if kind not in self._readings:
                reading.read(time.monotonic_ns(), samples=False)
        return wanted

    def _poll(self, *, deliver: bool, samples: bool = True) -> int:
        """Read everything once, and run it or let it wait. The CPU time of this thread is what it cost."""
        began_ns, began_cpu = time.monotonic_ns(), time.thread_time_ns()
        parts: Sequence[Events] = [
            part for reading in self._readings.values() for part in reading.read(began_ns, samples=samples)
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
        reading = self._readings.get(kind)
        if reading is None:
            return "not polled any more"
        told += [reading.hidden()] if reading.hidden() and event not in ("start", "exit") else []
        told += [f"{reading.refused} polls refused: {reading.why}"] if reading.refused else []
        return "; ".join(told)

    def _live(self) -> Feed:
        if self._feed is None:
            raise SourceError("system", "is not open")
        return self._feed


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3g} s"


class SystemRelink:
    """A change of what is polled; see `base.Relink`."""

    def __init__(self, source: SystemSource, links: Sequence[LinkRequest], readings: Mapping[str, Reading]) -> None:
        self._source = source
        self._links = links
        self._readings = readings

    def make(self, pause: Pause) -> None:
        """Exchange the links between two polls."""
        pause(lambda: self._source.exchange(self._links, self._readings))

    def finish(self, pause: Pause) -> None:
        """Nothing is left over: what was read before the change has been delivered."""

    def abandon(self) -> None:
        """What was read is forgotten."""
