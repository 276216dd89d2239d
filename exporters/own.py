"""tracerd's own telemetry, through the OpenTelemetry SDK: what runs, what it costs, what was lost (docs/otel.md).

The SDK's instruments read a moment; what they tell is then exported like everybody's series. Names are `tracerd.*`:
semantic conventions are for what means exactly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint, Sum
from opentelemetry.sdk.metrics.export import Metric as SdkMetric
from opentelemetry.sdk.metrics.view import View

from exporters.mapping.series import Attributes, Metric, NumberPoints, ProbeMetrics
from tracerd.signals import Scalar
from tracerd.snapshot import LEDGER_COUNTS, Moment

MOST_SETS = 100_000
"""Sets of attributes of one instrument: a balance is told by event and outcome, and events may be thousands."""

Told = tuple[float, Mapping[str, Scalar]]
SCOPE = "tracerd"


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of tracerd itself."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    description: str
    read: Callable[[Moment], Iterable[Told]]


def _programs(field: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for each in moment.programs:
            yield getattr(each, field), {"probe": each.probe, "program": each.name, "engine": each.engine}

    return read


def _seconds_of_runs(moment: Moment) -> Iterator[Told]:
    return ((value / 1e9, names) for value, names in _programs("mean_ns")(moment))


def _events(moment: Moment) -> Iterator[Told]:
    for event, balance in moment.ledger.items():
        for outcome in LEDGER_COUNTS[1:]:
            yield getattr(balance, outcome), {"event": event, "outcome": outcome}


def _produced(moment: Moment) -> Iterator[Told]:
    return ((balance.produced, {"event": event}) for event, balance in moment.ledger.items())


def _maps(read: Callable[[int, int, int], float]) -> Callable[[Moment], Iterator[Told]]:
    def told(moment: Moment) -> Iterator[Told]:
        for name, probe in moment.probes.items():
            for each in probe.maps.values():
                yield read(len(each.keys), each.max_entries, each.refused), {"probe": name, "map": each.name}

    return told


def _fill(entries: int, most: int, _refused: int) -> float:
    return entries / max(most, 1)


def _rings(field: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for name, probe in moment.probes.items():
            for each in probe.rings.values():
                yield getattr(each, field), {"probe": name, "ring": each.name}

    return read


def _exporters(*fields: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for each in moment.exporters:
            for field in fields:
                yield getattr(each, field), {"exporter": each.name, "outcome": field.removeprefix("records_")}

    return read


def _exporter_counts(moment: Moment) -> Iterator[Told]:
    for each in moment.exporters:
        for name, count in each.counts.items():
            yield count, {"exporter": each.name, "count": name}


def _own(name: str, **names: Scalar) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        if name in moment.own:
            yield moment.own[name], names

    return read


def _caches(count: str) -> Callable[[Moment], Iterator[Told]]:
    def read(moment: Moment) -> Iterator[Told]:
        for cache in ("proofs", "code"):
            yield from _own(f"cache.{cache}.{count}", cache=cache)(moment)

    return read


def _lookups(moment: Moment) -> Iterator[Told]:
    for outcome in ("hits", "misses"):
        for value, names in _caches(outcome)(moment):
            yield value, {**names, "outcome": outcome}


MEASURES = (
    Measure("tracerd.uptime", "gauge", "s", "Time since the daemon began", lambda m: [(m.uptime_ns / 1e9, {})]),
    Measure("tracerd.program.runs", "counter", "{run}", "Runs of a program", _programs("runs")),
    Measure("tracerd.program.aborted", "counter", "{run}", "Runs that were ended early", _programs("aborted")),
    Measure("tracerd.program.run.duration", "gauge", "s", "Mean time of a run, of one in 64", _seconds_of_runs),
    Measure("tracerd.program.verify.duration", "gauge", "s", "Time its proof took", _programs("verify_seconds")),
    Measure("tracerd.program.instructions", "gauge", "{instruction}", "Its length", _programs("instructions")),
    Measure("tracerd.event.produced", "counter", "{event}", "Events, as their producer counts them", _produced),
    Measure("tracerd.event.handled", "counter", "{event}", "What became of events: all outcomes are produced", _events),
    Measure("tracerd.map.entries", "gauge", "{entry}", "Entries of a map", _maps(lambda n, _most, _r: n)),
    Measure("tracerd.map.fill", "gauge", "1", "Entries of a map by its room", _maps(_fill)),
    Measure("tracerd.map.refused", "counter", "{update}", "Updates refused: it was full", _maps(lambda _n, _m, r: r)),
    Measure("tracerd.ring.records", "counter", "{record}", "Records taken out of a ring buffer", _rings("records")),
    Measure("tracerd.ring.dropped", "counter", "{record}", "Records that found no room in it", _rings("dropped")),
    Measure("tracerd.exporter.exports", "counter", "{export}", "Moments that were due",
            _exporters("exports", "failures", "skipped")),
    Measure("tracerd.exporter.records", "counter", "{record}", "Records for an exporter: given, lost before, failed",
            _exporters("records", "records_lost", "records_failed")),
    Measure("tracerd.exporter.tally", "gauge", "{count}", "An exporter's own counts", _exporter_counts),
    Measure("tracerd.process.cpu.time", "counter", "s", "CPU time of the daemon", _own("process.cpu_seconds")),
    Measure("tracerd.process.memory.usage", "gauge", "By", "Memory of the daemon", _own("process.memory_bytes")),
    Measure("tracerd.process.descriptors", "gauge", "{descriptor}", "Open files", _own("process.descriptors")),
    Measure("tracerd.pump.cpu.time", "counter", "s", "CPU time of events on their way", _own("pumps.cpu_seconds")),
    Measure("tracerd.map.memory.size", "gauge", "By", "Size of all maps", _own("maps.memory_bytes")),
    Measure("tracerd.map.memory.usage", "gauge", "By", "Of it, what is in memory", _own("maps.resident_bytes")),
    Measure("tracerd.probe.loaded", "gauge", "{probe}", "Probes that are loaded", _own("probes.loaded")),
    Measure("tracerd.probe.failed", "gauge", "{probe}", "Probes that should be and are not", _own("probes.failed")),
    Measure("tracerd.verifier.jobs", "counter", "{proof}", "Proofs asked for", _own("verifier.jobs")),
    Measure("tracerd.verifier.started", "counter", "{process}", "Verifier processes", _own("verifier.started")),
    Measure("tracerd.verifier.broken", "counter", "{process}", "Of them, killed or hung", _own("verifier.broken")),
    Measure("tracerd.reload.done", "counter", "{reload}", "Configurations taken", _own("reloads")),
    Measure("tracerd.reload.refused", "counter", "{reload}", "Configurations refused", _own("reloads.refused")),
    Measure("tracerd.source.revived", "counter", "{source}", "Sources opened anew", _own("sources.revived")),
    Measure("tracerd.cache.lookups", "counter", "{lookup}", "Proofs and code looked for in the caches", _lookups),
    Measure("tracerd.cache.size", "gauge", "By", "Size of a cache", _caches("bytes")),
    Measure("tracerd.api.requests", "counter", "{request}", "Requests to the control API", _own("api.requests")),
    Measure("tracerd.api.refused", "counter", "{request}", "Of them, refused", _own("api.refused")),
    Measure("tracerd.api.connections", "gauge", "{connection}", "Clients connected", _own("api.connections")),
    Measure("tracerd.log.dropped", "counter", "{record}", "Log records that found no room", _own("log.dropped")),
)  # fmt: skip
"""All of them; docs/otel.md lists the same."""


class OwnTelemetry:
    """Instruments of the SDK over one moment after another. Not thread-safe."""

    def __init__(self) -> None:
        self._reader, self._provider = _instruments(self._observe)
        self._moment: Moment | None = None
        self._sets: frozenset[object] = frozenset()

    def collect(self, moment: Moment) -> ProbeMetrics:
        """Return tracerd's own metrics at a moment."""
        self._begin_anew_if_gone(moment)
        self._moment = moment
        data = self._reader.get_metrics_data()
        since = moment.taken_ns - moment.uptime_ns
        found = [metric for resource in data.resource_metrics for scope in resource.scope_metrics
                 for metric in scope.metrics] if data else []  # fmt: skip
        return ProbeMetrics("", moment.taken_ns, tuple(_metric(each, since) for each in found))

    def close(self) -> None:
        """Let the SDK go. May be called twice."""
        self._provider.shutdown()

    def _observe(self, measure: Measure) -> Iterator[Observation]:
        if self._moment is not None:
            for value, names in measure.read(self._moment):
                yield Observation(value, dict(names))

    def _begin_anew_if_gone(self, moment: Moment) -> None:
        """Instruments never forget a set of attributes: what is gone would be told for ever."""
        sets = frozenset(
            (measure.name, tuple(sorted(names.items()))) for measure in MEASURES for _, names in measure.read(moment)
        )
        if self._sets - sets:
            self._provider.shutdown()
            self._reader, self._provider = _instruments(self._observe)
        self._sets = sets


def _instruments(observe: Callable[[Measure], Iterator[Observation]]) -> tuple[InMemoryMetricReader, MeterProvider]:
    reader = InMemoryMetricReader()
    every = View(instrument_name="*", aggregation_cardinality_limit=MOST_SETS)
    provider = MeterProvider([reader], views=[every], shutdown_on_exit=False)
    meter = provider.get_meter(SCOPE)
    for measure in MEASURES:
        make = meter.create_observable_counter if measure.kind == "counter" else meter.create_observable_gauge
        make(measure.name, [_callback(observe, measure)], unit=measure.unit, description=measure.description)
    return reader, provider


def _callback(
    observe: Callable[[Measure], Iterator[Observation]], measure: Measure
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _options: observe(measure)


def _metric(metric: SdkMetric, since_ns: int) -> Metric:
    """Return what an instrument told as series; totals count since the daemon began, not since the instrument did."""
    points = [each for each in metric.data.data_points if isinstance(each, NumberDataPoint)]
    rows = tuple(tuple(_scalars(each.attributes)) for each in points)
    values = np.array([each.value for each in points])
    kind: Literal["counter", "gauge"] = "counter" if isinstance(metric.data, Sum) else "gauge"
    numbers = NumberPoints(Attributes(rows), np.full(len(rows), since_ns, np.uint64), values)
    return Metric(metric.name, kind, metric.unit or "", metric.description or "", False, (numbers,) if rows else ())


def _scalars(attributes: Mapping[str, object] | None) -> Iterator[tuple[str, Scalar]]:
    for name, value in (attributes or {}).items():
        if isinstance(value, str | int | float):
            yield name, value
