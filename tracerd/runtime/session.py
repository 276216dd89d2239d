"""A session: probes loaded, attached, pumped and read until it is stopped.

The order matters and is all here: sources are chosen first (they know how many CPUs their events come from), then maps
are made, programs proved, engines chosen and prepared, and only then are events let in.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tracerd.config import Probe
from tracerd.errors import ConfigError
from tracerd.runtime.load import LoadedProbe, load_probe, lock_if_enforced
from tracerd.runtime.pump import Pump, stop_all
from tracerd.runtime.rings import RingReader
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import Ledger, ProgramStatistics, Table
from tracerd.sources.base import LinkRequest
from tracerd.sources.choose import LiveOptions, OwnPids, Serving, choose_sources
from tracerd.verifier.job import Options
from tracerd.verifier.sandbox import Verifier
from tracerd.views.spec import ViewSpec
from tracerd.vm.policy import Asked, Integrity


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session behaves. `recording` serves `etw:` attach points; without one they need Windows."""

    code_integrity: Integrity = "auto"
    engine: Asked | None = None           # overrides every probe's own
    recording: Path | None = None
    speed: float | None = None            # of a replay, in seconds of the recording per second; None: no waiting
    wait_for_code: bool = False           # False: the interpreter serves the first events while the JIT compiles
    live: LiveOptions = field(default_factory=LiveOptions)
    verify: Options = field(default_factory=Options)


class Session:
    """Use as a context manager: `with Session() as session: session.add(probe); session.start(); …; session.stop()`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.probes: dict[str, LoadedProbe] = {}
        lock_if_enforced(self.settings.code_integrity)
        self._own: list[OwnPids] = []        # sources that filter the events of our processes
        self._verifier = Verifier(
            self.settings.verify.memory_mb, on_start=self._own_process_started, on_end=self._own_process_ended
        )
        self._wanted: dict[str, Probe] = {}
        self._pumps: list[Pump] = []
        self._started_ns = 0
        self._seconds: float | None = None
        self._offset_ns: int | None = None    # of a recording's clock

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def add(self, probe: Probe) -> None:
        """Take a probe into the session; `start` loads and attaches it."""
        if probe.name in self._wanted:
            raise ConfigError(probe.name, "is named twice")
        self._wanted[probe.name] = probe

    def start(self) -> None:
        """Load all probes and let the events in. If anything fails, nothing stays attached.

        Raises:
            TracerdError: whatever stands in the way, as one sentence.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def ended(self) -> bool:
        """True once every source has come to its end (recordings do, live sources do not)."""
        return all(pump.ended.is_set() for pump in self._awaited)

    def wait(self, seconds: float) -> bool:
        """Wait until every source has ended, at most that long. Returns whether they have."""
        deadline = time.monotonic() + seconds
        return all(pump.ended.wait(max(deadline - time.monotonic(), 0)) for pump in self._awaited)

    def snapshot(self) -> SessionSnapshot:
        """Copy everything collected so far. May be called while events flow, and after `stop`."""
        ledger: dict[str, Ledger] = {}
        for pump in self._pumps:
            ledger.update(pump.statistics())
        return SessionSnapshot(
            taken_ns=time.time_ns(),
            seconds=self._elapsed(),
            maps={name: loaded.snapshot() for name, loaded in self.probes.items()},
            rings={ring.name: ring.snapshot() for ring in self._rings()},
            printed=tuple(line for pump in self._pumps for line in pump.printed.copy()),
            programs=self._statistics(),
            ledger=ledger,
            pump_cpu_ns=sum(pump.cpu_ns for pump in self._pumps),
            clock_offset_ns=self._offset_ns if self._offset_ns is not None else time.time_ns() - time.monotonic_ns(),
        )

    def tables(self, snapshot: SessionSnapshot) -> list[tuple[ViewSpec, Table]]:
        """Return every table of every probe at that moment."""
        return [found for name, loaded in self.probes.items() for found in loaded.views.tables(snapshot.maps[name])]

    def stop(self) -> SessionSnapshot:
        """Stop the events, deliver what is still in the buffers, and return the final state: the ledger balances.

        Raises:
            TracerdError: what a pump met while it ran.
        """
        errors = stop_all(reversed(self._pumps))
        self._seconds = self._elapsed()
        if errors:
            raise errors[0]
        return self.snapshot()

    def close(self) -> None:
        """Detach and release everything. May be called twice."""
        for pump in self._pumps:
            pump.close()
        self._pumps.clear()
        for loaded in self.probes.values():
            loaded.close()
        self.probes.clear()
        self._verifier.close()

    def _start(self) -> None:
        points = [source for probe in self._wanted.values() for _, source in probe.attach]
        settings = self.settings
        chosen = choose_sources(points, settings.recording, settings.live, (self._verifier.start(),), settings.speed)
        self._own = [serving.own for serving in chosen if serving.own is not None]
        self._offset_ns = next((each.clock_offset_ns for each in chosen if each.clock_offset_ns is not None), None)
        self._pumps = [Pump(serving, self._empty_rings) for serving in chosen]
        cpus = max((serving.cpus for serving in chosen), default=1)
        for probe in self._wanted.values():
            self.probes[probe.name] = load_probe(
                probe,
                cpus,
                self._verifier,
                asked=self.settings.engine or probe.engine,
                integrity=self.settings.code_integrity,
                options=self.settings.verify,
                background=not self.settings.wait_for_code,
            )
        self._before_events()
        for pump, serving in zip(self._pumps, chosen, strict=True):
            pump.open(self._links(serving))
        self._started_ns = time.monotonic_ns()
        for pump in self._pumps:
            pump.start()

    def _before_events(self) -> None:
        """Do what must be done once all is loaded and nothing runs yet: for sessions that scripts use."""

    def _own_process_started(self, pid: int) -> None:
        for source in self._own:
            source.ignore(pid)

    def _own_process_ended(self, pid: int) -> None:
        for source in self._own:
            source.forget(pid)

    @property
    def _awaited(self) -> list[Pump]:
        return [pump for pump in self._pumps if not pump.background]

    def _rings(self) -> list[RingReader]:
        return [ring for loaded in self.probes.values() for ring in loaded.rings]

    def _empty_rings(self) -> None:
        for ring in self._rings():
            ring.empty()

    def _links(self, serving: Serving) -> list[LinkRequest]:
        return [
            loaded.programs[name].link(source)
            for loaded in self.probes.values()
            for name, source in loaded.probe.attach
            if source in serving.events
        ]

    def _statistics(self) -> tuple[ProgramStatistics, ...]:
        loaded: Sequence[LoadedProbe] = tuple(self.probes.values())
        return tuple(program.statistics() for probe in loaded for program in probe.programs.values())

    def _elapsed(self) -> float:
        if self._seconds is not None:
            return self._seconds
        return (time.monotonic_ns() - self._started_ns) / 1e9 if self._started_ns else 0.0
