"""Spans of the exporter's own work, through the SDK: how long a moment takes until it is on its way.

Off unless asked for (`own_spans`): who looks for a slow export wants them, nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode

from exporters.mapping.recorded import Spans

MOST_KEPT = 64
"""Spans that wait for an export that succeeds."""


class _Kept(SpanProcessor):
    """Keeps spans that have ended until they are taken."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended = [*self.ended[-MOST_KEPT:], span]


class OwnSpans:
    """Spans of one exporter. Not thread-safe."""

    def __init__(self) -> None:
        self._kept = _Kept()
        provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
        provider.add_span_processor(self._kept)
        self._tracer = provider.get_tracer("tracerd")

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Time a piece of work; pieces inside are its children, an error makes it failed."""
        with self._tracer.start_as_current_span(name):
            yield

    def take(self) -> list[Spans]:
        """Return the spans that have ended since the last call, as columns; none if there are none."""
        ended, self._kept.ended = self._kept.ended, []
        return [_columns(ended)] if ended else []


def _columns(spans: list[ReadableSpan]) -> Spans:
    contexts = [span.context for span in spans]
    parents = [span.parent.span_id.to_bytes(8, "big") if span.parent else b"" for span in spans]
    return Spans(
        probe="",
        kind=1,
        names=[span.name for span in spans],
        starts=np.array([span.start_time or 0 for span in spans], np.uint64),
        ends=np.array([span.end_time or 0 for span in spans], np.uint64),
        trace_ids=[each.trace_id.to_bytes(16, "big") if each else bytes(16) for each in contexts],
        span_ids=[each.span_id.to_bytes(8, "big") if each else bytes(8) for each in contexts],
        parents=parents,
        failed=[span.status.status_code is StatusCode.ERROR for span in spans],
        attributes=(),
        constants=(),
    )
