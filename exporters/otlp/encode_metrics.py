"""From the metrics of all probes to OTLP requests (metrics.proto): columns to bytes, series to kept attributes.

A request stays below what a collector takes by default (gRPC: 4 MiB); larger ones are cut between points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

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
from exporters.otlp.request import Request
from exporters.otlp.scope import scope
from exporters.otlp.wire import FIXED64, block, blocks, key_value, rows, tag, varint
from tracerd.signals import Scalar

MOST_BYTES = 3 << 20

_CUMULATIVE, _DELTA = pb.AGGREGATION_TEMPORALITY_CUMULATIVE, pb.AGGREGATION_TEMPORALITY_DELTA
_NO_VALUE = pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_FIELD_OF_KIND = {"gauge": 5, "counter": 7, "histogram": 9}
_EXPONENTIAL = 10
_INTEGER, _DOUBLE = tag(6, FIXED64), tag(4, FIXED64)        # of NumberDataPoint
_ATTRIBUTES = {5: 7, 7: 7, 9: 9, 10: 1}                     # field of the points' attributes, by that of the metric


@dataclass(frozen=True, slots=True)
class _Piece:
    """The points of one metric, encoded, and what is said of all of them."""

    head: bytes                  # name, description, unit
    field: int                   # of Metric: gauge, sum, histogram, exponential_histogram
    tail: bytes                  # temporality, monotonic
    points: list[bytes]

    def metric(self, points: list[bytes]) -> bytes:
        """Return a Metric with some of the points, as a field of ScopeMetrics."""
        return block(2, self.head + block(self.field, b"".join(points) + self.tail))


class MetricsEncoder:
    """Encodes for one exporter; keeps the encoded attributes of series that are there again."""

    def __init__(self, resource: bytes, most_bytes: int = MOST_BYTES) -> None:
        """`resource` is a Resource message (resource.proto)."""
        self._resource = block(1, resource)
        self._most = most_bytes
        self._kept: dict[tuple[Attributes, int], list[bytes]] = {}
        self._before: dict[tuple[Attributes, int], list[bytes]] = {}

    def encode(self, probes: list[ProbeMetrics]) -> list[Request]:
        """Return requests with all points; none if there are none."""
        self._before, self._kept = self._kept, {}
        requests: list[Request] = []
        body, items, size = b"", 0, 0
        for probe in probes:
            head = scope(probe.probe)
            for metrics, many in self._cut(probe):
                one = block(2, head + metrics)
                if size and size + len(one) > self._most:
                    requests.append(self._request(body, items))
                    body, items, size = b"", 0, 0
                body, items, size = body + one, items + many, size + len(one)
        self._before = {}
        return [*requests, self._request(body, items)] if items else requests

    def _request(self, scopes: bytes, items: int) -> Request:
        return Request("metrics", block(1, self._resource + scopes), items)

    def _cut(self, probe: ProbeMetrics) -> Iterator[tuple[bytes, int]]:
        """Yield a probe's Metric messages, together no larger than a request, and how many points they have."""
        made: list[bytes] = []
        items = size = 0
        for metric in probe.metrics:
            for piece in self._pieces(metric, probe.taken_ns):
                for points in _portions(piece.points, self._most):
                    one = piece.metric(points)
                    if size and size + len(one) > self._most:
                        yield b"".join(made), items
                        made, items, size = [], 0, 0
                    made.append(one)
                    items, size = items + len(points), size + len(one)
        if items:
            yield b"".join(made), items

    def _pieces(self, metric: Metric, taken_ns: int) -> Iterator[_Piece]:
        """Yield the points of a metric; those with exponential buckets are another message than those with bounds."""
        head = pb.Metric(name=metric.name, description=metric.description, unit=metric.unit).SerializeToString()
        temporality = b"\x10" + varint(_DELTA if metric.delta else _CUMULATIVE)
        tail = {"gauge": b"", "counter": temporality + b"\x18\x01", "histogram": temporality}[metric.kind]
        by_field: dict[int, list[bytes]] = {}
        for part in metric.parts:
            field = _EXPONENTIAL if isinstance(part, ExponentialPoints) else _FIELD_OF_KIND[metric.kind]
            by_field.setdefault(field, []).extend(self._points(part, field, taken_ns, gauge=metric.kind == "gauge"))
        if metric.ended:
            field = _EXPONENTIAL if metric.exponential else _FIELD_OF_KIND[metric.kind]
            by_field.setdefault(field, []).extend(_ended(metric.ended, field, taken_ns))
        for field, points in by_field.items():
            yield _Piece(head, field, tail, points)

    def _points(self, part: Points, field: int, taken_ns: int, *, gauge: bool) -> list[bytes]:
        many = len(part.attributes)
        times = b"\x19" + taken_ns.to_bytes(8, "little")
        started: tuple[bytes | np.ndarray, ...] = () if gauge else (b"\x11", part.starts)
        if isinstance(part, NumberPoints):
            fixed = rows(many, *started, times, *_number(part))
        elif isinstance(part, HistogramPoints):
            fixed = rows(many, *started, times, *_histogram(part))
        else:
            fixed = [a + b for a, b in zip(rows(many, *started, times), _exponential(part), strict=True)]
        attributes = self._attributes(part.attributes, _ATTRIBUTES[field])
        return blocks(1, map(bytes.__add__, fixed, attributes))

    def _attributes(self, attributes: Attributes, field: int) -> list[bytes]:
        key = (attributes, field)
        made = self._before.get(key) or _encoded(attributes.rows, field)
        self._kept[key] = made
        return made


def _encoded(attribute_rows: tuple[Row, ...], field: int) -> list[bytes]:
    """Return the attributes of each series, every distinct pair encoded once."""
    known: dict[tuple[str, Scalar, type], bytes] = {}

    def one(name: str, value: Scalar) -> bytes:
        key = (name, value, type(value))         # 1, 1.0 and True are equal, and told differently
        found = known.get(key)
        if found is None:
            found = known[key] = block(field, key_value(name, value))
        return found

    return [b"".join([one(name, value) for name, value in row]) for row in attribute_rows]


def _number(part: NumberPoints) -> tuple[np.ndarray, ...]:
    """Return tags and values: whole numbers as such, but for those that no int64 holds."""
    values = part.values
    many = len(values)
    if values.dtype.kind == "f":
        return np.full((many, 1), _DOUBLE[0], np.uint8), values.astype(np.float64)
    if values.dtype.kind == "u" and many and values.max() >= 1 << 63:
        large = values >= np.uint64(1 << 63)
        tags = np.where(large, _DOUBLE[0], _INTEGER[0]).astype(np.uint8)
        return tags[:, None], np.where(large, values.astype(np.float64).view(np.uint64), values)
    return np.full((many, 1), _INTEGER[0], np.uint8), values.astype(np.int64)


def _histogram(part: HistogramPoints) -> tuple[bytes | np.ndarray, ...]:
    """Return count, sum, buckets and bounds (HistogramDataPoint 4, 5, 6, 7)."""
    counts, bounds = part.counts, np.array(part.bounds, np.float64).tobytes()
    total = counts.sum(axis=1, dtype=np.uint64)
    sums: tuple[bytes | np.ndarray, ...] = (b"\x29", part.sums) if part.sums is not None else ()
    packed = tag(6, 2) + varint(8 * counts.shape[1])
    return b"\x21", total, *sums, packed, counts, block(7, bounds)


def _exponential(part: ExponentialPoints) -> list[bytes]:
    """Return count, sum, scale and the positive buckets (ExponentialHistogramDataPoint 4, 5, 6, 8)."""
    total = part.counts.sum(axis=1, dtype=np.uint64)
    sums: tuple[bytes | np.ndarray, ...] = (b"\x29", part.sums) if part.sums is not None else ()
    fixed = rows(len(total), b"\x21", total, *sums, b"\x30" + varint(_zigzag(part.scale)))
    offset = b"\x08" + varint(_zigzag(part.offset))
    made = []
    for head, counts in zip(fixed, part.counts.tolist(), strict=True):
        made.append(head + block(8, offset + block(2, b"".join(map(varint, counts)))))
    return made


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _ended(ended: tuple[Row, ...], field: int, taken_ns: int) -> list[bytes]:
    """Return points that say that there is no value any more (data point flags), so that nobody waits for one."""
    flags = {5: 8, 7: 8, 9: 10, 10: 10}[field]
    said = b"\x19" + taken_ns.to_bytes(8, "little") + tag(flags, 0) + varint(_NO_VALUE)
    return blocks(1, [said + each for each in _encoded(ended, _ATTRIBUTES[field])])


def _portions(points: list[bytes], most: int) -> Iterator[list[bytes]]:
    """Yield the points in portions of at most so many bytes, but at least one point each."""
    begin, before = 0, 0
    for place, size in enumerate(accumulate(map(len, points))):
        if size - before > most and place > begin:
            yield points[begin:place]
            begin, before = place, size - len(points[place])
    if begin < len(points):
        yield points[begin:]
