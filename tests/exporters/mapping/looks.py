"""One map, looked at again and again, a second apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from exporters.mapping.mapper import Mapper
from exporters.mapping.series import Metric, NumberPoints, Row, Temporality
from tests.exporters.mapping.maps import SINCE_NS, TAKEN_NS, Map, moment_of, named
from tracerd.signals import MetricSpec
from tracerd.snapshot import NO_PROCESSES, Processes

STEP = 1_000_000_000
CALLS = Map({"pid": "u32", "nr": "u32"}, {"count": "u64", "comm": "char[8]"})
COUNT = MetricSpec("m", "calls", "counter", "count", "{call}", attributes=(named("pid", "process.pid"),))
BY_NAME = replace(COUNT, attributes=(named("comm", "name"),))

Entry = tuple[dict[str, Any], dict[str, Any]]


def call(pid: int, count: int, comm: str = "a", nr: int = 0) -> Entry:
    return {"pid": pid, "nr": nr}, {"count": count, "comm": comm}


class Looks:
    """Looks at one map again and again, a second apart."""

    def __init__(
        self, spec: MetricSpec, made: Map = CALLS, temporality: Temporality = "cumulative",
        processes: Processes = NO_PROCESSES, began_ns: int = 0,
    ) -> None:  # fmt: skip
        self.mapper = Mapper(temporality, began_ns=began_ns)
        self._made, self._resolved, self._processes = made, made.resolve(spec), processes
        self.now = TAKEN_NS

    def metric(self, *entries: Entry, since_ns: int = SINCE_NS) -> Metric:
        self.now += STEP
        snapshot = self._made.snapshot(entries, self.now, since_ns)
        (probe,) = self.mapper.collect(moment_of(self._resolved, snapshot, processes=self._processes))
        (metric,) = probe.metrics
        return metric

    def totals(self, *entries: Entry, since_ns: int = SINCE_NS) -> dict[Any, Any]:
        """Values by the (only) attribute's value."""
        return {row[0][1]: value for row, value in numbers(self.metric(*entries, since_ns=since_ns)).items()}

    def starts(self, *entries: Entry) -> dict[Any, int]:
        (points,) = self.metric(*entries).parts
        return {row[0][1]: start for row, start in zip(points.attributes.rows, points.starts.tolist(), strict=True)}


def numbers(metric: Metric) -> dict[Row, Any]:
    found: dict[Row, Any] = {}
    for part in metric.parts:
        assert isinstance(part, NumberPoints)
        found |= zip(part.attributes.rows, part.values.tolist(), strict=True)
    return found
