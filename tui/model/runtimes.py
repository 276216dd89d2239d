"""How long a program's runs take, and what they cost: between two moments; where there is one, since it was loaded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracerd.snapshot import ProgramStatistics
from tracerd.views.percentiles import log2_percentile


@dataclass(frozen=True, slots=True)
class Runtime:
    """One program's runs. Times in ns; one run in 64 is timed."""

    rate: float                  # runs/s; 0 where there is nothing to compare with
    aborted_rate: float          # aborted runs/s
    mean_ns: float
    p50_ns: int
    p99_ns: int
    share: float                 # of one CPU
    timed: int                   # how many runs the times are from


def runtime(now: ProgramStatistics, before: ProgramStatistics | None, seconds: float) -> Runtime:
    """Compare two counts of one program. Where no run was timed in between, the times are those since it was loaded."""
    comparable = before is not None and seconds > 0 and now.runs >= before.runs
    earlier = before if comparable and before is not None else None
    timed = now.timed_runs - (earlier.timed_runs if earlier else 0)
    recent = earlier if timed > 0 else None
    timed_ns = now.timed_ns - (recent.timed_ns if recent else 0)
    counted = timed if timed > 0 else now.timed_runs
    mean = timed_ns / counted if counted else now.mean_ns
    slots = _slots(now, recent)
    rate = (now.runs - earlier.runs) / seconds if earlier else 0.0
    return Runtime(
        rate=rate,
        aborted_rate=max(now.aborted - earlier.aborted, 0) / seconds if earlier else 0.0,
        mean_ns=mean,
        p50_ns=_percentile(slots, 50),
        p99_ns=_percentile(slots, 99),
        share=rate * mean / 1e9,
        timed=counted,
    )


def _slots(now: ProgramStatistics, before: ProgramStatistics | None) -> list[int]:
    earlier = before.slots if before is not None else ()
    padded = (*earlier, *[0] * (len(now.slots) - len(earlier)))
    return [max(count - then, 0) for count, then in zip(now.slots, padded, strict=False)]


def _percentile(slots: list[int], percent: float) -> int:
    if not any(slots):
        return 0
    return int(log2_percentile(np.array([slots], dtype=np.int64), percent)[0])
