"""A moment's metrics: what every probe declares, made of its maps and of what was told before."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from exporters.mapping.following import Following, Looked, is_delta
from exporters.mapping.machine import Machine
from exporters.mapping.series import Metric, Points, ProbeMetrics, Row, Temporality
from tracerd.signals import MetricSpec
from tracerd.snapshot import Moment, ProbeMoment, Processes

LOG = logging.getLogger("tracerd.export")

_Key = tuple[str, MetricSpec, str]
"""Probe, metric, and what it is written: constants 1 and True are equal, and told differently."""


class Mapper:
    """Follows the metrics of all probes for one exporter. Not thread-safe; moments must come in order."""

    def __init__(
        self, temporality: Temporality = "cumulative", machine: Machine | None = None, began_ns: int | None = None
    ) -> None:
        """`began_ns` is since when metrics are told, unix time: now unless a test says otherwise."""
        self._temporality = temporality
        self._machine = machine or Machine()
        self._began_ns = time.time_ns() if began_ns is None else began_ns
        self._following: dict[_Key, Following] = {}
        self._failed: dict[tuple[str, str], str] = {}
        self._statistics: Mapping[str, int] = {"series": 0, "series_overflowed": 0, "series_ended": 0}

    def collect(self, moment: Moment) -> list[ProbeMetrics]:
        """Return the metrics of every probe that has some, and the ends of those that are gone."""
        wanted = {_key(name, spec) for name, probe in moment.probes.items() for spec in probe.signals.metrics}
        gone = {key: each for key, each in self._following.items() if key not in wanted}
        self._following = {key: each for key, each in self._following.items() if key in wanted}
        failed: dict[tuple[str, str], str] = {}
        made = [self._probe(each, moment.processes, failed) for each in moment.probes.values() if each.signals.metrics]
        if gone:
            made += self._ends(gone, made, moment.taken_ns)
        self._failed = failed            # whole: `problem` may be asked by another thread
        self._count(made)
        return [each for each in made if each.metrics]

    def statistics(self) -> Mapping[str, int]:
        """Return how many series there were at the last look, how many found no room, how many have ended so far."""
        return self._statistics

    def problem(self) -> str:
        """Return which metrics could not be made at the last look, and why; "" if all could."""
        return "; ".join(f"metric {name!r} of probe {probe!r}: {why}" for (probe, name), why in self._failed.items())

    def _count(self, made: list[ProbeMetrics]) -> None:
        metrics = [metric for probe in made for metric in probe.metrics]
        self._statistics = {
            "series": sum(len(part.attributes) for metric in metrics for part in metric.parts),
            "series_overflowed": sum(sum(probe.overflowed.values()) for probe in made),
            "series_ended": self._statistics["series_ended"] + sum(len(metric.ended) for metric in metrics),
        }

    def _probe(
        self, probe: ProbeMoment, processes: Processes, failed: dict[tuple[str, str], str]
    ) -> ProbeMetrics:
        looked: dict[str, list[tuple[MetricSpec, Looked]]] = {}
        taken_ns = 0
        for spec in probe.signals.metrics:
            snapshot = probe.maps.get(spec.map)
            if snapshot is None:
                continue                 # constant data: nothing that changes
            taken_ns = max(taken_ns, snapshot.taken_ns)
            try:
                found = self._follow(probe.name, spec).look(snapshot, probe.layouts[spec.map], processes)
            except Exception as error:
                failed[probe.name, spec.name] = f"{type(error).__name__}: {error}"
                if (probe.name, spec.name) not in self._failed:
                    LOG.warning("metric %r of probe %r cannot be made", spec.name, probe.name, exc_info=True)
            else:
                looked.setdefault(spec.name, []).append((spec, found))
        metrics = tuple(self._metric(each) for each in looked.values())
        overflowed = {name: sum(look.overflowed for _, look in each) for name, each in looked.items()}
        return ProbeMetrics(probe.name, taken_ns, metrics, {name: many for name, many in overflowed.items() if many})

    def _follow(self, probe: str, spec: MetricSpec) -> Following:
        key = _key(probe, spec)
        if key not in self._following:
            self._following[key] = Following(spec, self._machine, self._temporality, self._began_ns)
        return self._following[key]

    def _metric(self, looked: list[tuple[MetricSpec, Looked]]) -> Metric:
        """Make one metric of all that have one name."""
        parts = tuple(look.points for _, look in looked if len(look.points.attributes))
        return self._of(looked[0][0], parts, tuple(row for _, look in looked for row in look.ended))

    def _ends(self, gone: Mapping[_Key, Following], made: list[ProbeMetrics], taken_ns: int) -> list[ProbeMetrics]:
        """Return the ends of metrics that are told no more, but for series that another map has now."""
        rows = {(probe.probe, metric.name): {row for part in metric.parts for row in part.attributes.rows}
                for probe in made for metric in probe.metrics}  # fmt: skip
        ends = []
        for (probe, spec, _), each in gone.items():
            there = rows.get((probe, spec.name), set())
            ended = tuple(row for row in each.shown if row not in there)
            ends.append(ProbeMetrics(probe, taken_ns, (self._of(spec, (), ended),) if ended else ()))
        return ends

    def _of(self, spec: MetricSpec, parts: tuple[Points, ...], ended: tuple[Row, ...]) -> Metric:
        delta = is_delta(spec, self._temporality)
        there = {row for part in parts for row in part.attributes.rows} if ended else set()
        ends = () if delta else tuple(row for row in ended if row not in there)
        exponential = spec.buckets is not None and spec.buckets.kind == "exponential"
        return Metric(spec.name, spec.kind, spec.unit, spec.description, delta, parts, ends, exponential)


def _key(probe: str, spec: MetricSpec) -> _Key:
    return probe, spec, repr(spec.constants)
