"""How fast a `.etl` is read: `bench events --source FILE.etl`, the walk alone and with a verified program that counts.

Three rates of each, as three things are asked: the walk from the first event to the last by the clock on the wall, the
same by the CPU time of the thread inside the core, and the whole of it, from opening the file (for the program also
proving and compiling it) to its tables.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tracerd.config import Probe
from tracerd.runtime import Session, Settings
from tracerd.sources.etl import EtlSource

PROGRAMS = Path(__file__).parent / "programs"
_WAIT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Row:
    """One line, of all events of the file. The seconds are medians."""

    what: str
    events: int
    lost: int                    # by the recorder, or damaged
    seconds: float               # of the walk
    core_seconds: float          # CPU time inside the core
    whole_seconds: float         # from opening the file to the last table

    def to_json(self) -> dict[str, object]:
        """Return the row in the shape of `bench events --json` (DESIGN §11)."""
        return {
            "what": self.what,
            "events": self.events,
            "events_per_s": round(self.events / self.seconds),
            "ns_per_event": round(self.seconds * 1e9 / self.events, 2),
            "core_events_per_s": round(self.events / self.core_seconds),
            "core_ns_per_event": round(self.core_seconds * 1e9 / self.events, 2),
            "whole_events_per_s": round(self.events / self.whole_seconds),
            "lost": self.lost,
        }


@dataclass(frozen=True, slots=True)
class _Sample:
    events: int
    lost: int
    seconds: float
    core_seconds: float
    whole_seconds: float


def recorded(path: Path, repetitions: int = 5) -> list[Row]:
    """Measure a recording: the walk alone, with a program that counts every event by provider and id, and with one that
    asks for two fields of every event.

    Raises:
        SourceError: the recording cannot be read.
    """
    walks, runs, asks = [], [], []
    for _ in range(repetitions):
        walks.append(_walk(path))
        runs.append(_run(path, "etw_count"))
        asks.append(_run(path, "etw_fields"))
    return [_row("etl walk", walks), _row("etl program", runs), _row("etl fields", asks)]


def render(rows: Sequence[Row]) -> str:
    """Return the rows as lines for a person."""
    head = f"{'':<14}{'events':>12}{'ns per event':>14}{'events/s':>14}{'in the core':>14}{'with start':>14}"
    lines = [
        f"{row.what:<14}{row.events:>12,}{row.seconds * 1e9 / row.events:>14.1f}{row.events / row.seconds:>14,.0f}"
        f"{row.events / row.core_seconds:>14,.0f}{row.events / row.whole_seconds:>14,.0f}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _row(what: str, samples: Sequence[_Sample]) -> Row:
    return Row(
        what, samples[0].events, samples[0].lost, median(each.seconds for each in samples),
        median(each.core_seconds for each in samples), median(each.whole_seconds for each in samples),
    )


def _walk(path: Path) -> _Sample:
    opened = time.perf_counter()
    with closing(EtlSource(path)) as source:
        began, spent = time.perf_counter(), time.thread_time()
        counts = source.count()
        core, ended = time.thread_time() - spent, time.perf_counter()
    return _Sample(counts.events, counts.lost + counts.bad_buffers, ended - began, core, ended - opened)


def _run(path: Path, program: str) -> _Sample:
    opened = time.perf_counter()
    with Session(Settings(recording=path, wait_for_code=True)) as session:
        session.add(Probe(program, PROGRAMS / f"{program}.bpf.o", "auto", (("on_event", f"etl:{path}"),), ()))
        session.start()
        session.wait(_WAIT_SECONDS)
        final = session.stop()
        whole = time.perf_counter() - opened
    rows = final.ledger.values()
    lost = sum(row.lost + row.dropped_in_ring for row in rows)
    return _Sample(sum(row.delivered for row in rows), lost, final.seconds, final.pump_cpu_ns / 1e9, whole)
