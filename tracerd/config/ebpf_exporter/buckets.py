"""From an entry for each bucket to slots with bounds: ebpf_exporter's own, so that series go on as they were.

Its bounds are those of its documentation: key i of exp2 is told as "at most 2**i". Programs that round a logarithm down
(its own log2l does) count larger values there; a comment in the probe.toml says what is then exact.
"""

from __future__ import annotations

from itertools import pairwise

from tracerd.config.ebpf_exporter.document import Histogram
from tracerd.signals import BucketSpec

MOST_SLOTS = 1024
LARGEST_EXPONENT = 1023


def buckets(histogram: Histogram, slot: str) -> BucketSpec | str:
    """Return the buckets, or why there can be none. `slot` is the field with the bucket's key."""
    keys = _keys(histogram)
    if isinstance(keys, str):
        return keys
    bounds = tuple(_bound(histogram.bucket_type, key) for key in keys)
    values = () if keys == tuple(range(len(keys))) else keys
    return BucketSpec("explicit", bounds, slot=slot, slots=len(keys), slot_values=values, sum_slot=keys[-1] + 1)


def _keys(histogram: Histogram) -> tuple[int, ...] | str:
    if histogram.bucket_type == "fixed":
        given = histogram.bucket_keys
        if not given or not all(key.is_integer() and abs(key) < 1 << 53 for key in given):
            return "bucket_keys must be whole numbers: they are compared with a field of the key"
        if any(low >= high for low, high in pairwise(given)):
            return "bucket_keys must be numbers, each larger than the one before"
        keys = tuple(map(int, given))
    else:
        first, last = histogram.bucket_min, histogram.bucket_max
        most = last if histogram.bucket_type == "linear" else LARGEST_EXPONENT
        if not 0 <= first <= last <= most or last >= 1 << 53:
            return f"bucket_min {first} and bucket_max {last} are no range of keys"
        keys = tuple(range(first, min(last, first + MOST_SLOTS) + 1))
    return keys if len(keys) <= MOST_SLOTS else f"has more than {MOST_SLOTS} buckets"


def _bound(kind: str, key: int) -> float:
    if kind == "exp2":
        return 2.0**key
    if kind == "exp2zero":
        return 2.0 ** (key - 1) if key else 0.0
    return float(key)
