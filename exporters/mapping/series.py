"""What mapping makes: the metrics of one probe at one moment, as columns.

A column of series keeps its `Attributes` object for as long as its series are the same, so whoever encodes them may
keep what it made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tracerd.signals import Kind, Scalar

Times = npt.NDArray[np.uint64]
Numbers = npt.NDArray[Any]       # int64, uint64 or float64
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint64]
Row = tuple[tuple[str, Scalar], ...]
Temporality = Literal["cumulative", "delta", "lowmemory"]


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """The attributes of n series: `rows[i]` has the (name, value) pairs of series i, in one order for all."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)


def places_in(before: Attributes | None, now: Attributes) -> npt.NDArray[np.intp]:
    """Return where each series of now was before, -1 for those that were not."""
    if before is now:
        return np.arange(len(now))
    numbers = {row: number for number, row in enumerate(before.rows)} if before else {}
    return np.array([numbers.get(row, -1) for row in now.rows], np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class NumberPoints:
    """One number of each series."""

    attributes: Attributes
    starts: Times                # (n,) unix ns: since when a total counts
    values: Numbers              # (n,)


@dataclass(frozen=True, slots=True, eq=False)
class HistogramPoints:
    """Explicit buckets of each series. Bucket j counts values in (bounds[j - 1], bounds[j]], the last all above."""

    attributes: Attributes
    starts: Times
    bounds: tuple[float, ...]    # m
    counts: Counts               # (n, m + 1)
    sums: Floats | None          # (n,); None: not known


@dataclass(frozen=True, slots=True, eq=False)
class ExponentialPoints:
    """Buckets of each series: bucket j counts values in (base**(offset + j), base**(offset + j + 1)]."""

    attributes: Attributes
    starts: Times
    scale: int                   # base = 2 ** (2 ** -scale)
    offset: int
    counts: Counts               # (n, m)
    sums: Floats | None


Points = NumberPoints | HistogramPoints | ExponentialPoints


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric. Its points may come from several maps; `ended` are series that are no more since the look before."""

    name: str
    kind: Kind
    unit: str
    description: str
    delta: bool                  # values count since the look before, which is their start
    parts: tuple[Points, ...]
    ended: tuple[Row, ...] = ()
    exponential: bool = False    # a histogram's buckets are


def scope_name(probe: str) -> str:
    """Return what the instrumentation scope of a probe is called; tracerd's own is that of ""."""
    return f"tracerd.{probe}" if probe else "tracerd"


@dataclass(frozen=True, slots=True, eq=False)
class ProbeMetrics:
    """One probe's metrics at one moment; tracerd's own have no probe: ""."""

    probe: str
    taken_ns: int
    metrics: tuple[Metric, ...]
    overflowed: dict[str, int] = field(default_factory=dict)     # metric -> series that found no room of their own
