"""What is encoded is what was there: official protobuf classes read it back, for any layout and any value."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from exporters.mapping.mapper import Mapper
from exporters.mapping.records import RecordMapper
from exporters.mapping.series import Temporality
from exporters.otlp import resource
from exporters.otlp.encode_metrics import MetricsEncoder
from exporters.otlp.encode_records import encode_logs, encode_spans
from exporters.otlp.request import Request
from exporters.otlp.wire import any_value, varint
from tests.exporters.mapping.maps import SINCE_NS, TAKEN_NS, Map, Ring, moment_of, named
from tracerd.signals import BucketSpec, LogSpec, MetricSpec, RecordSpec, SpanSpec

RESOURCE = resource.encode({"service.name": "tracerd", "n": 5, "share": 0.5, "on": True})

INTEGERS = {"u8": (0, 2**8), "u32": (0, 2**32), "u64": (0, 2**64), "s16": (-(2**15), 2**15), "s64": (-(2**63), 2**63)}
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=4)


def value_of(kind: str) -> st.SearchStrategy[Any]:
    if kind.startswith("char"):
        return TEXT
    if kind == "f64":
        return st.floats(allow_nan=False)
    low, high = INTEGERS[kind]
    return st.integers(low, high - 1) | st.sampled_from([low, high - 1])


KINDS = st.sampled_from([*INTEGERS, "char[16]"])


def decoded(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value"))


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: decoded(pair.value) for pair in pairs}


def told(value: Any) -> Any:
    """What OTLP has for a whole number that no int64 holds is its digits."""
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def metrics(requests: list[Request]) -> list[pb.Metric]:
    found = []
    for request in requests:
        message = ExportMetricsServiceRequest.FromString(request.body)
        points = 0
        for one in message.resource_metrics:
            assert attributes(one.resource.attributes)["service.name"] == "tracerd"
            for scope in one.scope_metrics:
                assert scope.scope.name == "tracerd.p"
                found += scope.metrics
                for metric in scope.metrics:
                    points += len(getattr(metric, metric.WhichOneof("data")).data_points)
        assert points == request.items
    return found


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_numbers_of_any_layout_are_read_back(data: st.DataObject) -> None:
    """Each entry of a map with a random key and a random value is one point with that value and its attributes."""
    keys = data.draw(st.lists(KINDS, min_size=1, max_size=4))
    kind = data.draw(st.sampled_from([*INTEGERS, "f64"]))
    made = Map({f"k{i}": each for i, each in enumerate(keys)}, {"v": kind})
    entry = st.tuples(*map(value_of, keys))
    entries = data.draw(st.dictionaries(entry, value_of(kind), max_size=20))
    spec = MetricSpec(
        "m", "some.metric", data.draw(st.sampled_from(["counter", "gauge"])), "v", "By", "words",
        attributes=tuple(named(f"k{i}", f"a.{i}") for i in range(len(keys))), constants=(("c", "é"),),
    )  # fmt: skip
    pairs_of = [({f"k{i}": part for i, part in enumerate(key)}, {"v": value}) for key, value in entries.items()]
    snapshot = made.snapshot(pairs_of)
    probes = Mapper().collect(moment_of(made.resolve(spec), snapshot))
    found = {}
    for metric in metrics(MetricsEncoder(RESOURCE).encode(probes)):
        assert (metric.name, metric.unit, metric.description) == ("some.metric", "By", "words")
        assert metric.WhichOneof("data") == {"counter": "sum", "gauge": "gauge"}[spec.kind]
        if spec.kind == "counter":
            assert metric.sum.is_monotonic
            assert metric.sum.aggregation_temporality == pb.AGGREGATION_TEMPORALITY_CUMULATIVE
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            assert point.time_unix_nano == TAKEN_NS
            assert point.start_time_unix_nano == (SINCE_NS if spec.kind == "counter" else 0)
            pairs = attributes(point.attributes)
            assert pairs.pop("c") == "é"
            found[tuple(pairs[f"a.{i}"] for i in range(len(keys)))] = getattr(point, point.WhichOneof("value"))
    expected = {tuple(map(told, key)): value for key, value in entries.items()}
    assert found == {key: float(value) if isinstance(told(value), str) else value for key, value in expected.items()}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_histograms_are_read_back(data: st.DataObject) -> None:
    """Buckets, bounds, count and sum, of explicit and exponential histograms, cumulative and delta."""
    slots = data.draw(st.integers(2, 40))
    made = Map({"op": "u32"}, {"slots": f"u64[{slots}]", "total": "s64"})
    count = st.integers(0, 2**40) | st.sampled_from([0, 2**64 // slots // 8])
    value = st.fixed_dictionaries(
        {"slots": st.lists(count, min_size=slots, max_size=slots), "total": st.integers(-(2**62), 2**62)}
    )
    entries = data.draw(st.dictionaries(st.integers(0, 2**32 - 1), value, min_size=1, max_size=8))
    exponential = data.draw(st.booleans())
    temporality: Temporality = data.draw(st.sampled_from(["cumulative", "delta", "lowmemory"]))
    multiplier = data.draw(st.sampled_from([1.0, 0.25] if exponential else [1.0, 1e-9, 1000.0]))
    buckets = BucketSpec("exponential", scale=3, offset=-7, sum="total") if exponential else BucketSpec(
        "log2", sum="total"
    )  # fmt: skip
    spec = MetricSpec("m", "h", "histogram", "slots", "s", "", multiplier, buckets=buckets,
                      attributes=(named("op", "op"),))  # fmt: skip
    snapshot = made.snapshot(({"op": op}, each) for op, each in entries.items())
    probes = Mapper(temporality, began_ns=0).collect(moment_of(made.resolve(spec), snapshot))
    (metric,) = metrics(MetricsEncoder(RESOURCE).encode(probes))
    form = metric.WhichOneof("data")
    assert form == ("exponential_histogram" if exponential else "histogram")
    of_kind = getattr(metric, form)
    assert of_kind.aggregation_temporality == (1 if temporality != "cumulative" else 2)
    assert len(of_kind.data_points) == len(entries)
    for point in of_kind.data_points:
        entry = entries[attributes(point.attributes)["op"]]
        assert point.count == sum(entry["slots"])
        assert point.sum == entry["total"] * multiplier
        assert point.start_time_unix_nano == SINCE_NS
        if exponential:
            assert (point.scale, point.positive.offset) == (3, -7 + (-2 * 8 if multiplier == 0.25 else 0))
            assert list(point.positive.bucket_counts) == entry["slots"]
        else:
            assert list(point.bucket_counts) == entry["slots"]
            exact = [Fraction(2 ** (i + 1) - 1) * Fraction(str(multiplier)) for i in range(slots - 1)]
            assert list(point.explicit_bounds) == [float(bound) for bound in exact]


def test_series_that_ended_say_so_once() -> None:
    """A point without a value, flagged: then nobody waits for another."""
    made = Map({"pid": "u32"}, {"v": "u64"})
    spec = MetricSpec("m", "n", "counter", "v", attributes=(named("pid", "pid"),))
    mapper, encoder = Mapper(), MetricsEncoder(RESOURCE)
    looks = []
    for pids in ((1, 2), (2,), (2,)):
        snapshot = made.snapshot(({"pid": pid}, {"v": 7}) for pid in pids)
        (metric,) = metrics(encoder.encode(mapper.collect(moment_of(made.resolve(spec), snapshot))))
        points = metric.sum.data_points
        looks.append({attributes(each.attributes)["pid"]: (each.flags, each.WhichOneof("value")) for each in points})
    assert looks == [{1: (0, "as_int"), 2: (0, "as_int")}, {1: (1, None), 2: (0, "as_int")}, {2: (0, "as_int")}]


def test_large_requests_are_cut_between_points() -> None:
    """Every request is below the limit; together they have every point once."""
    made = Map({"pid": "u32"}, {"v": "u64"})
    spec = MetricSpec("m", "n", "counter", "v", attributes=(named("pid", "pid"),), max_series=10_000)
    other = replace(spec, name="o", kind="gauge")
    snapshot = made.snapshot(({"pid": pid}, {"v": pid * 3}) for pid in range(5000))
    requests = MetricsEncoder(RESOURCE, 20_000).encode(Mapper().collect(moment_of(made.resolve(spec, other), snapshot)))
    assert len(requests) > 10
    assert all(len(each.body) < 21_000 for each in requests)
    points = [
        (metric.name, attributes(point.attributes)["pid"], point.as_int)
        for metric in metrics(requests)
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]
    assert sorted(points) == [(name, pid, pid * 3) for name in ("n", "o") for pid in range(5000)]


def test_nothing_makes_no_request() -> None:
    """An empty map has no points, and no request is sent for it."""
    made = Map({"pid": "u32"}, {"v": "u64"})
    spec = MetricSpec("m", "n", "counter", "v")
    assert MetricsEncoder(RESOURCE).encode(Mapper().collect(moment_of(made.resolve(spec), made.snapshot([])))) == []


@given(st.integers(0, 2**64 - 1))
def test_varints_are_protobufs(number: int) -> None:
    """As the official classes write and read them."""
    packed = pb.ExponentialHistogramDataPoint.Buckets(bucket_counts=[number]).SerializeToString()
    assert packed == b"\x12" + varint(len(varint(number))) + varint(number)


@given(st.text(max_size=20) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats())
def test_values_of_attributes_are_read_back(value: Any) -> None:
    """Texts, truth, whole numbers and others keep their kind; what is no Unicode is replaced."""
    found = decoded(AnyValue.FromString(any_value(value)))
    assert type(found) is type(value)
    if isinstance(value, float):
        assert struct.pack("<d", found) == struct.pack("<d", value) or math.isnan(value)
    else:
        assert found == (value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)


RING = Ring({"kind": "u8", "at": "u64", "end": "u64", "level": "u8", "trace": "u8[16]", "span": "u64", "up": "u64",
             "ok": "u32", "name": "char[12]", "bytes": "s64"})  # fmt: skip
RECORD = st.fixed_dictionaries({
    "kind": st.just(1), "at": st.integers(0, 2**62), "end": st.integers(0, 2**62), "level": st.integers(0, 255),
    "trace": st.just([0] * 16) | st.lists(st.integers(0, 255), min_size=16, max_size=16),
    "span": st.integers(0, 2**64 - 1), "up": st.integers(0, 2**64 - 1), "ok": st.integers(0, 2),
    "name": TEXT, "bytes": st.integers(-(2**63), 2**63 - 1),
})  # fmt: skip
COMMON = RecordSpec("r", where=(("kind", 1),), attributes=(named("bytes", "size"), named("name", "file.name")),
                    constants=(("c", 1),), trace_id="trace", span_id="span")  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=12))
def test_log_records_are_read_back(records: list[dict[str, Any]]) -> None:
    """Time, severity, event name, body, attributes and trace context of every record, in order."""
    spec = LogSpec(COMMON, "some.event", severity_from="level", body="{name}: {bytes} bytes, 100 %", time="at")
    offset = 1_000_000
    logs, _ = RecordMapper().map(RING.batch([spec], records, offset))
    (request,) = encode_logs(RESOURCE, logs)
    (one,) = ExportLogsServiceRequest.FromString(request.body).resource_logs
    (scope,) = one.scope_logs
    assert request.items == len(scope.log_records) == len(records)
    for log, record in zip(scope.log_records, records, strict=True):
        assert log.event_name == "some.event"
        assert (log.time_unix_nano, log.observed_time_unix_nano) == (record["at"] + offset, TAKEN_NS)
        assert log.severity_number == (record["level"] if 1 <= record["level"] <= 24 else 0)
        name = text(record["name"])
        assert log.body.string_value == f"{name}: {record['bytes']} bytes, 100 %"
        assert attributes(log.attributes) == {"c": 1, "size": record["bytes"], "file.name": name}
        trace = bytes(record["trace"])
        assert log.trace_id == (trace if any(trace) else b"")
        assert log.span_id == (record["span"].to_bytes(8, "big") if record["span"] else b"")


@settings(max_examples=100, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=12))
def test_spans_are_read_back(records: list[dict[str, Any]]) -> None:
    """Ids, parents, times, status and attributes; ids that a program did not give are made up, none is zero."""
    spec = SpanSpec(COMMON, "read {name}", "at", "end", "", "up", 3, "ok")
    _, spans = RecordMapper().map(RING.batch([spec], records))
    (request,) = encode_spans(RESOURCE, spans)
    (one,) = ExportTraceServiceRequest.FromString(request.body).resource_spans
    (scope,) = one.scope_spans
    assert request.items == len(scope.spans) == len(records)
    for span, record in zip(scope.spans, records, strict=True):
        assert span.name == f"read {text(record['name'])}"
        assert (span.start_time_unix_nano, span.end_time_unix_nano) == (record["at"], max(record["at"], record["end"]))
        assert span.kind == 3
        assert span.status.code == (2 if record["ok"] else 0)
        trace, number = bytes(record["trace"]), record["span"].to_bytes(8, "big")
        assert span.trace_id == trace if any(trace) else any(span.trace_id)
        assert span.span_id == number if any(number) else any(span.span_id)
        assert span.parent_span_id == (record["up"].to_bytes(8, "big") if record["up"] else b"")
        assert attributes(span.attributes)["size"] == record["bytes"]


def test_a_batch_without_a_record_for_a_signal_costs_nothing() -> None:
    """A ring buffer may have records of several kinds, and a batch only of one."""
    spec = LogSpec(RecordSpec("r", where=(("kind", 1),), trace_id="trace", span_id="span"), "e")
    assert RecordMapper().map(RING.batch([spec], [{"kind": 0}])) == ([], [])


def test_a_span_may_have_a_duration_instead_of_an_end() -> None:
    """Many programs measure how long something took."""
    _, (spans,) = RecordMapper().map(RING.batch([SpanSpec(COMMON, "s", "at", "", "end")], [
        {"kind": 1, "at": 5, "end": 7}, {"kind": 1, "at": 9},
    ]))  # fmt: skip
    assert (spans.starts.tolist(), spans.ends.tolist()) == ([5, 9], [12, 9])


def text(value: str) -> str:
    """What is left of a text in char[12]."""
    return value.encode()[:12].decode("utf-8", "replace")


def test_records_that_nobody_takes_are_counted() -> None:
    """Too short, of another kind, or over the rate limit: each has its count."""
    spec = LogSpec(replace(COMMON, rate_limit=2.0), "e")
    mapper = RecordMapper(clock=lambda: 0.0)
    logs, spans = mapper.map(RING.batch([spec], [{"kind": 1}] * 5 + [{"kind": 2}] * 3 + [b"short"]))
    assert [len(each) for each in logs] == [2]
    assert spans == []
    assert dict(mapper.counted) == {"records": 9, "records_short": 1, "records_unmatched": 3, "records_limited": 3}


def test_numbers_beyond_int64_are_floating_point() -> None:
    """Those that no int64 holds; the others of the same column are told exactly."""
    made = Map({"pid": "u32"}, {"v": "u64"})
    spec = MetricSpec("m", "n", "gauge", "v", attributes=(named("pid", "pid"),))
    values = np.array([2**63 + 2**20, 2**63 - 1, 5], np.uint64)
    snapshot = made.snapshot(({"pid": pid}, {"v": int(value)}) for pid, value in enumerate(values))
    (metric,) = metrics(MetricsEncoder(RESOURCE).encode(Mapper().collect(moment_of(made.resolve(spec), snapshot))))
    found = [(p.WhichOneof("value"), getattr(p, p.WhichOneof("value"))) for p in metric.gauge.data_points]
    assert found == [("as_double", float(2**63 + 2**20)), ("as_int", 2**63 - 1), ("as_int", 5)]
