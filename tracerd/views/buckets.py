"""From slots as programs count them to buckets as they are told: bounds that lose no value to a neighbour.

A program's slot includes its lower bound, a bucket outside includes its upper one. For whole numbers the largest in a
slot is therefore the bucket's bound: slot i of log2 slots ends at 2**(i + 1) - 1 (OTLP metrics.proto, Prometheus `le`).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from math import ceil, log2

from tracerd.signals import BucketSpec


def upper_bounds(spec: BucketSpec, multiplier: float) -> tuple[float, ...]:
    """Return the bounds of all slots but the last, which also counts what is above, in the metric's unit.

    With explicit bounds of all slots, there is one for the last too: what is above is then never counted. Exponential
    buckets have none: their places say it.
    """
    inner = range(spec.slots - 1)
    if spec.kind == "exponential":
        return ()
    if spec.kind == "log2":
        return _in_unit((2 ** (i + 1) - 1 for i in inner), multiplier)
    if spec.kind == "linear":
        return _in_unit((ceil(spec.start + (i + 1) * spec.width) - 1 for i in inner), multiplier)
    return _in_unit(spec.bounds, multiplier)


def _in_unit(bounds: Iterable[float], multiplier: float) -> tuple[float, ...]:
    """Return bounds multiplied as decimal numbers: 3 ns are 3e-09 s, not 3.0000000000000004e-09. They are names."""
    factor = Decimal(repr(multiplier))
    return tuple(float(Decimal(repr(bound)) * factor) for bound in bounds)


def exponential_offset(spec: BucketSpec, multiplier: float) -> int:
    """Return the offset of exponential buckets in the metric's unit: a power of two moves them by whole buckets."""
    return spec.offset + (int(log2(multiplier)) << spec.scale if multiplier != 1 else 0)
