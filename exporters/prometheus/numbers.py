"""Numbers as both formats have them, exactly."""

from __future__ import annotations

from decimal import Decimal
from math import inf, isfinite, ldexp

import numpy as np

from exporters.mapping.series import Counts, ExponentialPoints, Floats, HistogramPoints, Numbers

_SPELLED = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def number_texts(values: Numbers) -> list[str]:
    """Return numbers as text: whole ones with all digits, others with as few as tell them from all others."""
    if values.dtype.kind != "f":
        return list(map(str, values.tolist()))
    texts = list(map(repr, values.tolist()))
    if not np.isfinite(values).all():
        texts = [_SPELLED.get(text, text) for text in texts]
    return texts


def go_float(value: float) -> str:
    """Return a finite number as Go's strconv.FormatFloat(value, 'g', -1, 64) does: how `le` is written everywhere."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) + exponent - 1
    if -4 <= power < 6:
        return f"{Decimal((sign, digits, exponent)):f}"
    first, *rest = map(str, digits)
    mantissa = f"{first}.{''.join(rest)}" if rest else first
    return f"{'-' * sign}{mantissa}e{power:+03d}"


def canonical_float(value: float) -> str:
    """Return a finite number as OpenMetrics wants it in `le`: a whole one with ".0"."""
    text = go_float(value)
    return text if "." in text or "e" in text else f"{text}.0"


def bounds_of(points: HistogramPoints | ExponentialPoints) -> list[float]:
    """Return the upper bounds of buckets, without the last one's of explicit ones, which is +Inf.

    An exponential bucket's is base**(offset + j + 1) with base = 2**(2**-scale): inf where no number is so large.
    """
    if isinstance(points, HistogramPoints):
        return list(points.bounds)
    first = points.offset + 1
    return [_power(index, points.scale) for index in range(first, first + points.counts.shape[1])]


def _power(index: int, scale: int) -> float:
    """Return 2**(index * 2**-scale). Only the part below 1 is rounded, so powers of two are exact."""
    if scale <= 0:
        whole, part = index << -scale, 0.0
    else:
        whole, rest = divmod(index, 1 << scale)
        part = ldexp(rest, -scale)
    if whole > 1023:
        return inf
    return ldexp(2.0**part, max(whole, -1100))


def shown(bounds: list[float]) -> list[int]:
    """Return which buckets are told: of several with one bound the last, none without a finite one (+Inf is extra)."""
    after = [*bounds[1:], inf]
    return [place for place, (bound, next_) in enumerate(zip(bounds, after, strict=False))
            if isfinite(bound) and next_ > bound]  # fmt: skip


def cumulative(counts: Counts, columns: list[int]) -> list[list[int]]:
    """Return for each series how many values are in a bucket or before it, for the chosen buckets and all together.

    Exact whatever was counted, also where 64 bits are too few.
    """
    if not counts.shape[1]:
        return [[0]] * len(counts)
    sums = counts.cumsum(axis=1, dtype=np.uint64)
    if (sums[:, 1:] < sums[:, :-1]).any():              # it wrapped
        sums = counts.astype(object).cumsum(axis=1)
    found: list[list[int]] = sums[:, [*columns, counts.shape[1] - 1]].tolist()
    return found


def sum_texts(sums: Floats | None, bounds: list[float], series: int) -> list[str | None]:
    """Return the sums that may be told, None for others: a sum only grows, so nothing negative may be counted."""
    if sums is None or (bounds and bounds[0] < 0):
        return [None] * series
    return [text if fit else None for text, fit in zip(number_texts(sums), (sums >= 0).tolist(), strict=True)]
