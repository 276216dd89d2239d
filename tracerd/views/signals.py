"""See that what a probe exports is in its object: find the fields out, refuse what cannot be. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, log2
from typing import Protocol

from tracerd.btf.layout import Field, Kind
from tracerd.btf.types import Btf
from tracerd.elf.spec import MapSpec
from tracerd.errors import ConfigError
from tracerd.signals import (
    MACHINE_DECODERS,
    AttributeSpec,
    BucketSpec,
    LogSpec,
    MetricSpec,
    RecordSpec,
    Signals,
    SpanSpec,
)
from tracerd.views.buckets import upper_bounds
from tracerd.views.columns import MapColumns, RecordColumns
from tracerd.views.decoders import DECODERS
from tracerd.views.table import ENUM
from tracerd.views.values import named_type

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
"""A field in a text: "read of {bytes} bytes"."""

MOST_CELLS = 16_000_000
"""Slots of all series of one histogram: each is a number that is copied at every look."""

_NUMBERS = (Kind.INT, Kind.BOOL, Kind.CHAR, Kind.ENUM, Kind.FLOAT, Kind.POINTER)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Signals whose fields are whole paths, and how to read them. `records` is by ring buffer and type."""

    signals: Signals
    maps: Mapping[str, MapColumns]
    records: Mapping[str, Mapping[str, RecordColumns]]


class _Columns(Protocol):
    @property
    def paths(self) -> tuple[str, ...]: ...

    def field(self, path: str) -> Field: ...


def resolve(signals: Signals, maps: Sequence[MapSpec], rings: Iterable[str], btf: Btf | None) -> Resolved:
    """Check signals against an object's maps. `rings` are those that are ring buffers.

    Raises:
        ConfigError: a map, ring buffer, type, field or decoder does not exist, or a field is not what is needed.
    """
    ring_names = frozenset(rings)
    keyed = {spec.name: MapColumns(spec, btf) for spec in maps if spec.name not in ring_names}
    records = _Records({spec.name: spec for spec in maps if spec.name in ring_names}, btf)
    _same_names_agree(signals.metrics)
    resolved = Signals(
        tuple(_metric(each, keyed) for each in signals.metrics),
        tuple(_log(each, records) for each in signals.logs),
        tuple(_span(each, records) for each in signals.spans),
    )
    used = {each.map for each in signals.metrics}
    return Resolved(resolved, {name: each for name, each in keyed.items() if name in used}, records.found)


class _Records:
    """The record types of an object's ring buffers, as they are asked for."""

    def __init__(self, rings: Mapping[str, MapSpec], btf: Btf | None) -> None:
        self._rings = rings
        self._btf = btf
        self.found: dict[str, dict[str, RecordColumns]] = {}

    def of(self, where: str, record: RecordSpec) -> RecordColumns:
        """Return the columns of a ring buffer's records."""
        spec = self._rings.get(record.ringbuf)
        if spec is None:
            raise ConfigError(where, f"no ring buffer {record.ringbuf!r}; the object has: {_listed(self._rings)}")
        types = self.found.setdefault(record.ringbuf, {})
        if record.type not in types:
            types[record.type] = self._columns(where, record, spec)
        return types[record.type]

    def _columns(self, where: str, record: RecordSpec, spec: MapSpec) -> RecordColumns:
        type_id = named_type(self._btf, record.type) if record.type else spec.value_type
        if self._btf is None or not type_id:
            missing = f"the object's BTF has no type {record.type!r}" if record.type else "say the records' type"
            raise ConfigError(where, f"{missing}: type = \"STRUCT\", of a struct that the program uses")
        return RecordColumns(self._btf, type_id)


class _Finder:
    """Finds fields of one map or record type, for one signal."""

    def __init__(self, where: str, what: str, columns: _Columns, halves: tuple[str, ...]) -> None:
        self.where = where
        self._what = what
        self._columns = columns
        self._halves = halves

    def path(self, name: str) -> str:
        """Return the whole path of a field."""
        paths = self._columns.paths
        if name in paths:
            return name
        found = [f"{half}.{name}" for half in self._halves if f"{half}.{name}" in paths]
        if len(found) == 1:
            return found[0]
        said = f"is ambiguous: {' or '.join(found)}" if found else f"{self._what} has only {', '.join(paths)}"
        raise ConfigError(f"{self.where}: {name!r}", said)

    def number(self, name: str) -> str:
        """Return the path of a field that is one number."""
        return self._of_kind(name, "is no number", _is_number)

    def slots(self, name: str) -> str:
        """Return the path of a field that is an array of numbers."""
        return self._of_kind(name, "is no array of numbers", _is_row)

    def optional(self, name: str) -> str:
        """Return the path of a number, or "" for none."""
        return self.number(name) if name else ""

    def identity(self, name: str, most: int) -> str:
        """Return the path of a field with at most so many bytes, or "" for none."""
        if not name:
            return ""
        return self._of_kind(name, f"is no id: it has more than {most} bytes", lambda leaf: _span_bytes(leaf) <= most)

    def value(self, name: str) -> str:
        """Return the path of a metric's value: what is named, or the only one there is."""
        if name:
            return self.path(name)
        values = [path for path in self._columns.paths if path.split(".")[0] == "value"]
        if len(values) == 1:
            return values[0]
        raise ConfigError(f"{self.where}: value", f"is missing, and {self._what} has several: {', '.join(values)}")

    def attribute(self, spec: AttributeSpec) -> AttributeSpec:
        """Return an attribute with its whole path."""
        source = self.path(spec.source)
        if spec.decode == (ENUM,):
            return _enumerated(replace(spec, source=source), self._columns.field(source), self.where)
        for decoder in spec.decode:
            if decoder not in DECODERS and decoder not in MACHINE_DECODERS:
                valid = ", ".join((*DECODERS, *MACHINE_DECODERS, ENUM))
                raise ConfigError(f"{self.where}: {spec.name}: decode = {decoder!r}", f"unknown; valid: {valid}")
        return replace(spec, source=source)

    def text(self, text: str) -> str:
        """Return a text whose fields are whole paths."""
        return PLACEHOLDER.sub(lambda found: f"{{{self.path(found[1])}}}", text)

    def _of_kind(self, name: str, wrong: str, right: Callable[[Field], bool]) -> str:
        path = self.path(name)
        if not right(self._columns.field(path)):
            raise ConfigError(f"{self.where}: {name!r}", wrong)
        return path


def _enumerated(spec: AttributeSpec, field: Field, where: str) -> AttributeSpec:
    """Return an attribute that has the enumerators' names as its values, or what it makes of those names."""
    if field.kind is not Kind.ENUM:
        raise ConfigError(f"{where}: {spec.name}: decode = {ENUM!r}", f"{spec.source} is no enumeration in C")
    names = {str(code): name for name, code in reversed(field.values)}
    said = dict(spec.values)
    named = {code: said.get(name, name) for code, name in names.items()}
    return replace(spec, decode=(), values=tuple(named.items()), allow_unknown=True)


def _same_names_agree(metrics: Sequence[MetricSpec]) -> None:
    """Several entries may make one metric (with other constants, say), and then it is one metric."""
    first: dict[str, MetricSpec] = {}
    for each in metrics:
        one = first.setdefault(each.name, each)
        for key in ("kind", "unit", "description"):
            if getattr(one, key) != getattr(each, key):
                raise ConfigError(f"metric {each.name!r}: {key}", "is not the same in all entries of that name")
    told = [(each.name, repr(each.constants), tuple(one.name for one in each.attributes)) for each in metrics]
    twice = next((each for each in told if told.count(each) > 1), None)
    if twice is not None:
        raise ConfigError(f"metric {twice[0]!r}", "is there twice: give each entry constants that tell them apart")


def _metric(spec: MetricSpec, keyed: Mapping[str, MapColumns]) -> MetricSpec:
    where = f"metric {spec.name!r}"
    if spec.map not in keyed:
        raise ConfigError(where, f"no map {spec.map!r} with entries; the object has: {_listed(keyed)}")
    find = _Finder(where, f"map {spec.map!r}", keyed[spec.map], ("key", "value"))
    value = find.value(spec.value)
    leaf = keyed[spec.map].field(value)
    if spec.buckets and spec.max_series * (spec.buckets.slots if spec.buckets.slot else leaf.length) > MOST_CELLS:
        raise ConfigError(f"{where}: max_series", f"times its slots is more than {MOST_CELLS:,}: lower it")
    whole_array = spec.buckets is not None and not spec.buckets.slot
    return replace(
        spec,
        value=find.slots(value) if whole_array else find.number(value),
        attributes=_attributes(find, spec.attributes, spec.constants),
        buckets=_buckets(find, spec.buckets, leaf, spec.multiplier) if spec.buckets else None,
        expire_pid=find.optional(spec.expire_pid),
    )


def _buckets(find: _Finder, spec: BucketSpec, leaf: Field, multiplier: float) -> BucketSpec:
    slots = spec.slots if spec.slot else leaf.length
    if spec.kind == "explicit" and len(spec.bounds) not in (slots - 1, slots):
        need = f"{slots} slots need {slots - 1} bounds, and the last slot counts what is above; or {slots}"
        raise ConfigError(f"{find.where}: bounds", f"has {len(spec.bounds)}: {need}, and nothing is above")
    if spec.kind == "exponential" and multiplier != 1 and (spec.scale < 0 or not log2(multiplier).is_integer()):
        raise ConfigError(f"{find.where}: multiplier", "of exponential buckets must be a power of two, with scale >= 0")
    found = replace(spec, slot=find.optional(spec.slot), sum=find.optional(spec.sum), slots=slots)
    bounds = (-inf, *upper_bounds(found, multiplier), inf)
    if not all(low < high for low, high in itertools.pairwise(bounds)):
        raise ConfigError(f"{find.where}: buckets", "have bounds that are no numbers, or not each larger than the last")
    return found


def _log(spec: LogSpec, records: _Records) -> LogSpec:
    where = f"log {spec.event_name!r}"
    find = _Finder(where, f"a record of {spec.record.ringbuf!r}", records.of(where, spec.record), ())
    return replace(
        spec,
        record=_record(find, spec.record),
        severity_from=find.optional(spec.severity_from),
        body=find.text(spec.body),
        time=find.optional(spec.time),
    )


def _span(spec: SpanSpec, records: _Records) -> SpanSpec:
    where = f"span {spec.name!r}"
    find = _Finder(where, f"a record of {spec.record.ringbuf!r}", records.of(where, spec.record), ())
    return replace(
        spec,
        record=_record(find, spec.record),
        name=find.text(spec.name),
        start=find.number(spec.start),
        end=find.optional(spec.end),
        duration=find.optional(spec.duration),
        parent_span_id=find.identity(spec.parent_span_id, 8),
        error=find.optional(spec.error),
    )


def _record(find: _Finder, spec: RecordSpec) -> RecordSpec:
    return replace(
        spec,
        where=tuple((find.number(name), value) for name, value in spec.where),
        attributes=_attributes(find, spec.attributes, spec.constants),
        trace_id=find.identity(spec.trace_id, 16),
        span_id=find.identity(spec.span_id, 8),
    )


def _attributes(
    find: _Finder, specs: tuple[AttributeSpec, ...], constants: tuple[tuple[str, object], ...]
) -> tuple[AttributeSpec, ...]:
    found = tuple(find.attribute(each) for each in specs)
    names = [*(each.name for each in found), *(name for name, _ in constants)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{find.where}: attribute {twice!r}", "is there twice")
    return found


def _is_number(leaf: Field) -> bool:
    return leaf.kind in _NUMBERS and not leaf.shape


def _is_row(leaf: Field) -> bool:
    return leaf.kind in _NUMBERS and len(leaf.shape) == 1


def _span_bytes(leaf: Field) -> int:
    return leaf.end - leaf.offset


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
