"""What a collector's answers say: partial success, google.rpc.Status and google.rpc.RetryInfo.

The two google.rpc messages have three fields that matter here, so they are read by hand: no package that we need has
them. https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto and error_details.proto.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from exporters.otlp.outcome import Accepted
from exporters.otlp.request import Signal
from tracerd.text import printable

LONGEST_MESSAGE = 300
"""Characters of what a collector says that are told."""

#   signal      how its answer is read                     where it counts what was rejected
_ANSWERS: dict[Signal, tuple[Callable[[bytes], Any], str]] = {
    "metrics": (ExportMetricsServiceResponse.FromString, "rejected_data_points"),
    "logs": (ExportLogsServiceResponse.FromString, "rejected_log_records"),
    "traces": (ExportTraceServiceResponse.FromString, "rejected_spans"),
}

_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_STATUS_MESSAGE, _STATUS_DETAILS, _ANY_TYPE, _ANY_VALUE, _RETRY_DELAY = 2, 3, 1, 2, 1
_BYTES = 2                               # wire type of texts, bytes and messages


def accepted(signal: Signal, answer: bytes) -> Accepted:
    """Return what an answer of success says. One that cannot be read is still one of success."""
    read, rejected = _ANSWERS[signal]
    try:
        partial = read(answer).partial_success
    except DecodeError:
        return Accepted(0, "the collector's answer is not an OTLP message; is the endpoint one of OTLP?")
    return Accepted(max(getattr(partial, rejected), 0), told(partial.error_message))


def told(message: str) -> str:
    """Return a collector's words as a message of ours may have them: on one line, not too long, fit for a terminal."""
    words = " ".join(message.split())
    return printable(words if len(words) <= LONGEST_MESSAGE else f"{words[: LONGEST_MESSAGE - 1]}…")


def status_message(status: bytes) -> str:
    """Return the message of a google.rpc.Status, or "" if it is none."""
    try:
        found = [value for number, value in _fields(status) if number == _STATUS_MESSAGE]
        return told(found[-1].decode("utf-8")) if found else ""
    except ValueError:
        return ""


def retry_delay(status: bytes) -> float | None:
    """Return the seconds of the RetryInfo in a google.rpc.Status, or None if there is none."""
    try:
        for number, detail in _fields(status):
            inner = dict(_fields(detail)) if number == _STATUS_DETAILS else {}
            if inner.get(_ANY_TYPE) == _RETRY_INFO.encode():
                delay = Duration.FromString(dict(_fields(inner.get(_ANY_VALUE, b""))).get(_RETRY_DELAY, b""))
                return max(delay.seconds + delay.nanos / 1e9, 0.0)
    except (ValueError, DecodeError):
        return None
    return None


def page_text(body: bytes) -> str:
    """Return the words of an answer that is text or HTML: what a proxy or another server says."""
    return told(re.sub(r"<[^>]*>", " ", body.decode("utf-8", "replace")))


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the fields of a protobuf message that have a length; others are skipped. ValueError: it is none."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field is longer than its message")
            yield key >> 3, message[at : at + length]
            at += length
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("a wire type that is none")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a number that does not end")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number that is too long")
