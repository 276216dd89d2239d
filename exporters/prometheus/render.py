"""Metrics as Prometheus' text format 0.0.4 and as OpenMetrics 1.0.

Exponential histograms have no place in either format: they are told with classic buckets whose bounds are
base**(offset + j + 1). There is no `_created`: it would double the lines of counters for a time that seldom changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from exporters.mapping.series import NumberPoints, ProbeMetrics, Row
from exporters.prometheus.families import Family, families_of
from exporters.prometheus.lines import Format, Kept, Series, histogram_series, number_series
from exporters.prometheus.names import Labels, escape, escape_help


@dataclass(frozen=True, slots=True)
class Document:
    """One answer to a scrape."""

    body: bytes
    samples: int
    conflicting: tuple[str, ...]         # metrics that are left out since their name was taken, "SCOPE: NAME"
    unfit: int                           # series left out: a counter below 0 or NaN, labels that are there already


class Renderer:
    """Renders one document after the other. For one thread at a time."""

    def __init__(self, resource: Row = ()) -> None:
        """`resource` are the attributes of whoever is scraped: the labels of target_info."""
        self._resource = Labels().text(resource)
        self._kept = Kept()

    def render(self, probes: Iterable[ProbeMetrics], form: Format) -> Document:
        """Return cumulative metrics as a valid document, whatever their names, labels and numbers are."""
        found = families_of(probes)
        pieces = [_target(self._resource, form)] if self._resource else []
        samples, unfit = len(pieces), 0
        for family in found.families:
            series = self._series(family, form)
            unfit += series.unfit
            if not series.keys:
                continue
            pieces += _described(family, form)
            if family.kind == "histogram":
                pieces += series.texts
                samples += sum(text.count("\n") for text in series.texts)
            else:
                pieces += chain.from_iterable(zip(series.keys, series.texts, strict=True))
                samples += len(series.keys)
        self._kept.turn()
        pieces.append("\n# EOF\n" if form == "openmetrics" else "\n")
        return Document("".join(pieces)[1:].encode(), samples, found.conflicting, unfit)

    def _series(self, family: Family, form: Format) -> Series:
        """Return all series of a family; a counter's or gauge's line is its key and its text."""
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        joined = Series([], [])
        for scope, points in family.parts:
            if isinstance(points, NumberPoints):
                made = number_series(self._kept, name, scope, points, grows=family.kind == "counter")
            else:
                made = histogram_series(self._kept, name, scope, points, form)
            joined.keys += made.keys
            joined.texts += made.texts
            joined.unfit += made.unfit
        return joined.once()


def _target(labels: str, form: Format) -> str:
    name, kind = ("target", "info") if form == "openmetrics" else ("target_info", "gauge")
    return f"\n# HELP {name} Target metadata\n# TYPE {name} {kind}\ntarget_info{{{labels}}} 1"


def _described(family: Family, form: Format) -> list[str]:
    """Return what is said of a family before its series. The text format has no units, and names with "_total"."""
    openmetrics = form == "openmetrics"
    name = f"{family.name}_total" if family.kind == "counter" and not openmetrics else family.name
    lines = [f"\n# TYPE {name} {family.kind}"]
    if family.help:
        lines.insert(0, f"\n# HELP {name} {escape(family.help) if openmetrics else escape_help(family.help)}")
    if openmetrics and family.unit:
        lines.append(f"\n# UNIT {name} {family.unit}")
    return lines
