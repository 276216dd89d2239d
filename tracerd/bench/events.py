"""What tracing adds to a system call: a hammer untraced, traced by us and, where installed, by bpftrace, side by side.

Repetitions alternate over everything that is measured, so that a slow moment of the machine hits all alike; medians
are reported. How a program of ours is attached is the caller's business (`Trace`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from tracerd.bench.hammer import hammer
from tracerd.errors import RunError

KINDS = ("count", "latency")
EVENTS_PER_CALL = {"untraced": 1, "count": 1, "latency": 2}

_SCRIPTS = {
    "count": "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
    "latency": (
        "tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; } "
        "tracepoint:raw_syscalls:sys_exit /@start[tid]/ "
        "{ @ns[comm] = hist(nsecs - @start[tid]); delete(@start[tid]); }"
    ),
}
_END_SECONDS = 5.0


class Traced(Protocol):
    """What runs while the hammer hits. Both are sums since it started."""

    def lost(self) -> int:
        """Return the events the kernel had no room for."""

    def cpu_ns(self) -> int:
        """Return the CPU time that taking the events took; 0 where nobody takes them."""


Trace = Callable[[str], AbstractContextManager[Traced]]
"""Attach our program of a kind of KINDS to all system calls; attached when the block begins, detached when it ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `bench events`."""

    what: str
    events_per_s: float
    ns_per_event: float          # of one system call, as the hammer sees it
    lost: int                    # in all repetitions together
    added_ns: float              # per system call, over the untraced hammer of the same run
    consumer_core: float         # share of one CPU spent taking events

    def to_json(self) -> dict[str, object]:
        """Return the row of `bench events --json` (DESIGN §11)."""
        return {
            "what": self.what,
            "events_per_s": round(self.events_per_s),
            "ns_per_event": round(self.ns_per_event, 1),
            "lost": self.lost,
            "added_ns": round(self.added_ns, 1),
            "consumer_core": round(self.consumer_core, 4),
        }


@dataclass
class _Samples:
    events_per_call: int
    ns: list[float] = field(default_factory=list)        # per system call
    core: list[float] = field(default_factory=list)
    lost: int = 0


def to_json(rows: Sequence[Row]) -> dict[str, object]:
    """Return what `bench events --json` prints."""
    return {"rows": [row.to_json() for row in rows]}


def render(rows: Sequence[Row]) -> str:
    """Return the rows as lines for a person."""
    head = f"{'':<18}{'ns per call':>12}{'added ns':>10}{'events/s':>13}{'lost':>8}{'consumer':>10}"
    lines = [
        f"{row.what:<18}{row.ns_per_event:>12.1f}{row.added_ns:>10.1f}{row.events_per_s:>13,.0f}{row.lost:>8}"
        f"{row.consumer_core:>10.1%}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def measure(trace: Trace, calls: int = 1_000_000, repetitions: int = 5) -> list[Row]:
    """Measure everything `repetitions` times, `calls` system calls each.

    Raises:
        TracerdError: our own tracing cannot start.
        RunError: the hammer or bpftrace failed.
    """
    subjects = _subjects(trace)
    samples = {what: _Samples(EVENTS_PER_CALL[what.rpartition(" ")[2]]) for what in subjects}
    for _ in range(repetitions):
        for what, begin in subjects.items():
            with begin() as traced:
                _hit(traced, calls, samples[what])
    untraced = median(samples["untraced"].ns)
    return [_row(what, each, untraced) for what, each in samples.items()]


def _subjects(trace: Trace) -> Mapping[str, Callable[[], AbstractContextManager[Traced]]]:
    subjects: dict[str, Callable[[], AbstractContextManager[Traced]]] = {"untraced": _untraced}
    for kind in KINDS:
        subjects[f"tracerd {kind}"] = lambda kind=kind: trace(kind)      # type: ignore[misc]
    if can_bpftrace():
        for kind in KINDS:
            subjects[f"bpftrace {kind}"] = lambda kind=kind: _bpftrace(kind)     # type: ignore[misc]
    return subjects


def _hit(traced: Traced, calls: int, samples: _Samples) -> None:
    lost, cpu, begin = traced.lost(), traced.cpu_ns(), time.monotonic_ns()
    samples.ns.append(hammer(calls) / calls)
    samples.core.append((traced.cpu_ns() - cpu) / (time.monotonic_ns() - begin))
    samples.lost += traced.lost() - lost


def _row(what: str, samples: _Samples, untraced: float) -> Row:
    ns = median(samples.ns)
    per_second = 1e9 / ns * samples.events_per_call
    return Row(what, per_second, ns, samples.lost, ns - untraced, median(samples.core))


class _Nobody:
    """No consumer of ours: nothing lost, nothing spent. bpftrace aggregates in the kernel, inside the call."""

    def lost(self) -> int:
        return 0

    def cpu_ns(self) -> int:
        return 0


@contextmanager
def _untraced() -> Iterator[Traced]:
    yield _Nobody()


def can_bpftrace() -> bool:
    """Return whether bpftrace is installed and this user may run it."""
    return shutil.which("bpftrace") is not None and os.geteuid() == 0


@contextmanager
def _bpftrace(kind: str) -> Iterator[Traced]:
    """Run bpftrace's program of that kind; the block begins when it is attached."""
    script = f'BEGIN {{ printf("attached\\n"); }} {_SCRIPTS[kind]}'
    process = subprocess.Popen(
        ["bpftrace", "-B", "line", "-e", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_until_attached(process)
        yield _Nobody()
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End bpftrace; it sometimes does not heed the first signal. What it would print of its maps is of no use here."""
    process.terminate()
    try:
        process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _wait_until_attached(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.strip() == "attached":
            return
    raise RunError("bpftrace", process.stderr.read().strip().partition("\n")[0] or "ended before it was attached")
