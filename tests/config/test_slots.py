"""Histograms whose slots are entries: which keys of [[metric]] go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracerd.config import parse_probe
from tracerd.errors import ConfigError
from tracerd.signals import BucketSpec

PROBE = """
[probe]
name = "x"
object = "x.bpf.o"
[[metric]]
map = "m"
name = "m"
kind = "histogram"
buckets = "log2"
"""


def buckets(keys: str) -> BucketSpec:
    """Read a metric's buckets."""
    (metric,) = parse_probe(PROBE + keys, Path(), "probe.toml").signals.metrics
    assert metric.buckets is not None
    return metric.buckets


def test_slots_may_have_numbers_of_their_own() -> None:
    """Then there are as many slots as numbers; the sum may be in an entry of its own."""
    read = buckets('slot = "key.slot"\nslot_values = [1, 5, 25]\nsum_slot = 26')
    assert (read.slot, read.slots, read.slot_values, read.sum_slot) == ("key.slot", 3, (1, 5, 25), 26)
    read = buckets('slot = "slot"\nslots = 27\nsum_slot = 27')
    assert (read.slots, read.slot_values, read.sum_slot) == (27, (), 27)
    assert buckets("").sum_slot is None


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        ("sum_slot = 3", "need slot: the key's field"),
        ("slot_values = [1]", "need slot: the key's field"),
        ('slot = "s"', "slot needs slots"),
        ('slot = "s"\nslots = 2\nslot_values = [1]', "as many numbers as there are slots, each once"),
        ('slot = "s"\nslot_values = [1, 1]', "as many numbers as there are slots, each once"),
        ('slot = "s"\nslots = 4\nsum_slot = 3', "sum_slot must be no slot's number"),
        ('slot = "s"\nslot_values = [1, 5]\nsum_slot = 5', "sum_slot must be no slot's number"),
        ('slot = "s"\nslots = 4\nsum_slot = 4\nsum = "value.sum"', "is instead of sum"),
        ('slot = "s"\nslots = 4\nsum_slot = 0.5', "must be a whole number"),
    ],
)
def test_slots_that_contradict_each_other_are_refused(keys: str, cause: str) -> None:
    """In one sentence."""
    with pytest.raises(ConfigError, match=cause):
        buckets(keys)
