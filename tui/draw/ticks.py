"""Where an axis has its marks: round values, and ages that people count in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, log2, log10

Format = Callable[[float], str]

MOST = 1e300
"""What is larger is drawn as if it were this: sums and differences of values then still are numbers."""

_ROUND = (1, 2, 2.5, 5)
_LEAST_APART, _MOST_VALUES = 2, 8          # lines from one value to the next; values on an axis
_FEW_VALUES_COST = 0.1                      # how much of a picture may stay empty for values one line closer

_SECOND = 10**9
_AGES = tuple(
    int(seconds * _SECOND)
    for seconds in (
        0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale with a round value on every so many lines, counted from the lowest."""

    low: float
    step: float                 # from one of them to the next
    every: int                  # lines between them
    high: float                 # at the highest part of the highest line

    def at(self, lines: float) -> float:
        """Return the value so many lines above the lowest."""
        return self.low + self.step * lines / self.every

    def ticks(self, lines: int) -> list[tuple[int, float]]:
        """Return lines, from the bottom, and the values there."""
        return [(line, self.low + number * self.step) for number, line in enumerate(range(0, lines, self.every))]


def value_axis(low: float, high: float, lines: int, *, parts: int = 1, binary: bool = False) -> Axis:
    """Return a scale from a round value at or below `low` to one above `high` for so many lines of so many parts.

    Round values are multiples of 1, 2, 2.5 or 5 times a power of ten, or of a power of two for what is counted in
    binary units. They are whole lines apart, so that no two are closer than others. Of all distances one is taken that
    leaves little of the picture empty and yet has values enough.
    """
    low, high = max(min(low, high), -MOST), min(max(low, high), MOST)
    if high - low <= max(abs(high) * 1e-12, 1 / MOST):       # one value: give it room
        low, high = min(low, 0.0), max(high, 0.0)
        high = high if high - low > 1 / MOST else low + 1.0
    least = max(_LEAST_APART, ceil(lines / _MOST_VALUES))
    apart = [every for every in range(least, least + 4) if every < lines] or [1]
    axes = [_axis(low, high, max(lines * parts - 1, 1), parts * every, every, binary=binary) for every in apart]
    return min(axes, key=lambda axis: (axis.high - axis.low) * (1 + _FEW_VALUES_COST * axis.every))


def _axis(low: float, high: float, parts: int, apart: int, every: int, *, binary: bool) -> Axis:
    """Return the smallest scale with round values so many parts apart."""
    step = (high - low) * apart / parts
    while True:
        step = 2.0 ** ceil(log2(step) - 1e-9) if binary else _round_step(step)
        first = floor(low / step + 1e-9) * step
        last = first + step * parts / apart
        if last >= high - abs(high) * 1e-9:
            return Axis(first, step, every, last)
        step *= 1.01


def age_ticks(span_ns: int, intervals: int) -> tuple[int, ...]:
    """Return ages in ns that fit in a span, 0 first, at most `intervals` + 1: multiples of 1, 2, 5, 10, 15, 30 s …"""
    if intervals < 1 or span_ns < _AGES[0]:
        return (0,)
    step = next((age for age in _AGES if span_ns // age <= intervals), 0)
    day = _AGES[-1]
    step = step or (span_ns // day // (intervals + 1) + 1) * day
    return tuple(range(0, span_ns + 1, step))


def age_label(age_ns: int) -> str:
    """Print how long ago something was: now, -0.5s, -30s, -2m, -1m30s, -1h, -2d."""
    if age_ns < _AGES[0] // 2:
        return "now"
    if age_ns < 10 * _SECOND and age_ns % _SECOND >= _AGES[0] // 2:
        return f"-{age_ns / _SECOND:.1f}s"
    seconds = round(age_ns / _SECOND)
    for large, size, small, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"-{seconds // size}{large}" + (f"{rest}{small}" if rest else "")
    return f"-{seconds}s"


def compact(number: float) -> str:
    """Print a number in at most five or six characters: 0, 0.25, 12, 1.23k, 45.6M, 18.4E."""
    size = abs(number)
    if size < 999.5:
        return f"{number:.0f}" if number == round(number) or size >= 100 else f"{number:.3g}"
    for unit, divisor in zip("kMGTPE", (1e3, 1e6, 1e9, 1e12, 1e15, 1e18), strict=True):
        if size < divisor * 999.5:
            digits = 2 if size < divisor * 9.995 else 1 if size < divisor * 99.95 else 0
            return f"{number / divisor:.{digits}f}{unit}"
    return f"{number:.2g}"


def axis_number(number: float) -> str:
    """Print a round number for an axis, without digits that say nothing: 1k, 2.5k, 300M."""
    text = compact(number)
    digits, unit = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (digits.rstrip("0").rstrip(".") if "." in digits and "e" not in digits else digits) + unit


def _round_step(least: float) -> float:
    """Return the smallest round number that is no less (up to rounding)."""
    power = 10.0 ** floor(log10(least))
    return next((each * power for each in _ROUND if each * power >= least * (1 - 1e-9)), 10 * power)
