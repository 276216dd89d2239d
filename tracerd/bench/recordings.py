"""What recording costs and how fast a `.trec` is replayed: `bench record`, and `bench events --source FILE.trec`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tracerd.bench.hammer import hammer
from tracerd.config import Engine, Probe
from tracerd.errors import SourceError
from tracerd.runtime import Session, Settings
from tracerd.runtime.recorded_events import plan_sources
from tracerd.runtime.recording import Recording, RecordOptions, Summary
from tracerd.sources.choose import LiveOptions
from tracerd.sources.trec.reader import Reader
from tracerd.sources.trec.source import TrecSource

PROGRAMS = Path(__file__).parent / "programs"
EVENT = "syscall:*:enter"

_TURN_MS = 100
_ENGINES: tuple[Engine, ...] = ("jit", "interpreter")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: recording (`ns_per_event` is CPU time of the whole process) or replaying (wall time)."""

    what: str
    events: int
    events_per_s: float
    ns_per_event: float
    lost: int = 0
    bytes_per_event: float | None = None
    core: float | None = None    # share of one CPU

    def to_json(self) -> dict[str, object]:
        """Return the row in the shape of `bench events --json` (DESIGN §11)."""
        row: dict[str, object] = {
            "what": self.what,
            "events": self.events,
            "events_per_s": round(self.events_per_s),
            "ns_per_event": round(self.ns_per_event, 2),
            "lost": self.lost,
        }
        if self.bytes_per_event is not None:
            row["bytes_per_event"] = round(self.bytes_per_event, 2)
        if self.core is not None:
            row["core"] = round(self.core, 4)
        return row


def render(rows: Sequence[Row]) -> str:
    """Return the rows as lines for a person."""
    return "\n".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    line = f"{row.what:<18}{row.ns_per_event:>8.2f} ns per event {row.events_per_s:>14,.0f} events/s"
    if row.bytes_per_event is not None and row.core is not None:
        line += f"{row.bytes_per_event:>7.1f} bytes per event, {row.core:.1%} of one CPU, {row.lost:,} lost"
    return line


def record(calls: int = 10_000_000) -> list[Row]:
    """Record a child's `calls` system calls, then replay what was recorded.

    Raises:
        TracerdError: live events are not permitted, or the child failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hammer.trec"
        with Recording(plan_sources([EVENT], LiveOptions()), RecordOptions(path)) as recording:
            recording.start()
            spent_ns = hammer(calls)
            summary = recording.stop()
        return [_recorded(summary, calls, spent_ns), *replay(path)]


def replay(path: Path, repetitions: int = 5) -> list[Row]:
    """Measure a recording: the walk alone, and with a verified program that counts, on each engine.

    Raises:
        SourceError, NotSupported: it cannot be read, or has events of neither tracepoints nor ETW.
    """
    samples: dict[str, list[tuple[int, float]]] = {}
    probe = _counting(path)
    for _ in range(repetitions):
        samples.setdefault("trec walk", []).append(_walk(path))
        for engine in _ENGINES:
            samples.setdefault(f"trec {engine}", []).append(_run(path, probe, engine))
    return [_replayed(what, each) for what, each in samples.items()]


def _recorded(summary: Summary, calls: int, spent_ns: int) -> Row:
    """The rate is the hammer's own; the share of a CPU is taken over the time that it hit."""
    lost = sum(row.lost + row.dropped_in_ring for row in summary.ledger.values())
    return Row(
        "record", summary.events, calls / spent_ns * 1e9, summary.cpu_ns / summary.events, lost,
        summary.bytes / summary.events, summary.cpu_ns / spent_ns,
    )


def _replayed(what: str, samples: Sequence[tuple[int, float]]) -> Row:
    events, seconds = samples[0][0], median(spent for _, spent in samples)
    return Row(what, events, events / seconds, seconds * 1e9 / events)


def _counting(path: Path) -> Probe:
    """Return a probe whose program counts all events of the recording."""
    with closing(Reader(path)) as reader:
        events = reader.meta.events
    if any(event.type == "etw" for event in events):
        return Probe("count", PROGRAMS / "etw_count.bpf.o", "auto", (("on_event", f"etl:{path}"),), ())
    attach = tuple(("on_enter", event.name) for event in events if event.type == "tracepoint")
    if not attach:
        raise SourceError(str(path), "has neither tracepoints nor ETW events to count")
    return Probe("count", PROGRAMS / "events_count.bpf.o", "auto", attach, ())


def _walk(path: Path) -> tuple[int, float]:
    with closing(TrecSource(path)) as source:
        began = time.perf_counter()
        source.open([])
        while source.pump(_TURN_MS) >= 0:
            pass
        return sum(source.counts().values()), time.perf_counter() - began


def _run(path: Path, probe: Probe, engine: Engine) -> tuple[int, float]:
    with Session(Settings(recording=path, engine=engine, wait_for_code=True)) as session:
        session.add(probe)
        session.start()
        began = time.perf_counter()
        session.wait(600)
        spent = time.perf_counter() - began
        return sum(entry.delivered for entry in session.stop().ledger.values()), spent
