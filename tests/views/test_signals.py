"""Fields of exported signals are found in the object, and what is not there is told with what is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.exporters.mapping.maps import Map, Ring, named
from tracerd.btf.types import Btf, Enum, Int, Void
from tracerd.elf.spec import MapSpec
from tracerd.errors import ConfigError
from tracerd.signals import BucketSpec, LogSpec, MetricSpec, RecordSpec, Signals, SpanSpec
from tracerd.views.signals import Resolved, resolve

MADE = Map({"pid": "u32", "both": "u32"}, {"count": "u64", "both": "u32", "slots": "u64[4]", "comm": "char[8]"})
RING = Ring({"at": "u64", "id": "u64", "ids": "u8[16]", "name": "char[8]"})
COUNT = MetricSpec("m", "n", "counter", "count")
LOG = LogSpec(RecordSpec("r"), "e")
SPAN = SpanSpec(RecordSpec("r", trace_id="ids", span_id="id"), "s", "at", "at")


def of_map(*metrics: MetricSpec) -> Resolved:
    return resolve(Signals(metrics), [MADE.spec], [], MADE.btf)


def of_ring(*signals: LogSpec | SpanSpec) -> Resolved:
    logs = tuple(each for each in signals if isinstance(each, LogSpec))
    spans = tuple(each for each in signals if isinstance(each, SpanSpec))
    return resolve(Signals((), logs, spans), [RING.spec], ["r"], RING.btf)


def test_short_names_become_whole_paths() -> None:
    """Without "key." and "value." where only one of them has the field."""
    spec = replace(COUNT, attributes=(named("pid", "p"), named("key.both", "b")), expire_pid="pid")
    (found,) = of_map(spec).signals.metrics
    assert (found.value, found.expire_pid) == ("value.count", "key.pid")
    assert [each.source for each in found.attributes] == ["key.pid", "key.both"]


def test_the_only_value_need_not_be_named() -> None:
    """A map whose value is one number has no field to name."""
    made = Map({"pid": "u32"}, {"n": "u64"})
    (found,) = made.resolve(replace(COUNT, value="")).signals.metrics
    assert found.value == "value.n"


def test_an_enumeration_reads_as_its_names_in_c() -> None:
    """With `values` as what they make of a name; numbers without a name stay."""
    operation = Enum("op", 4, False, (("read", 1), ("pread", 1), ("write", 2)))
    btf = Btf((Void(), operation, Int("u64", 8, False, False, False)))
    ops = MapSpec("m", 1, 4, 8, 16, key_type=1, value_type=2)
    spec = replace(COUNT, value="value", attributes=(named("key", "op", decode=("enum",), values=(("write", "put"),)),))
    (found,) = resolve(Signals((spec,)), [ops], [], btf).signals.metrics
    (attribute,) = found.attributes
    assert (attribute.decode, attribute.allow_unknown) == ((), True)
    assert dict(attribute.values) == {"1": "read", "2": "put"}


def test_slots_are_counted_from_the_array() -> None:
    """How many there are is known from the field's type."""
    spec = replace(COUNT, kind="histogram", value="slots", buckets=BucketSpec("log2"))
    (found,) = of_map(spec).signals.metrics
    assert found.buckets is not None
    assert found.buckets.slots == 4


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"map": "x"}, "no map 'x' with entries; the object has: m"),
        ({"value": "cuont"}, "map 'm' has only key.pid"),
        ({"value": "both"}, "is ambiguous: key.both or value.both"),
        ({"value": ""}, "is missing, and map 'm' has several"),
        ({"value": "comm"}, "is no number"),
        ({"value": "slots"}, "is no number"),
        ({"attributes": (named("pid", "p", decode=("hexx",)),)}, "decode = 'hexx': unknown; valid: "),
        ({"attributes": (named("pid", "p", decode=("enum",)),)}, "decode = 'enum': key.pid is no enumeration in C"),
        ({"attributes": (named("pid", "p"), named("comm", "p"))}, "attribute 'p': is there twice"),
        ({"attributes": (named("pid", "p"),), "constants": (("p", 1),)}, "attribute 'p': is there twice"),
        ({"kind": "histogram", "buckets": BucketSpec("log2")}, "is no array of numbers"),
        ({"kind": "histogram", "value": "slots", "buckets": BucketSpec("explicit", bounds=(1.0,))}, "4 slots need 3"),
        (
            {"kind": "histogram", "value": "slots", "multiplier": 0.1, "buckets": BucketSpec("exponential")},
            "must be a power of two",
        ),
    ],
)
def test_what_a_metric_needs_and_is_not_there_is_told(changed: dict[str, Any], said: str) -> None:
    """One sentence with the metric's name."""
    with pytest.raises(ConfigError) as caught:
        of_map(replace(COUNT, **changed))
    assert str(caught.value).startswith("metric 'n'")
    assert said in str(caught.value)


def test_entries_of_one_name_must_agree() -> None:
    """One metric has one unit and one kind."""
    with pytest.raises(ConfigError, match="metric 'n': unit: is not the same"):
        of_map(COUNT, replace(COUNT, unit="s"))


def test_entries_of_one_name_must_differ_outside() -> None:
    """Else two numbers would be told as one series."""
    with pytest.raises(ConfigError, match="metric 'n': is there twice"):
        of_map(COUNT, replace(COUNT, merge="max"))
    assert of_map(replace(COUNT, constants=(("a", 1),)), replace(COUNT, constants=(("a", True),)))


@pytest.mark.parametrize(
    "buckets", [BucketSpec("linear", start=1e17), BucketSpec("explicit", bounds=(1.0, 2.0, float("inf")))]
)
def test_bounds_must_be_numbers_that_ascend(buckets: BucketSpec) -> None:
    """Nobody could read a histogram with others."""
    with pytest.raises(ConfigError, match="have bounds that are no numbers"):
        of_map(replace(COUNT, kind="histogram", value="slots", buckets=buckets))


def test_a_histogram_may_not_take_all_memory() -> None:
    """Series times slots are numbers that are copied at every look."""
    with pytest.raises(ConfigError, match="times its slots is more than 16,000,000"):
        of_map(replace(COUNT, kind="histogram", value="slots", buckets=BucketSpec("log2"), max_series=5_000_000))


def test_records_have_the_type_that_is_named_or_the_rings_own() -> None:
    """Both are found; texts' fields too."""
    found = of_ring(replace(LOG, body="{name} at {at}"), SPAN)
    assert found.records["r"][""].paths == ("at", "id", "ids", "name")
    named_type = replace(LOG, record=RecordSpec("r", "record"))
    assert of_ring(named_type).records["r"]["record"].size == RING.record.size


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        (replace(LOG, record=RecordSpec("x")), "no ring buffer 'x'; the object has: r"),
        (replace(LOG, record=RecordSpec("r", "nothing")), "the object's BTF has no type 'nothing'"),
        (replace(LOG, body="{nmae}"), "a record of 'r' has only at, id, ids, name"),
        (replace(LOG, time="name"), "is no number"),
        (replace(SPAN, record=RecordSpec("r", span_id="ids")), "is no id: it has more than 8 bytes"),
        (replace(SPAN, start="x"), "a record of 'r' has only"),
    ],
)
def test_what_a_record_has_not_is_told(signal: LogSpec | SpanSpec, said: str) -> None:
    """One sentence with the log's or span's name."""
    with pytest.raises(ConfigError) as caught:
        of_ring(signal)
    assert str(caught.value).startswith(("log 'e'", "span 's'"))
    assert said in str(caught.value)
