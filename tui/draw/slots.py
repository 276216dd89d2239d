"""Slots of histograms: their bounds as people read them, which are in use, where percentiles lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import inf

import numpy as np
import numpy.typing as npt

from tui.draw.ticks import Format

Edges = tuple[float, ...]
"""Where slots begin and end: slot i is between edges i and i + 1. The outer ones may be infinite."""

Counts = npt.NDArray[np.float64]


def log2_edges(slots: int) -> Edges:
    """Return the edges of log2 slots: slot i is [2**i, 2**(i + 1)), the first also has 0, the last all above it."""
    return (0.0, *(2.0**each for each in range(1, slots)), inf) if slots > 0 else (0.0,)


def linear_edges(start: float, width: float, slots: int) -> Edges:
    """Return the edges of slots of one width. What is outside counts in the first and in the last one."""
    return (-inf if start > 0 else start, *(start + width * each for each in range(1, slots)), inf)


@lru_cache(maxsize=64)
def labels(edges: Edges, format: Format) -> tuple[str, ...]:  # noqa: A002
    """Return the bounds of each slot as text."""
    return tuple(bounds(low, high, format) for low, high in pairwise(edges))


def bounds(low: float, high: float, format: Format) -> str:  # noqa: A002
    """Return a slot's bounds as text."""
    if high == inf:
        return "all" if low == -inf else f"≥ {format(low)}"
    return f"< {format(high)}" if low == -inf else f"{format(low)} – {format(high)}"


def used(counts: Counts) -> range:
    """Return the slots from the first that has something to the last: what is outside is left out of pictures."""
    some = np.flatnonzero(counts > 0)
    return range(int(some[0]), int(some[-1]) + 1) if len(some) else range(0)


def percentile_slots(counts: Counts, percents: Sequence[float]) -> tuple[int, ...]:
    """Return in which slot each percentile lies; nothing is said about where inside. Empty if nothing was counted."""
    reached = np.cumsum(counts)
    if not len(reached) or not reached[-1] > 0:
        return ()
    wanted = reached[-1] * (np.asarray(percents) / 100.0)
    slots = np.searchsorted(reached, np.maximum(wanted, np.finfo(np.float64).tiny))
    return tuple(np.minimum(slots, used(counts)[-1]).tolist())
