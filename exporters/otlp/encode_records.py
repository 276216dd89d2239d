"""From log records and spans to OTLP requests (logs.proto, trace.proto): every distinct value is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np

from exporters.mapping.recorded import Columns, LogRecords, Spans
from exporters.otlp.encode_metrics import MOST_BYTES
from exporters.otlp.request import Request, Signal
from exporters.otlp.scope import scope
from exporters.otlp.wire import any_value, block, blocks, key_value, rows, tag, varint
from tracerd.signals import Constants, Scalar

_SEVERITY_TEXTS = ("", *(f"{name}{digit}" for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
                         for digit in ("", "2", "3", "4")))  # fmt: skip
"""Logs data model, "Displaying Severity"."""

Value = TypeVar("Value")

_SAMPLED = b"\x01\0\0\0"
_ERROR = block(15, b"\x18\x02")      # Span.status: STATUS_CODE_ERROR


def encode_logs(resource: bytes, many: Sequence[LogRecords], most: int = MOST_BYTES) -> list[Request]:
    """Return requests with all log records. `resource` is a Resource message."""
    return _requests("logs", resource, _by_probe((each.probe, _log_records(each)) for each in many), most)


def encode_spans(resource: bytes, many: Sequence[Spans], most: int = MOST_BYTES) -> list[Request]:
    """Return requests with all spans."""
    return _requests("traces", resource, _by_probe((each.probe, _spans(each)) for each in many), most)


def _by_probe(kinds: Iterable[tuple[str, list[bytes]]]) -> Iterable[tuple[str, list[bytes]]]:
    """Put all kinds of a probe together: one scope, one request."""
    found: dict[str, list[bytes]] = {}
    for probe, records in kinds:
        found.setdefault(probe, []).extend(records)
    return found.items()


def _requests(signal: Signal, resource: bytes, kinds: Iterable[tuple[str, list[bytes]]], most: int) -> list[Request]:
    """Return requests of about `most` bytes; each holds records of one scope."""
    requests = []
    for probe, records in kinds:
        sizes = list(accumulate(map(len, records)))
        begin, before = 0, 0
        for end, size in enumerate(sizes, 1):
            if size - before >= most or end == len(sizes):
                body = block(1, block(1, resource) + block(2, scope(probe) + b"".join(records[begin:end])))
                requests.append(Request(signal, body, end - begin))
                begin, before = end, size
    return requests


def _log_records(logs: LogRecords) -> list[bytes]:
    many = len(logs)
    observed = b"\x59" + logs.observed_ns.to_bytes(8, "little")
    said = block(12, logs.event_name.encode()) + _pairs(logs.constants, 6)
    parts = [rows(many, b"\x09", logs.times, observed, said), _each(logs.severities, _severity)]
    if logs.bodies is not None:
        parts.append(_each(logs.bodies, lambda text: block(5, any_value(text))))
    parts += _attributes(logs.attributes, 6)
    if logs.trace_ids is not None:
        parts.append(_each(logs.trace_ids, lambda found: block(9, found) + b"\x45" + _SAMPLED if found else b""))
        if logs.span_ids is not None:
            parts.append(_each(logs.span_ids, lambda found: block(10, found) if found else b""))
    return blocks(2, map(b"".join, zip(*parts, strict=True)))


def _spans(spans: Spans) -> list[bytes]:
    many = len(spans)
    said = b"\x30" + varint(spans.kind) + _pairs(spans.constants, 9)
    ids = np.frombuffer(b"".join(spans.trace_ids), np.uint8), np.frombuffer(b"".join(spans.span_ids), np.uint8)
    fixed = rows(
        many, b"\x0a\x10", ids[0].reshape(many, 16), b"\x12\x08", ids[1].reshape(many, 8),
        b"\x39", spans.starts, b"\x41", spans.ends, said,
    )  # fmt: skip
    parts = [fixed, _each(spans.names, lambda name: block(5, name.encode("utf-8", "replace")))]
    parts += _attributes(spans.attributes, 9)
    if spans.parents is not None:
        parts.append([block(4, found) if found else b"" for found in spans.parents])
    if spans.failed is not None:
        parts.append([_ERROR if failed else b"" for failed in spans.failed])
    return blocks(2, map(b"".join, zip(*parts, strict=True)))


def _severity(number: int) -> bytes:
    return tag(2, 0) + varint(number) + block(3, _SEVERITY_TEXTS[number].encode()) if number else b""


def _pairs(constants: Constants, field: int) -> bytes:
    return b"".join(block(field, key_value(name, value)) for name, value in constants)


def _attributes(columns: Columns, field: int) -> list[list[bytes]]:
    return [_column(name, values, field) for name, values in columns]


def _column(name: str, values: list[Scalar], field: int) -> list[bytes]:
    return _each(values, lambda value: block(field, key_value(name, value)))


def _each(values: Sequence[Value], encode: Callable[[Value], bytes]) -> list[bytes]:
    """Return what each value encodes to, made once for equal values (a column's values are of one type)."""
    made = {value: encode(value) for value in set(values)}
    return [made[value] for value in values]
