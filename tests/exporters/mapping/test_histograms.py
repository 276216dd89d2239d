"""Slots become buckets: their bounds, entries that are slots, sums."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from exporters.mapping.series import HistogramPoints, Temporality
from tests.exporters.mapping.looks import Looks
from tests.exporters.mapping.maps import Map, named
from tracerd.signals import BucketSpec, MetricSpec

SLOTS = Map({"op": "u32"}, {"slots": "u64[4]", "total": "s64"})
DURATION = MetricSpec(
    "m", "duration", "histogram", "slots", "s", multiplier=1e-3, attributes=(named("op", "op"),),
    buckets=BucketSpec("log2", sum="total"),
)  # fmt: skip


def test_log2_slots_end_at_their_largest_whole_number() -> None:
    """Slot i has 2**i up to 2**(i+1) - 1, a bucket includes its bound, and the last slot has all that is above."""
    (points,) = Looks(DURATION, SLOTS).metric(({"op": 1}, {"slots": [1, 2, 3, 4], "total": 100})).parts
    assert isinstance(points, HistogramPoints)
    assert points.bounds == (0.001, 0.003, 0.007)
    assert points.counts.tolist() == [[1, 2, 3, 4]]
    assert points.sums is not None
    assert points.sums.tolist() == [0.1]


@pytest.mark.parametrize(
    ("buckets", "bounds", "counts"),
    [
        (BucketSpec("linear", start=10, width=5), (14, 19, 24), [1, 2, 3, 4]),
        (BucketSpec("explicit", bounds=(1, 10, 100)), (1, 10, 100), [1, 2, 3, 4]),
        (BucketSpec("explicit", bounds=(1, 10, 100, 1000)), (1, 10, 100, 1000), [1, 2, 3, 4, 0]),
    ],
)
def test_other_slots_have_their_bounds(buckets: BucketSpec, bounds: tuple[float, ...], counts: list[int]) -> None:
    """Linear slots of whole numbers end before the next begins; explicit bounds are what was written."""
    spec = replace(DURATION, buckets=buckets, multiplier=1.0)
    (points,) = Looks(spec, SLOTS).metric(({"op": 1}, {"slots": [1, 2, 3, 4]})).parts
    assert isinstance(points, HistogramPoints)
    assert points.bounds == bounds
    assert points.counts.tolist() == [counts]


def test_slots_may_be_entries_of_their_own() -> None:
    """One entry for each slot of each series, as other tools lay histograms out."""
    made = Map({"op": "u32", "slot": "u32"}, {"n": "u64"})
    spec = replace(DURATION, value="n", multiplier=1.0, buckets=BucketSpec("log2", slot="slot", slots=3))
    entries = [({"op": op, "slot": slot}, {"n": 10 * op + slot}) for op in (1, 2) for slot in (0, 2, 9)]
    looks = Looks(spec, made)
    (points,) = looks.metric(*entries).parts
    assert isinstance(points, HistogramPoints)
    assert points.bounds == (1.0, 3.0)
    assert points.counts.tolist() == [[10, 0, 12 + 19], [20, 0, 22 + 29]]
    (points,) = looks.metric(*entries[1:]).parts
    assert isinstance(points, HistogramPoints)
    assert points.counts.tolist() == [[10, 0, 31], [20, 0, 51]]


def test_slots_may_have_numbers_of_their_own_and_one_may_be_the_sum() -> None:
    """As ebpf_exporter's programs count: an entry that is no slot's counts for nothing."""
    made = Map({"slot": "u64"}, {"n": "u64"})
    buckets = BucketSpec("explicit", bounds=(10, 5000), slot="slot", slots=2, slot_values=(10, 5000), sum_slot=77)
    looks = Looks(replace(DURATION, value="n", attributes=(), multiplier=0.5, buckets=buckets), made)
    entries = [({"slot": slot}, {"n": n}) for slot, n in ((5000, 3), (10, 1), (11, 9))]
    (without,) = looks.metric(*entries).parts
    (points,) = looks.metric(*entries, ({"slot": 77}, {"n": 600})).parts
    assert isinstance(without, HistogramPoints)
    assert isinstance(points, HistogramPoints)
    assert without.sums is None
    assert points.sums is not None
    assert points.sums.tolist() == [300.0]
    assert points.bounds == (5.0, 2500.0)
    assert points.counts.tolist() == without.counts.tolist() == [[1, 3, 0]]


def test_a_sum_that_begins_anew_goes_on_from_what_was_told() -> None:
    """The counts of its slots did not shrink, the sum's own entry did."""
    made = Map({"slot": "u64"}, {"n": "u64"})
    buckets = BucketSpec("log2", slot="slot", slots=3, sum_slot=77)
    spec = replace(DURATION, value="n", attributes=(), multiplier=1.0, buckets=buckets)
    for temporality, told in (("cumulative", [1000.0, 1050.0]), ("delta", [1000.0, 50.0])):
        looks, sums = Looks(spec, made, temporality=cast(Temporality, temporality)), []
        for first, second, total in ((10, 10, 1000), (12, 11, 50)):
            entries = [({"slot": slot}, {"n": n}) for slot, n in ((0, first), (2, second), (77, total))]
            (points,) = looks.metric(*entries).parts
            assert isinstance(points, HistogramPoints)
            assert points.sums is not None
            sums += points.sums.tolist()
        assert sums == told
