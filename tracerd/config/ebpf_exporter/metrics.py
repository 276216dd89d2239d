"""From counters and histograms to [[metric]]."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracerd.btf.layout import Field
from tracerd.config.ebpf_exporter.buckets import buckets
from tracerd.config.ebpf_exporter.document import Counter, Document, Histogram, Label, Value, unknown_keys
from tracerd.config.ebpf_exporter.fields import NUMBERS, Misplaced, place, total_size
from tracerd.config.ebpf_exporter.labels import Say, attributes
from tracerd.signals import AttributeSpec, MetricSpec
from tracerd.views.columns import MapColumns

PREFIX = "ebpf_exporter_"
"""What ebpf_exporter puts before all names: series keep theirs."""

CPU_BYTES = 2
NUMBER_BYTES = 8

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")
_UNITS = (("_seconds", "s"), ("_bytes", "By"))


@dataclass(frozen=True, slots=True)
class Converted:
    """What a configuration becomes, and a sentence for everything that does not, or not in the same way."""

    metrics: tuple[MetricSpec, ...]
    left_out: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    """What is known of the object, if there is one, and what has been made so far."""

    maps: Mapping[str, MapColumns] | None
    key_sizes: Mapping[str, int]
    metrics: list[MetricSpec] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def columns(self, metric: str, say: Say) -> MapColumns | None:
        """Return the map of a metric's name, None if there is no such map or no object."""
        if self.maps is not None and metric not in self.maps:
            say(f"is left out: the object has no map {metric!r} with entries, only {', '.join(self.maps) or 'none'}")
        return (self.maps or {}).get(metric)

    def add(self, metric: MetricSpec, say: Say) -> None:
        """Take a metric whose name can be told, and is not there yet."""
        name = metric.name.removeprefix(PREFIX)
        if not _NAME.fullmatch(name):
            say(f"is left out: {name!r} is no metric name: letters, digits and _ . - / (200 at most)")
        elif metric.name in {each.name for each in self.metrics}:
            say(f"is left out: there is a metric {name!r} already")
        else:
            self.metrics.append(metric)


def convert(document: Document, maps: Mapping[str, tuple[MapColumns, int]] | None) -> Converted:
    """Convert all metrics. `maps` are the object's that have entries, with the bytes of their keys; None: no object."""
    known = {name: columns for name, (columns, _) in maps.items()} if maps is not None else None
    work = _Work(known, {name: size for name, (_, size) in (maps or {}).items()})
    work.left_out += unknown_keys(document)
    for counter in document.metrics.counters:
        _counter(counter, work, _speaker(f"counter {counter.name!r}", work.left_out))
    for histogram in document.metrics.histograms:
        _histogram(histogram, work, _speaker(f"histogram {histogram.name!r}", work.left_out))
    work.left_out += _others(document)
    return Converted(tuple(work.metrics), tuple(work.left_out))


def _counter(counter: Counter, work: _Work, say: Say) -> None:
    if counter.perf_event_array:
        say("is left out: there are no perf event arrays here; count in a map, or send records through a ring buffer")
        return
    columns = work.columns(counter.name, say)
    if work.maps is not None and columns is None:
        return
    labels = _without_cpu(counter, work, say)
    made = _labels(labels, columns, work.key_sizes.get(counter.name), say)
    values: Sequence[Value | Counter] = counter.values or (counter,)
    for number, value in enumerate(values):
        source = _value(columns, number, several=len(counter.values) > 1, say=say)
        if made is not None and source is not None:
            work.add(
                MetricSpec(counter.name, PREFIX + value.name, "counter", source, _unit(value.name), value.help,
                           attributes=made),
                say,
            )  # fmt: skip


def _histogram(histogram: Histogram, work: _Work, say: Say) -> None:
    columns = work.columns(histogram.name, say)
    if work.maps is not None and columns is None:
        return
    *_, slot = place(histogram.labels, columns)
    if isinstance(slot, Misplaced) or not slot.number:
        say(f"is left out: {slot.cause if isinstance(slot, Misplaced) else 'its last label is no number'}")
        return
    found = buckets(histogram, slot.source)
    source = _value(columns, 0, several=False, say=say)
    made = _labels(histogram.labels, columns, work.key_sizes.get(histogram.name), say, but_last=True)
    if isinstance(found, str):
        say(f"is left out: {found}")
    elif source is not None and made is not None:
        work.add(
            MetricSpec(histogram.name, PREFIX + histogram.name, "histogram", source, _unit(histogram.name),
                       histogram.help, histogram.bucket_multiplier or 1.0, buckets=found, attributes=made),
            say,
        )  # fmt: skip


def _without_cpu(counter: Counter, work: _Work, say: Say) -> tuple[Label, ...]:
    """Return the labels of the key. A last one "cpu" is none of it: ebpf_exporter adds it to a per-CPU map's."""
    whole_key = work.key_sizes.get(counter.name) == total_size(counter.labels)
    if whole_key or not counter.labels or (counter.labels[-1].name, counter.labels[-1].size) != ("cpu", CPU_BYTES):
        return counter.labels
    say("label 'cpu' is left out: values of all CPUs are added up")
    return counter.labels[:-1]


def _labels(
    labels: Sequence[Label], columns: MapColumns | None, key_size: int | None, say: Say, *, but_last: bool = False
) -> tuple[AttributeSpec, ...] | None:
    if labels and key_size is not None and total_size(labels) != key_size:
        say(f"is left out: its labels have {total_size(labels)} bytes together, the map's key has {key_size}")
        return None
    found = place(labels, columns)
    return attributes(found[:-1] if but_last else found, say)


def _value(columns: MapColumns | None, number: int, *, several: bool, say: Say) -> str | None:
    """Return the field that is the n-th number of the value, "" if that is the only one, None if it cannot be told."""
    if columns is None:
        if several:
            say("is left out: only the object knows the fields of its value; give it with --object")
        return None if several else ""
    for path in columns.paths:
        leaf = columns.field(path)
        if path.split(".")[0] == "value" and leaf.offset == number * NUMBER_BYTES and _is_number(leaf):
            return path
    say(f"is left out: its value has no number at byte {number * NUMBER_BYTES}")
    return None


def _is_number(leaf: Field) -> bool:
    return leaf.kind in NUMBERS and not leaf.shape and not leaf.bits


def _unit(name: str) -> str:
    name = name.removesuffix("_total")
    return next((unit for suffix, unit in _UNITS if name.endswith(suffix)), "")


def _speaker(what: str, left_out: list[str]) -> Say:
    def say(sentence: str) -> None:
        left_out.append(f"{what}{' ' if sentence.startswith('is ') else ': '}{sentence}")

    return say


def _others(document: Document) -> list[str]:
    found = []
    if document.tracing:
        found.append("tracing is left out; a [[span]] of probe.toml is made of records that have a start and an end")
    if document.kaddrs:
        found.append("kaddrs is left out; no kernel memory is read here")
    if document.cgroup_id_map:
        found.append("cgroup_id_map is left out; nothing fills maps of cgroups here")
    return found
