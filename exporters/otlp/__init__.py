"""OTLP: metrics, logs and traces to a collector, over HTTP or gRPC (docs/otel.md).

Protocol buffers are built straight from columns (`encode_*`, over `wire`), since the SDK's instruments cannot forget a
key and its exporters take ten times as long; getting them there is `sender`, which follows OTLP's rules for retries.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exporters.otlp.exporter import OtlpExporter


def implied(environ: Mapping[str, str]) -> bool:
    """True if the environment says where a collector is: then no section is needed."""
    return any(
        environ.get(name) for name in environ
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("ENDPOINT")
    )


def make(section: dict[str, Any], where: str) -> OtlpExporter:
    """Make the exporter that a section and the OTEL_* variables configure; nothing is opened yet.

    Raises:
        ConfigError: the section or a variable says something unknown or impossible.
    """
    from exporters.otlp.exporter import OtlpExporter  # protobuf takes its time: only who exports imports it
    from exporters.otlp.settings import Section, resolve
    from tracerd.config.strict import validate

    return OtlpExporter(resolve(validate(Section, section, where), os.environ, where))
