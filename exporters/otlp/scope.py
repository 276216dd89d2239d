"""The instrumentation scope of what a probe collected: one for each probe, named after it."""

from __future__ import annotations

from functools import cache

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

from exporters.mapping.series import scope_name
from exporters.otlp.wire import block
from tracerd import __version__


@cache
def scope(probe: str) -> bytes:
    """Return the `scope` field of ScopeMetrics, ScopeLogs and ScopeSpans."""
    return block(1, InstrumentationScope(name=scope_name(probe), version=__version__).SerializeToString())
