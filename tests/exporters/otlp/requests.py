"""Messages with a number in them that can be read again."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporters.otlp.request import Signal

_MESSAGES: dict[Signal, tuple[Any, str]] = {
    "metrics": (ExportMetricsServiceRequest, "resource_metrics"),
    "logs": (ExportLogsServiceRequest, "resource_logs"),
    "traces": (ExportTraceServiceRequest, "resource_spans"),
}


def body(signal: Signal, number: int) -> bytes:
    """One resource whose schema is the number."""
    message, field = _MESSAGES[signal]
    made = message()
    getattr(made, field).add().schema_url = str(number)
    return bytes(made.SerializeToString())


def number(signal: Signal, data: bytes) -> int:
    """The number in a message."""
    message, field = _MESSAGES[signal]
    return int(getattr(message.FromString(data), field)[0].schema_url)
