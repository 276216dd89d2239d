"""The whole exporter: moments and records in, requests out, everything counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporters.measures import MEASURES
from exporters.otlp import make
from exporters.otlp.exporter import OtlpExporter
from exporters.otlp.request import Request, Signal
from exporters.otlp.sender import Sender
from exporters.otlp.statistics import SignalStatistics
from exporters.otlp.target import Settings, Target
from tests.daemon.moments import moment
from tests.exporters.mapping.maps import TAKEN_NS, Map, Ring, moment_of, named
from tracerd.daemon.exporter import Recording, Telling
from tracerd.errors import ConfigError, ExportError
from tracerd.signals import LogSpec, MetricSpec, RecordSpec, SpanSpec
from tracerd.snapshot import ExporterStatistics, Moment

SIGNALS: tuple[Signal, ...] = ("metrics", "logs", "traces")
SETTINGS = Settings(tuple(Target(each, "http/protobuf", "http://localhost") for each in SIGNALS))


class Kept(Sender):
    """Keeps requests; its spool may be refused."""

    def __init__(self, refused: str = "") -> None:
        super().__init__(SETTINGS)
        self.requests: list[Request] = []
        self.numbers: dict[str, SignalStatistics] = {}
        self._refused = refused

    def start(self) -> None:
        if self._refused:
            self.numbers["metrics"] = SignalStatistics(spool_works=False, last_error=self._refused)
            raise ExportError("spool", self._refused)

    def put(self, request: Request) -> None:
        self.requests.append(request)

    def statistics(self) -> Mapping[str, SignalStatistics]:
        return self.numbers

    def close(self, seconds: float) -> None:
        pass


def full_moment() -> Moment:
    """Two system calls, and all that a daemon tells of itself."""
    made = Map({"pid": "u32"}, {"v": "u64"})
    spec = MetricSpec("m", "calls", "counter", "v", attributes=(named("pid", "process.pid"),))
    one = moment_of(made.resolve(spec), made.snapshot(({"pid": pid}, {"v": 7}) for pid in (1, 2)))
    told, own = moment(), {"process.cpu_seconds": 1.5, "cache.code.hits": 3.0, "verifier.jobs": 2.0}
    exporters = (ExporterStatistics("otlp", 5, 1, 0, 9, 2, 0, {"metrics.sent": 4}),)
    programs = tuple(replace(each, probe="p") for each in told.programs)
    return replace(one, programs=programs, ledger=told.ledger, own=own, exporters=exporters, uptime_ns=10**9)


def sent_metrics(sender: Kept) -> dict[str, Any]:
    found = {}
    for request in sender.requests:
        if request.signal == "metrics":
            for one in ExportMetricsServiceRequest.FromString(request.body).resource_metrics:
                for scope in one.scope_metrics:
                    found |= {(scope.scope.name, metric.name): metric for metric in scope.metrics}
    return found


def test_a_moment_becomes_the_probes_metrics_and_tracerds_own() -> None:
    """Each in its scope; own totals count since the daemon began, and the balance is told by outcome."""
    sender = Kept()
    exporter = OtlpExporter(SETTINGS, sender)
    exporter.export(full_moment())
    exporter.close()
    found = sent_metrics(sender)
    assert len(found["tracerd.p", "calls"].sum.data_points) == 2
    own = {name for scope, name in found if scope == "tracerd"}
    assert own <= {measure.name for measure in MEASURES}
    assert {"tracerd.program.runs", "tracerd.event.handled", "tracerd.cache.lookups", "tracerd.exporter.tally"} <= own
    handled = found["tracerd", "tracerd.event.handled"].sum
    assert handled.is_monotonic
    outcomes = {pair.value.string_value: point.as_int for point in handled.data_points
                for pair in point.attributes if pair.key == "outcome"}  # fmt: skip
    assert (outcomes["delivered"], outcomes["lost_in_kernel"], outcomes["filtered"]) == (5, 2, 3)
    (cpu,) = found["tracerd", "tracerd.process.cpu.time"].sum.data_points
    assert (cpu.as_double, cpu.start_time_unix_nano) == (1.5, TAKEN_NS - 10**9)


def test_what_is_gone_is_told_no_more() -> None:
    """An instrument never forgets a program; the exporter does."""
    sender = Kept()
    exporter = OtlpExporter(SETTINGS, sender)
    exporter.export(full_moment())
    sender.requests.clear()
    exporter.export(replace(full_moment(), programs=()))
    assert ("tracerd", "tracerd.program.runs") not in sent_metrics(sender)
    assert ("tracerd", "tracerd.event.handled") in sent_metrics(sender)


def test_own_totals_of_what_was_replaced_begin_anew() -> None:
    """A probe that is loaded again, at once or later, has not counted since the daemon began; nothing gone is kept."""
    sender = Kept()
    exporter = OtlpExporter(SETTINGS, sender)
    begun = full_moment()
    told: list[tuple[int, int]] = []
    for second, runs in enumerate((9, 12, 3, None, 5)):
        now = replace(begun, taken_ns=begun.taken_ns + second, uptime_ns=begun.uptime_ns + second)
        programs = tuple(replace(each, runs=runs) for each in begun.programs) if runs is not None else ()
        exporter.export(replace(now, programs=programs))
        metric = sent_metrics(sender).get(("tracerd", "tracerd.program.runs"))
        sender.requests.clear()
        told += [(point.as_int, point.start_time_unix_nano) for point in metric.sum.data_points] if metric else []
    daemon = begun.taken_ns - begun.uptime_ns
    assert told == [(9, daemon), (12, daemon), (3, begun.taken_ns + 1), (5, begun.taken_ns + 3)]


def test_records_become_logs_and_spans() -> None:
    """One ring buffer may be both; what became of the records is counted."""
    ring = Ring({"at": "u64"})
    signals = [LogSpec(RecordSpec("r"), "e", time="at"), SpanSpec(RecordSpec("r"), "s", "at", "at")]
    sender = Kept()
    exporter = OtlpExporter(SETTINGS, sender)
    exporter.records(ring.batch(signals, [{"at": 1}, {"at": 2}, b"x"]))
    assert [(each.signal, each.items) for each in sender.requests] == [("logs", 2), ("traces", 2)]
    assert exporter.statistics()["records"] == 3
    assert exporter.statistics()["records_short"] == 1


def test_own_spans_tell_what_an_export_takes() -> None:
    """Mapping and encoding are children of the export, in one trace."""
    sender = Kept()
    exporter = OtlpExporter(replace(SETTINGS, own_spans=True), sender)
    exporter.export(full_moment())
    spans = [span for request in sender.requests if request.signal == "traces"
             for one in ExportTraceServiceRequest.FromString(request.body).resource_spans
             for scope in one.scope_spans for span in scope.spans]  # fmt: skip
    by_name = {span.name: span for span in spans}
    assert by_name.keys() == {"tracerd.export", "tracerd.export.map", "tracerd.export.encode"}
    parent = by_name["tracerd.export"]
    assert {span.trace_id for span in spans} == {parent.trace_id}
    assert by_name["tracerd.export.map"].parent_span_id == by_name["tracerd.export.encode"].parent_span_id
    assert by_name["tracerd.export.map"].parent_span_id == parent.span_id


def test_numbers_and_problems_are_told() -> None:
    """By signal and by cause; a problem is what fails now."""
    sender = Kept()
    exporter = OtlpExporter(SETTINGS, sender)
    assert isinstance(exporter, Telling)
    assert isinstance(exporter, Recording)
    sender.numbers = {
        "metrics": SignalStatistics(items_sent=5, items_dropped={"expired": 2}, queued_items=1),
        "logs": SignalStatistics(items_rejected=3, failing=2, last_error="logs to http://c: away"),
    }
    told = exporter.statistics()
    assert (told["metrics.sent"], told["metrics.dropped.expired"], told["metrics.queued"]) == (5, 2, 1)
    assert told["logs.rejected"] == 3
    assert exporter.problem() == "logs to http://c: away"


def test_a_refused_spool_is_told_and_memory_serves() -> None:
    """The moment is sent all the same."""
    sender = Kept("spool: belongs to somebody else")
    exporter = OtlpExporter(SETTINGS, sender)
    exporter.export(full_moment())
    assert sender.requests
    assert exporter.problem() == "spool: belongs to somebody else"


def test_a_section_is_checked_before_anything_is_opened() -> None:
    """As `tracerd check` does it."""
    exporter = make({"endpoint": "http://localhost:1", "interval": "5s"}, "w")
    assert exporter.interval == 5.0
    exporter.close()
    with pytest.raises(ConfigError, match="did you mean 'endpoint'"):
        make({"endpiont": "http://localhost:1"}, "w")
