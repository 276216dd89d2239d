"""From the metrics of probes to metric families: one name, one type, one unit, no two that a reader may mix up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from exporters.mapping.series import Points, ProbeMetrics, scope_name
from exporters.prometheus.names import family_name
from tracerd.signals import Kind

_ENDS: dict[Kind, tuple[str, ...]] = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_sum", "_count", "_created"),
}
"""What OpenMetrics appends to a family's name for its samples: another family may have none of these names."""

TARGET = frozenset({"target", "target_info"})
"""The names of the family that has the resource."""

@dataclass(slots=True)
class Family:
    """All points of one name. `help` is the description of the first metric that has one."""

    name: str
    kind: Kind
    unit: str
    help: str
    parts: list[tuple[str, Points]] = field(default_factory=list)       # scope, points

    @property
    def names(self) -> set[str]:
        """All names that its samples may have."""
        return {self.name + end for end in _ENDS[self.kind]}


@dataclass(frozen=True, slots=True)
class Families:
    """The families of one document, and the metrics that are left out of it, as "SCOPE: NAME"."""

    families: list[Family]
    conflicting: tuple[str, ...]


def families_of(probes: Iterable[ProbeMetrics]) -> Families:
    """Group cumulative metrics by their translated names.

    A metric whose name is there already goes to that family if type and unit are the same. It is left out if they
    differ, or if a sample of it would have a name that a sample of another family has.
    """
    found: dict[str, Family] = {}
    taken = set(TARGET)
    conflicting = []
    for probe in probes:
        scope = scope_name(probe.probe)
        for metric in probe.metrics:
            named = family_name(metric.name, metric.unit, metric.kind)
            family = found.get(named.name)
            if family is None:
                family = Family(named.name, metric.kind, named.unit, metric.description)
                if taken & family.names:
                    conflicting.append(f"{scope}: {metric.name}")
                    continue
                taken |= family.names
                found[named.name] = family
            elif (family.kind, family.unit) != (metric.kind, named.unit):
                conflicting.append(f"{scope}: {metric.name}")
                continue
            family.help = family.help or metric.description
            family.parts += [(scope, part) for part in metric.parts]
    return Families(list(found.values()), tuple(conflicting))
