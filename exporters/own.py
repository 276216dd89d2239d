"""tracerd's own telemetry, through the OpenTelemetry SDK: what runs, what it costs, what was lost (docs/otel.md).

The SDK's instruments read a moment; what they tell is then exported like everybody's series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint, Sum
from opentelemetry.sdk.metrics.export import Metric as SdkMetric
from opentelemetry.sdk.metrics.view import View

from exporters.mapping.delta import Deltas
from exporters.mapping.series import Attributes, Metric, NumberPoints, Numbers, ProbeMetrics, Row, Times
from exporters.measures import MEASURES, Measure
from tracerd.signals import Scalar
from tracerd.snapshot import Moment

MOST_SETS = 100_000
"""Sets of attributes of one instrument: a balance is told by event and outcome, and events may be thousands."""


class OwnTelemetry:
    """Instruments of the SDK over one moment after another. Not thread-safe."""

    def __init__(self, *, deltas: bool = False) -> None:
        """With `deltas` counters tell what they counted since the moment before."""
        self._reader, self._provider = _instruments(self._observe)
        self._moment: Moment | None = None
        self._sets: frozenset[object] = frozenset()
        self._counters = _Counters(deltas=deltas)

    def collect(self, moment: Moment) -> ProbeMetrics:
        """Return tracerd's own metrics at a moment."""
        self._begin_anew_if_gone(moment)
        self._moment = moment
        data = self._reader.get_metrics_data()
        self._moment = None              # it has copies of all maps
        found = [metric for resource in data.resource_metrics for scope in resource.scope_metrics
                 for metric in scope.metrics] if data else []  # fmt: skip
        made = tuple(self._counters.metric(each, moment) for each in found)
        self._counters.looked(moment)
        return ProbeMetrics("", moment.taken_ns, made)

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
    no_exemplars = AlwaysOffExemplarFilter()     # there are no spans that these numbers could be examples of
    provider = MeterProvider([reader], views=[every], shutdown_on_exit=False, exemplar_filter=no_exemplars)
    meter = provider.get_meter("tracerd")
    for measure in MEASURES:
        make = meter.create_observable_counter if measure.kind == "counter" else meter.create_observable_gauge
        make(measure.name, [_callback(observe, measure)], unit=measure.unit, description=measure.description)
    return reader, provider


def _callback(
    observe: Callable[[Measure], Iterator[Observation]], measure: Measure
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _options: observe(measure)


class _Counters:
    """What instruments told, as series. Totals count since the daemon began; one that was not told at the moment
    before, or is smaller now (its probe was replaced), counts since then.
    """

    def __init__(self, *, deltas: bool) -> None:
        self._deltas: dict[str, Deltas] | None = {} if deltas else None
        self._last: dict[tuple[str, Row], tuple[float, int]] = {}        # value and start, at the moment before
        self._now: dict[tuple[str, Row], tuple[float, int]] = {}
        self._before_ns = 0

    def metric(self, metric: SdkMetric, moment: Moment) -> Metric:
        """Return an instrument's series."""
        points = [each for each in metric.data.data_points if isinstance(each, NumberDataPoint)]
        attributes = Attributes(tuple(tuple(_scalars(each.attributes)) for each in points))
        values = np.array([each.value for each in points])
        unit, description = metric.unit or "", metric.description or ""
        if not isinstance(metric.data, Sum):
            gauges = NumberPoints(attributes, np.zeros(len(points), np.uint64), values)
            return Metric(metric.name, "gauge", unit, description, False, (gauges,) if points else ())
        starts = self._starts(metric.name, attributes, values, moment)
        if self._deltas is not None:
            deltas = self._deltas.setdefault(metric.name, Deltas())
            (cells,), starts = deltas.look(attributes, (values[:, None],), starts, moment.taken_ns)
            values = cells[:, 0]
        counted = NumberPoints(attributes, starts, values)
        return Metric(metric.name, "counter", unit, description, self._deltas is not None, (counted,) if points else ())

    def looked(self, moment: Moment) -> None:
        """All instruments have told this moment."""
        self._last, self._now = self._now, {}
        self._before_ns = moment.taken_ns

    def _starts(self, name: str, attributes: Attributes, values: Numbers, moment: Moment) -> Times:
        fresh = (0.0, self._before_ns or moment.taken_ns - moment.uptime_ns)
        starts = []
        for row, value in zip(attributes.rows, values.tolist(), strict=True):
            last, start = self._last.get((name, row), fresh)
            starts.append(start if value >= last else self._before_ns)
            self._now[name, row] = value, starts[-1]
        return np.array(starts, np.uint64)


def _scalars(attributes: Mapping[str, object] | None) -> Iterator[tuple[str, Scalar]]:
    for name, value in (attributes or {}).items():
        if isinstance(value, str | int | float):
            yield name, value
