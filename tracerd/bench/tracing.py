"""Our side of `bench events`: sessions with small programs, on live system calls and on a recording."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tracerd.bench.events import Row, Traced, measure
from tracerd.config import Probe
from tracerd.runtime import Session, Settings
from tracerd.sources.etl import EtlSource

PROGRAMS = Path(__file__).parent / "programs"

_ATTACH = {
    "count": (("on_enter", "syscall:*:enter"),),
    "latency": (("on_enter", "syscall:*:enter"), ("on_exit", "syscall:*:exit")),
}


class _Live:
    """What a session lost and spent, asked while it runs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def lost(self) -> int:
        return sum(entry.lost for entry in self._session.snapshot().ledger.values())

    def cpu_ns(self) -> int:
        return self._session.snapshot().pump_cpu_ns


@contextmanager
def trace(kind: str) -> Iterator[Traced]:
    """Attach our program of that kind to all system calls."""
    with Session(Settings(wait_for_code=True)) as session:
        session.add(Probe(kind, PROGRAMS / f"events_{kind}.bpf.o", "auto", _ATTACH[kind], ()))
        session.start()
        yield _Live(session)
        session.stop()


def live(calls: int = 1_000_000, repetitions: int = 5) -> list[Row]:
    """Measure live system calls: untraced, ours, and bpftrace's where it is installed.

    Raises:
        TracerdError: tracing is not permitted, or a peer failed.
    """
    return measure(trace, calls, repetitions)


def recorded(path: Path, repetitions: int = 5) -> list[dict[str, object]]:
    """Measure a recording: the walk alone, and the walk with a program that counts every event by kind.

    Raises:
        SourceError, NotSupported: the recording cannot be read.
    """
    walks, runs = [], []
    for _ in range(repetitions):
        walks.append(_walk(path))
        runs.append(_replay(path))
    return [_recorded_row("etl walk", walks), _recorded_row("etl program", runs)]


def _recorded_row(what: str, samples: list[tuple[int, float]]) -> dict[str, object]:
    events = samples[0][0]
    seconds = median(spent for _, spent in samples)
    return {
        "what": what,
        "events_per_s": round(events / seconds),
        "ns_per_event": round(seconds * 1e9 / events, 2),
        "lost": 0,
    }


def _walk(path: Path) -> tuple[int, float]:
    source = EtlSource(path)
    try:
        began = time.perf_counter()
        events = source.count().events
        return events, time.perf_counter() - began
    finally:
        source.close()


def _replay(path: Path) -> tuple[int, float]:
    with Session(Settings(recording=path, wait_for_code=True)) as session:
        session.add(Probe("etw_count", PROGRAMS / "etw_count.bpf.o", "auto", (("on_event", f"etl:{path}"),), ()))
        session.start()
        began = time.perf_counter()
        session.wait(600)
        spent = time.perf_counter() - began
        return sum(entry.delivered for entry in session.stop().ledger.values()), spent
