"""What the probe `calls` has counted: as its maps have it, and so as every backend must have it in the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tracerd.daemon.client import Client

PARITIES = ("even", "odd")                           # of calls' numbers; in maps 0 and 1
LOG_EVERY, SPAN_EVERY = 64, 256

SIZE_BOUNDS = (*((2.0 ** (slot + 1) - 1) / 1e6 for slot in range(17)), math.inf)
"""Upper bounds of the slots of `sizes`, whole numbers of microseconds, in seconds. The last slot has none."""

WEIGHT_SLOTS = 65
WEIGHT_BOUNDS = tuple(2.0 ** (slot / 4) for slot in range(WEIGHT_SLOTS))
"""Upper bounds of the slots of `weights`."""


@dataclass(frozen=True)
class Histogram:
    """One series. `sum` is in the program's own unit, a whole number."""

    slots: tuple[int, ...]
    sum: int


@dataclass(frozen=True)
class Contents:
    """All metrics, by parity; `number` is the gauge."""

    number: int
    calls: Mapping[str, int]
    sizes: Mapping[str, Histogram]
    weights: Mapping[str, Histogram]


@dataclass(frozen=True)
class Submitted:
    """Records that the program has submitted, and those for which the ring buffer had no room."""

    logs: int
    spans: int
    refused: int


def contents(client: Client) -> Contents:
    """Return what the maps have now."""
    ids = {each.name: each.id for each in client.maps()}
    calls = client.columns(ids["calls"])
    by_parity = {PARITIES[parity]: int(values.sum()) for parity, values in
                 zip(calls["key.parity"].tolist(), calls["value"], strict=True)}  # fmt: skip
    return Contents(
        int(client.columns(ids["numbers"])["value"][0]),
        by_parity,
        _histograms(client.columns(ids["sizes"])),
        _histograms(client.columns(ids["weights"])),
    )


def submitted(client: Client) -> Submitted:
    """Return how many records there were."""
    ids = {each.name: each.id for each in client.maps()}
    columns = client.columns(ids["outcomes"])
    logs, spans = columns["value.submitted"].tolist()
    return Submitted(logs, spans, int(columns["value.refused"].sum()))


def slot_of(bound: float, bounds: Sequence[float], tolerance: float = 1e-9) -> int:
    """Return the slot that has an upper bound; `tolerance` is relative."""
    (slot,) = (slot for slot, each in enumerate(bounds) if math.isclose(bound, each, rel_tol=tolerance))
    return slot


def size_of(number: int) -> int:
    """Return the size that the program gives the call of that number."""
    return (number * 2654435761 & 0xFFFFFFFF) >> 16 >> (number & 15) | 1


def _histograms(columns: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]) -> dict[str, Histogram]:
    rows = zip(columns["key"].tolist(), columns["value.slots"].tolist(), columns["value.sum"].tolist(), strict=True)
    return {PARITIES[key]: Histogram(tuple(slots), total) for key, slots, total in rows}
