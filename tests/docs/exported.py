"""What exporters give of shipped probes and of tracerd itself: one series of each metric, without running anything."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np

from exporters.mapping.series import Attributes, HistogramPoints, Metric, NumberPoints, Points, ProbeMetrics
from exporters.own import OwnTelemetry
from exporters.prometheus.render import Renderer
from tests.daemon.moments import moment
from tracerd.config import read_probe
from tracerd.runtime.locate import shipped_probes
from tracerd.signals import MetricSpec
from tracerd.snapshot import ExporterStatistics

Samples = dict[str, dict[str, set[str]]]
"""Names of samples; of each the labels that some series of it has, with their values ("x": any)."""


class Everything(dict[str, float]):
    """The daemon's own numbers, whatever they are called."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> float:
        return 1.0


def own_metrics() -> ProbeMetrics:
    """Return all of tracerd's own metrics."""
    exporter = ExporterStatistics("otlp", 1, 0, 0, 1, 0, 0, {"series": 1})
    telemetry = OwnTelemetry()
    try:
        return telemetry.collect(replace(moment(), own=Everything(), exporters=(exporter,)))
    finally:
        telemetry.close()


def probe_metrics(name: str) -> ProbeMetrics:
    """Return all metrics of a shipped probe; of each section one series for every value that it can name."""
    found: dict[str, Metric] = {}
    for spec in read_probe(shipped_probes()[name]).signals.metrics:
        metric = Metric(spec.name, spec.kind, spec.unit, spec.description, False, (_points(spec),))
        known = found.get(spec.name)
        found[spec.name] = replace(known, parts=known.parts + metric.parts) if known else metric
    return ProbeMetrics(name, 0, tuple(found.values()))


def _points(spec: MetricSpec) -> Points:
    values = [[text for _, text in each.values] or ["x"] for each in spec.attributes]
    names = [each.name for each in spec.attributes]
    rows = tuple((*spec.constants, *zip(names, each, strict=True)) for each in itertools.product(*values))
    series = Attributes(rows), np.zeros(len(rows), np.uint64)
    if spec.buckets is None:
        return NumberPoints(*series, np.ones(len(rows), np.uint64))
    sums = np.ones(len(rows)) if spec.buckets.sum else None
    return HistogramPoints(*series, (1.0,), np.ones((len(rows), 2), np.uint64), sums)


def samples(metrics: ProbeMetrics) -> Samples:
    """Return what a scrape in the text format has of them."""
    document = Renderer().render([metrics], "text")
    assert document.conflicting == ()
    found: Samples = {}
    for line in document.body.decode().splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition("{")
            labels = found.setdefault(name.split()[0], {})
            for label, value in re.findall(r'(\w+)="([^"]*)"', rest):
                labels.setdefault(label, set()).add(value)
    return found
