"""What slots of a histogram count in: guessed from names, since nothing else says it; who knows better changes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tracerd.views.format import duration, size
from tui.draw.slots import Edges, log2_edges
from tui.draw.ticks import Format, compact

_WHOLE = 1_000_000
_MOST_LOG2 = 64
"""A number of 64 bits falls into one of so many slots: where there are more, they are something else."""


def _micros(value: float) -> str:
    return duration(value * 1e3)


def _millis(value: float) -> str:
    return duration(value * 1e6)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) < _WHOLE else compact(value)


@dataclass(frozen=True, slots=True)
class Unit:
    """How a slot's bounds are printed. Slots are powers of two of the unit, or their numbers are the values."""

    name: str
    format: Format
    log2: bool = True

    def edges(self, slots: int) -> Edges:
        """Return where slots begin and end."""
        return log2_edges(slots) if self.log2 else tuple(float(each) for each in range(slots + 1))


UNITS = (
    Unit("ns", duration), Unit("µs", _micros), Unit("ms", _millis), Unit("bytes", size), Unit("numbers", _plain),
    Unit("slot numbers", _plain, log2=False),
)  # fmt: skip

_NUMBERS, _SLOTS = 4, 5

_WORDS: tuple[tuple[int, frozenset[str]], ...] = (
    (1, frozenset(("us", "usec", "usecs", "micros", "microseconds"))),
    (2, frozenset(("ms", "msec", "msecs", "millis", "milliseconds"))),
    (0, frozenset(("ns", "nsec", "nsecs", "nanos", "nanoseconds"))),
    (3, frozenset(("bytes", "size", "sizes", "len", "length", "kb"))),
    (0, frozenset(("latency", "latencies", "duration", "durations", "lifetime", "delay", "wait", "runtime"))),
)
"""A unit's own name says more than what is measured, so it comes first."""


def guess(names: str, slots: int) -> int:
    """Return which of UNITS the names of a map and its column mean."""
    if slots > _MOST_LOG2:
        return _SLOTS
    words = set(re.split(r"[^a-z]+", names.casefold()))
    return next((number for number, among in _WORDS if words & among), _NUMBERS)
