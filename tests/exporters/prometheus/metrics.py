"""Metrics to render, and what the official parsers make of a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.mapping.series import (
    Attributes,
    ExponentialPoints,
    HistogramPoints,
    Metric,
    NumberPoints,
    Points,
    ProbeMetrics,
    Row,
)
from exporters.prometheus.lines import Format
from tracerd.signals import Kind

Sample = tuple[str, frozenset[tuple[str, str]]]


def starts(series: int) -> Any:
    return np.full(series, 1_790_000_000_000_000_000, np.uint64)


def numbers(values: Any, *rows: Row) -> NumberPoints:
    """Points of an array of numbers; without rows, each has the attribute `i`."""
    values = np.asarray(values)
    rows = rows or tuple((("i", place),) for place in range(len(values)))
    return NumberPoints(Attributes(rows), starts(len(rows)), values)


def histogram(bounds: Sequence[float], counts: Any, sums: Any, *rows: Row) -> HistogramPoints:
    counts = np.asarray(counts, np.uint64)
    rows = rows or tuple((("i", place),) for place in range(len(counts)))
    told = None if sums is None else np.asarray(sums, np.float64)
    return HistogramPoints(Attributes(rows), starts(len(rows)), tuple(bounds), counts, told)


def exponential(scale: int, offset: int, counts: Any, sums: Any = None) -> ExponentialPoints:
    counts = np.asarray(counts, np.uint64)
    rows = tuple((("i", place),) for place in range(len(counts)))
    return ExponentialPoints(Attributes(rows), starts(len(rows)), scale, offset, counts, sums)


def metric(name: str, kind: Kind, *parts: Points, unit: str = "", description: str = "") -> Metric:
    return Metric(name, kind, unit, description, False, parts)


def probe(*metrics: Metric, name: str = "p") -> ProbeMetrics:
    return ProbeMetrics(name, 1, metrics)


def parsed(body: bytes, form: Format) -> dict[str, Any]:
    """Return the families of a document that the official parser of its format takes, by name."""
    families = list((parse_openmetrics if form == "openmetrics" else parse_text)(body.decode()))
    assert len({each.name for each in families}) == len(families)
    return {each.name: each for each in families}


def samples(body: bytes, form: Format) -> dict[Sample, float]:
    """Return all samples of a document. No two are the same series."""
    found = [sample for family in parsed(body, form).values() for sample in family.samples]
    values = {(each.name, frozenset(each.labels.items())): each.value for each in found}
    assert len(values) == len(found)
    return values


def lines(body: bytes) -> list[str]:
    """Return a document's lines, which all end."""
    text = body.decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]
