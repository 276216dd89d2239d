"""A moment's metrics: what every probe declares, made of its maps and of what was told before."""

from __future__ import annotations

from collections.abc import Mapping

from exporters.mapping.following import Following, Looked, is_delta
from exporters.mapping.machine import Machine
from exporters.mapping.series import Metric, ProbeMetrics, Row, Temporality
from tracerd.signals import MetricSpec
from tracerd.snapshot import Moment, ProbeMoment, Processes

_Key = tuple[str, MetricSpec]


class Mapper:
    """Follows the metrics of all probes for one exporter. Not thread-safe; moments must come in order."""

    def __init__(self, temporality: Temporality = "cumulative", machine: Machine | None = None) -> None:
        self._temporality = temporality
        self._machine = machine or Machine()
        self._following: dict[_Key, Following] = {}
        self._series = self._overflowed = self._ended = 0

    def collect(self, moment: Moment) -> list[ProbeMetrics]:
        """Return the metrics of every probe that has some."""
        wanted = {(name, spec) for name, probe in moment.probes.items() for spec in probe.signals.metrics}
        self._following = {key: each for key, each in self._following.items() if key in wanted}
        self._series = self._overflowed = 0
        made = [self._probe(probe, moment.processes) for probe in moment.probes.values() if probe.signals.metrics]
        return [each for each in made if each.metrics]

    def statistics(self) -> Mapping[str, int]:
        """Return how many series there were at the last look, how many found no room, how many have ended so far."""
        return {"series": self._series, "series_overflowed": self._overflowed, "series_ended": self._ended}

    def _probe(self, probe: ProbeMoment, processes: Processes) -> ProbeMetrics:
        looked: dict[str, list[tuple[MetricSpec, Looked]]] = {}
        taken_ns = 0
        for spec in probe.signals.metrics:
            snapshot = probe.maps.get(spec.map)
            if snapshot is None:
                continue                 # constant data: nothing that changes
            taken_ns = max(taken_ns, snapshot.taken_ns)
            found = self._follow(probe.name, spec).look(snapshot, probe.layouts[spec.map], processes)
            looked.setdefault(spec.name, []).append((spec, found))
        metrics = tuple(self._metric(each) for each in looked.values())
        overflowed = {name: sum(look.overflowed for _, look in each) for name, each in looked.items()}
        self._overflowed += sum(overflowed.values())
        return ProbeMetrics(probe.name, taken_ns, metrics, {name: many for name, many in overflowed.items() if many})

    def _follow(self, probe: str, spec: MetricSpec) -> Following:
        key = (probe, spec)
        if key not in self._following:
            self._following[key] = Following(spec, self._machine, self._temporality)
        return self._following[key]

    def _metric(self, looked: list[tuple[MetricSpec, Looked]]) -> Metric:
        """Make one metric of all that have one name."""
        spec = looked[0][0]
        parts = tuple(look.points for _, look in looked if len(look.points.attributes))
        ended: tuple[Row, ...] = tuple(row for _, look in looked for row in look.ended)
        self._series += sum(len(part.attributes) for part in parts)
        self._ended += len(ended)
        delta = is_delta(spec, self._temporality)
        return Metric(spec.name, spec.kind, spec.unit, spec.description, delta, parts, () if delta else ended)
