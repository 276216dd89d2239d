"""One metric over one map, from look to look: its entries become series, their values totals in the metric's unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporters.mapping.admission import Admission, Admitted
from exporters.mapping.delta import Deltas
from exporters.mapping.expiry import EVERY, Exits, Idle
from exporters.mapping.grouping import Grouping, Places
from exporters.mapping.machine import Machine
from exporters.mapping.series import (
    Attributes,
    ExponentialPoints,
    Floats,
    HistogramPoints,
    NumberPoints,
    Points,
    Row,
    Temporality,
    Times,
)
from exporters.mapping.totals import Cells, Counted, Mask, Parts, Totals, sum_by
from tracerd.signals import BucketSpec, MetricSpec
from tracerd.snapshot import Column, MapLayout, MapSnapshot, Processes
from tracerd.views.buckets import exponential_offset, upper_bounds


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What one look gave."""

    points: Points
    ended: tuple[Row, ...]       # series of the look before that are no more
    overflowed: int              # groups without a series of their own


def is_delta(spec: MetricSpec, temporality: Temporality) -> bool:
    """True if a metric tells what was counted since the look before. With "lowmemory" histograms do: their series are
    many numbers, and totals of a map are there anyway (OTLP exporter specification, temporality preference).
    """
    kinds = {"cumulative": (), "lowmemory": ("histogram",), "delta": ("counter", "histogram")}[temporality]
    return spec.kind in kinds


class Following:
    """Follows one metric. A map that was made anew (`since_ns` differs) begins anew."""

    def __init__(self, spec: MetricSpec, machine: Machine, temporality: Temporality, began_ns: int) -> None:
        """`began_ns` is since when series are told: deltas do not tell what a map had counted before."""
        self._spec = spec
        self._began_ns = began_ns
        self._grouping = Grouping(spec, machine)
        self._admission = Admission(spec.max_series, spec.constants)
        self._exits = Exits(spec.expire_pid) if spec.expire_pid else None
        self._idle = Idle(spec.expire_seconds) if spec.expire_seconds else None
        self._deltas = Deltas() if is_delta(spec, temporality) else None
        self._totals: Totals | None = None
        self._since_ns = 0
        self._has_sums = False
        self._bounds = upper_bounds(spec.buckets, spec.multiplier) if spec.buckets else ()
        self._shown = Attributes(())

    @property
    def shown(self) -> tuple[Row, ...]:
        """The series of the last look."""
        return self._shown.rows

    def look(self, snapshot: MapSnapshot, layout: MapLayout, processes: Processes) -> Looked:
        """Return the metric's points as the map has them now."""
        grouped = self._grouping.group(snapshot, layout, processes)
        dead = self._exits.dead(snapshot, layout, processes, grouped) if self._exits else frozenset()
        admitted = self._admission.admit(grouped, dead)
        counted = _counted(self._spec, snapshot, layout)
        parts, starts = self._values(snapshot, counted, admitted)
        attributes, fresh = admitted.attributes, EVERY
        if self._idle:
            attributes, fresh = self._idle.fresh(attributes, parts[0], snapshot.taken_ns)
        if self._deltas:
            if self._deltas.unused and snapshot.since_ns < self._began_ns:
                self._deltas.inherit(admitted.attributes, parts, starts, snapshot.taken_ns)
            parts, starts = self._deltas.look(admitted.attributes, parts, starts, snapshot.taken_ns)
        if self._spec.buckets and not self._has_sums:
            self._has_sums = _has_sums(self._spec.buckets, snapshot, layout)
        told = tuple(part[fresh] for part in parts[: 1 + self._has_sums])
        points = _points(self._spec, self._bounds, attributes, starts[fresh], told)
        ended = _ended(self._shown, points.attributes)
        self._shown = points.attributes
        return Looked(points, ended, admitted.overflowed)

    def _values(self, snapshot: MapSnapshot, counted: Counted, admitted: Admitted) -> tuple[Parts, Times]:
        """Return what the series have now, or have counted so far, and since when."""
        if self._spec.kind == "gauge":
            many = len(admitted.attributes)
            return (sum_by(counted.parts[0], admitted.places, many),), np.zeros(many, np.uint64)
        if self._totals is None or snapshot.since_ns != self._since_ns:
            self._since_ns = snapshot.since_ns
            self._totals = Totals(snapshot.since_ns or snapshot.taken_ns)
        return self._totals.look(counted, admitted, snapshot.taken_ns)


def _counted(spec: MetricSpec, snapshot: MapSnapshot, layout: MapLayout) -> Counted:
    values = layout.read(snapshot, spec.value, spec.merge)
    if spec.buckets is None:
        return Counted(snapshot.keys, (_wide(values)[:, None],))
    sums = (_wide(layout.read(snapshot, spec.buckets.sum, spec.merge))[:, None],) if spec.buckets.sum else ()
    if not spec.buckets.slot:
        return Counted(snapshot.keys, (values.astype(np.uint64), *sums))
    numbers = layout.read(snapshot, spec.buckets.slot, "first")
    if spec.buckets.sum_slot is not None:
        sums = (np.where(numbers == spec.buckets.sum_slot, values.astype(np.uint64), np.uint64(0))[:, None],)
    place, counts = _slots(spec.buckets, numbers)
    cells = np.where(counts, values.astype(np.uint64), np.uint64(0))
    return Counted(snapshot.keys, (cells[:, None], *sums), place, spec.buckets.slots)


def _slots(buckets: BucketSpec, numbers: Column) -> tuple[Places, Mask]:
    """Return the slot of each entry, and which entries are a slot's at all."""
    if not buckets.slot_values:
        place = np.minimum(numbers.astype(np.uint64), np.uint64(buckets.slots - 1)).astype(np.intp)
        return place, numbers != buckets.sum_slot if buckets.sum_slot is not None else np.ones(len(place), bool)
    values = np.array(buckets.slot_values)
    order = np.argsort(values)
    found = np.minimum(np.searchsorted(values, numbers, sorter=order), len(values) - 1)
    place = order[found]
    return place, values[place] == numbers


def _has_sums(buckets: BucketSpec, snapshot: MapSnapshot, layout: MapLayout) -> bool:
    """True if the sums of values are there: some programs that could write them as a slot of its own never do."""
    if buckets.sum_slot is None:
        return bool(buckets.sum)
    return bool((layout.read(snapshot, buckets.slot, "first") == buckets.sum_slot).any())


def _wide(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Cells:
    """Return numbers in the widest type of their kind, so that sums have room."""
    kind = values.dtype.kind
    return values.astype(np.float64 if kind == "f" else np.int64 if kind == "i" else np.uint64)


def _points(
    spec: MetricSpec, bounds: tuple[float, ...], attributes: Attributes, starts: Times, parts: Parts
) -> Points:
    if spec.buckets is None:
        values = parts[0][:, 0]
        return NumberPoints(attributes, starts, values if spec.multiplier == 1 else values * spec.multiplier)
    sums: Floats | None = (parts[1][:, 0] * spec.multiplier).astype(np.float64) if len(parts) > 1 else None
    counts = parts[0].astype(np.uint64)
    if spec.buckets.kind == "exponential":
        offset = exponential_offset(spec.buckets, spec.multiplier)
        return ExponentialPoints(attributes, starts, spec.buckets.scale, offset, counts, sums)
    if len(bounds) == counts.shape[1]:       # every slot has a bound: nothing is above
        counts = np.pad(counts, ((0, 0), (0, 1)))
    return HistogramPoints(attributes, starts, bounds, counts, sums)


def _ended(before: Attributes, now: Attributes) -> tuple[Row, ...]:
    if before is now:
        return ()
    there = set(now.rows)
    return tuple(row for row in before.rows if row not in there)
