"""What shipped probes export fits their objects, is named and described, and no two metrics share a name."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np
import pytest

from exporters.mapping.series import Attributes, HistogramPoints, Metric, NumberPoints, Points, ProbeMetrics
from exporters.measures import MEASURES
from exporters.prometheus.families import families_of
from exporters.prometheus.names import label_name
from exporters.prometheus.units import WORDS
from tracerd.config import Probe, read_probe
from tracerd.elf.load import load
from tracerd.platforms.linux import LINUX
from tracerd.runtime.load import exports_of
from tracerd.runtime.locate import shipped_probes
from tracerd.signals import MetricSpec

PROBES = sorted(shipped_probes())

CONVENTIONS = {"system.disk.io", "system.disk.operations", "system.network.io"}
"""Metrics of OpenTelemetry's semantic conventions that mean exactly the same."""

SHARED = {
    "cpu.logical_number", "disk.io.direction", "dotnet.gc.heap.generation", "network.interface.name",
    "network.io.direction", "network.transport", "process.executable.name", "server.port", "system.device", "user.name",
}  # fmt: skip
"""Attributes of OpenTelemetry's semantic conventions that mean exactly the same."""

MOST_SERIES = 5000
"""Of one metric: what a collector takes from every machine without a thought."""


def probe_of(name: str) -> Probe:
    """Return a shipped probe."""
    return read_probe(shipped_probes()[name])


def points(spec: MetricSpec) -> Points:
    """No points of a metric's kind."""
    none = Attributes(()), np.zeros(0, np.uint64)
    if spec.kind == "histogram":
        return HistogramPoints(*none, (1.0,), np.zeros((0, 2), np.uint64), None)
    return NumberPoints(*none, np.zeros(0, np.uint64))


def told(probe: Probe) -> ProbeMetrics:
    """Return a probe's metrics as exporters get them, without any points."""
    metrics = (
        Metric(each.name, each.kind, each.unit, each.description, False, (points(each),))
        for each in probe.signals.metrics
    )
    return ProbeMetrics(probe.name, 0, tuple(metrics))


@pytest.mark.parametrize("name", PROBES)
def test_every_shipped_probe_exports_metrics_that_its_object_has(name: str) -> None:
    """Maps, fields, slots and decoders are found."""
    probe = probe_of(name)
    assert probe.signals.metrics
    resolved = exports_of(probe, load(probe.object), LINUX)
    assert len(resolved.signals.metrics) == len(probe.signals.metrics)


@pytest.mark.parametrize("name", PROBES)
def test_names_units_and_descriptions_are_those_of_the_field(name: str) -> None:
    """tracerd.* but for what OpenTelemetry has exactly; units of UCUM; a sentence on each."""
    for each in probe_of(name).signals.metrics:
        assert each.name.startswith("tracerd.") or each.name in CONVENTIONS
        counted, _, per = each.unit.partition("/")
        assert re.fullmatch(r"\{[a-z]+\}", counted) or counted == "1" or counted in WORDS
        assert per in ("", "s")
        assert each.description[0].isupper()
        assert not each.description.endswith(".")


@pytest.mark.parametrize("name", PROBES)
def test_attributes_are_few_and_no_process_has_a_series_of_its_own(name: str) -> None:
    """Names of semantic conventions only where they mean the same; the rest is tracerd's own."""
    for each in probe_of(name).signals.metrics:
        names = [*(attribute.name for attribute in each.attributes), *(key for key, _ in each.constants)]
        assert all(key in SHARED or key.startswith("tracerd.") for key in names)
        assert "process.pid" not in names
        assert len({label_name(key) for key in names}) == len(names) <= 4
        assert each.max_series <= MOST_SERIES


def test_prometheus_names_are_unique_over_all_probes_and_tracerds_own() -> None:
    """All probes may run at once, and none takes another's name; each family has metrics of one probe."""
    own = [
        Metric(each.name, each.kind, each.unit, each.description, False,
               (NumberPoints(Attributes(()), np.zeros(0, np.uint64), np.zeros(0, np.uint64)),))
        for each in MEASURES
    ]  # fmt: skip
    probes = [told(probe_of(name)) for name in PROBES]
    found = families_of([ProbeMetrics("", 0, tuple(own)), *probes])
    assert found.conflicting == ()
    for family in found.families:
        assert len({scope for scope, _ in family.parts}) == 1, family.name
    names = {metric.name for each in probes for metric in each.metrics}
    assert len(found.families) == len(names | {each.name for each in MEASURES})
    assert names.isdisjoint(each.name for each in MEASURES)


def test_entries_of_one_metric_differ_in_their_constants() -> None:
    """Else two entries would be one series, told twice."""
    specs = list(chain.from_iterable(probe_of(name).signals.metrics for name in PROBES))
    assert len({(each.name, each.constants) for each in specs}) == len(specs)
