"""Our side of `bench events`: sessions with small programs, on live system calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracerd.bench.events import Row, Traced, measure
from tracerd.config import Probe
from tracerd.runtime import Session, Settings

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
