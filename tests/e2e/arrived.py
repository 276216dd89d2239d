"""What comes out of rotel: read with OpenTelemetry's own classes, put together to what a backend would have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.contents import PARITIES, SIZE_BOUNDS, WEIGHT_BOUNDS, Contents, Histogram, slot_of
from tests.exporters.otlp.collectors import HttpCollector

SCOPE = "tracerd.calls"

_MESSAGES: dict[str, tuple[Any, str, str, str]] = {
    "metrics": (ExportMetricsServiceRequest, "resource_metrics", "scope_metrics", "metrics"),
    "logs": (ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
    "traces": (ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
}


@dataclass(frozen=True)
class Arrived:
    """A metric, a log record or a span, and what it came with."""

    signal: str
    resource: dict[str, Any]
    scope: tuple[str, str]
    item: Any


class Arrivals:
    """All that a receiver was sent. `way` is the resource's attribute "e2e.way"; what tracerd tells of itself is
    left out unless `scope` is "".
    """

    def __init__(self, receiver: HttpCollector) -> None:
        self._receiver = receiver
        self._read = 0
        self._all: list[Arrived] = []

    def of(self, signal: str, way: str = "", scope: str = SCOPE) -> list[Arrived]:
        """Return what came of a signal."""
        self._take()
        found = [each for each in self._all if each.signal == signal and scope in ("", each.scope[0])]
        return [each for each in found if way in ("", each.resource.get("e2e.way"))]

    def items(self, signal: str, way: str = "") -> list[Any]:
        """Return it without what it came with."""
        return [each.item for each in self.of(signal, way)]

    def points(self) -> int:
        """Return how many data points came, tracerd's own too."""
        return sum(len(points_of(each.item)) for each in self.of("metrics", scope=""))

    def numbers(self, signal: str, way: str = "") -> list[int]:
        """Return the calls' numbers that records or spans tell, in order."""
        return sorted(attributes(each.attributes)["e2e.number"] for each in self.items(signal, way))

    def _take(self) -> None:
        many = len(self._receiver.received)
        for each in self._receiver.received[self._read : many]:
            self._all += _decoded(each.path.rpartition("/")[2], each.plain)
        self._read = many


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """Return attributes as Python has them."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


def points_of(metric: Any) -> Any:
    """Return a metric's data points."""
    return getattr(metric, metric.WhichOneof("data")).data_points


def latest(metrics: Iterable[Any]) -> Contents | None:
    """Return what the last points say: of totals."""
    return _contents(metrics, lambda points: [points[-1]])


def summed(metrics: Iterable[Any]) -> Contents | None:
    """Return what all points say together: of deltas."""
    return _contents(metrics, lambda points: points)


def _decoded(signal: str, body: bytes) -> Iterable[Arrived]:
    message, outer, inner, items = _MESSAGES[signal]
    for of_resource in getattr(message.FromString(body), outer):
        resource = attributes(of_resource.resource.attributes)
        for of_scope in getattr(of_resource, inner):
            scope = of_scope.scope.name, of_scope.scope.version
            for item in getattr(of_scope, items):
                yield Arrived(signal, resource, scope, item)


def _contents(metrics: Iterable[Any], choose: Callable[[list[Any]], list[Any]]) -> Contents | None:
    """Return the contents; None before every series is there."""
    series: dict[tuple[str, str], list[Any]] = {}
    for metric in metrics:
        for point in points_of(metric):
            series.setdefault((metric.name, attributes(point.attributes).get("e2e.parity", "")), []).append(point)
    for points in series.values():
        points.sort(key=lambda point: point.time_unix_nano)
    names = [("e2e.number", ""), *((f"e2e.{name}", each) for name in ("calls", "size", "weight") for each in PARITIES)]
    if not all(name in series for name in names):
        return None
    chosen = {name: choose(points) for name, points in series.items()}
    return Contents(
        series["e2e.number", ""][-1].as_int,
        {each: sum(point.as_int for point in chosen["e2e.calls", each]) for each in PARITIES},
        {each: _added(map(_explicit, chosen["e2e.size", each])) for each in PARITIES},
        {each: _added(map(_exponential, chosen["e2e.weight", each])) for each in PARITIES},
    )


def _explicit(point: Any) -> Histogram:
    assert [slot_of(bound, SIZE_BOUNDS) for bound in point.explicit_bounds] == list(range(len(SIZE_BOUNDS) - 1))
    assert point.count == sum(point.bucket_counts)
    return Histogram(tuple(point.bucket_counts), round(point.sum * 1e6))


def _exponential(point: Any) -> Histogram:
    slots = [0] * len(WEIGHT_BOUNDS)
    for at, count in enumerate(point.positive.bucket_counts):
        upper = 2.0 ** ((point.positive.offset + at + 1) / 2**point.scale)
        slots[slot_of(upper, WEIGHT_BOUNDS)] += count
    assert point.count == sum(slots) + point.zero_count
    return Histogram(tuple(slots), round(point.sum))


def _added(histograms: Iterable[Histogram]) -> Histogram:
    many = list(histograms)
    return Histogram(tuple(map(sum, zip(*(each.slots for each in many), strict=True))), sum(each.sum for each in many))
