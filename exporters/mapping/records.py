"""From a ring buffer's records to log records and spans, a batch at a time and by columns."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporters.mapping import fields
from exporters.mapping.attributes import readable
from exporters.mapping.machine import Machine
from exporters.mapping.rate import Bucket
from exporters.mapping.recorded import Columns, Ids, LogRecords, Spans
from tracerd.signals import LogSpec, RecordSpec, SpanSpec
from tracerd.snapshot import Bytes, Column, RecordBatch, RecordLayout

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """The records of a batch that one signal takes, and their attributes."""

    layout: RecordLayout
    rows: Bytes
    attributes: Columns

    def read(self, path: str) -> Column:
        return self.layout.read(self.rows, path)

    def ids(self, path: str, size: int) -> Ids | None:
        return fields.ids(self.layout, self.rows, path, size) if path else None


class _Batch:
    """A batch's records as rows of each type, and which of them some signal has taken."""

    def __init__(self, batch: RecordBatch) -> None:
        self._rows = {name: fields.joined(batch.records, layout.size) for name, layout in batch.layouts.items()}
        self._layouts = batch.layouts
        self.taken = np.zeros(len(batch.records), bool)
        self.short = np.zeros(len(batch.records), bool)

    def select(self, spec: RecordSpec) -> Bytes:
        """Return the rows that a signal wants."""
        rows, fits = self._rows[spec.type]
        wanted = fits
        for path, value in spec.where:
            wanted = wanted & (self._layouts[spec.type].read(rows, path) == value)
        self.taken |= wanted
        self.short |= ~fits
        return rows[wanted]


class RecordMapper:
    """Makes log records and spans for one exporter. Not thread-safe. `counted` says what became of records:
    "records" came, "records_short" were shorter than a type they were to be, "records_unmatched" is no signal's,
    "records_filtered" did not match an attribute's pattern, "records_limited" were over a rate limit.
    """

    def __init__(self, machine: Machine | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.counted: Counter[str] = Counter()
        self._machine = machine or Machine()
        self._clock = clock
        self._buckets: dict[tuple[str, RecordSpec], Bucket] = {}

    def map(self, batch: RecordBatch) -> tuple[list[LogRecords], list[Spans]]:
        """Return what a batch's records are; kinds without any are left out."""
        rows = _Batch(batch)
        logs = [self._log(batch, spec, rows) for spec in batch.signals.logs if spec.record.ringbuf == batch.ring]
        spans = [self._span(batch, spec, rows) for spec in batch.signals.spans if spec.record.ringbuf == batch.ring]
        self.counted["records"] += len(batch.records)
        self.counted["records_short"] += int((rows.short & ~rows.taken).sum())
        self.counted["records_unmatched"] += int((~rows.short & ~rows.taken).sum())
        return [each for each in logs if len(each)], [each for each in spans if len(each)]

    def _log(self, batch: RecordBatch, spec: LogSpec, rows: _Batch) -> LogRecords:
        chosen = self._choose(batch, spec.record, rows)
        many = len(chosen.rows)
        now = np.full(many, batch.taken_ns, np.uint64)
        return LogRecords(
            batch.probe,
            spec.event_name,
            batch.taken_ns,
            fields.unix_times(chosen.read(spec.time), batch.clock_offset_ns) if spec.time else now,
            fields.severities(chosen.read(spec.severity_from)) if spec.severity_from else [spec.severity] * many,
            fields.texts(spec.body, chosen.read, many) if spec.body else None,
            chosen.attributes,
            spec.record.constants,
            chosen.ids(spec.record.trace_id, 16),
            chosen.ids(spec.record.span_id, 8),
        )

    def _span(self, batch: RecordBatch, spec: SpanSpec, rows: _Batch) -> Spans:
        chosen = self._choose(batch, spec.record, rows)
        many = len(chosen.rows)
        begun = chosen.read(spec.start).astype(np.int64)
        over = chosen.read(spec.end) if spec.end else begun + chosen.read(spec.duration).astype(np.int64)
        starts = fields.unix_times(begun, batch.clock_offset_ns)
        ends = fields.unix_times(over, batch.clock_offset_ns)
        return Spans(
            batch.probe,
            spec.kind,
            fields.texts(spec.name, chosen.read, many),
            starts,
            np.maximum(starts, ends),
            _given(chosen.ids(spec.record.trace_id, 16), many, 16),
            _given(chosen.ids(spec.record.span_id, 8), many, 8),
            chosen.ids(spec.parent_span_id, 8),
            (chosen.read(spec.error) != 0).tolist() if spec.error else None,
            chosen.attributes,
            spec.record.constants,
        )

    def _choose(self, batch: RecordBatch, spec: RecordSpec, rows: _Batch) -> _Chosen:
        wanted = rows.select(spec)
        if any(each.match for each in spec.attributes):
            _, stays = self._attributes(batch, spec, wanted)
            self.counted["records_filtered"] += int((~stays).sum())
            wanted = wanted[stays]
        wanted = wanted[: self._allowed(batch, spec, len(wanted))]
        attributes, _ = self._attributes(batch, spec, wanted)
        return _Chosen(batch.layouts[spec.type], wanted, attributes)

    def _allowed(self, batch: RecordBatch, spec: RecordSpec, many: int) -> int:
        if not spec.rate_limit:
            return many
        bucket = self._buckets.setdefault((batch.probe, spec), Bucket(spec.rate_limit, self._clock))
        allowed = bucket.take(many)
        self.counted["records_limited"] += many - allowed
        return allowed

    def _attributes(self, batch: RecordBatch, spec: RecordSpec, rows: Bytes) -> tuple[Columns, Mask]:
        """Return the attributes of records, and which of these have what they must match."""
        made, stays = [], np.ones(len(rows), bool)
        for each in spec.attributes:
            column = batch.layouts[spec.type].read(rows, each.source)
            text, mask = readable(column, each, self._machine, batch.processes)
            made.append((each.name, text.tolist()))
            if mask is not None:
                stays = stays & mask
        return tuple(made), stays


def _given(ids: Ids | None, many: int, size: int) -> Ids:
    """Return ids, random ones where the program gave none."""
    fresh = fields.random_ids(many, size)
    return [given or made for given, made in zip(ids, fresh, strict=True)] if ids is not None else fresh
