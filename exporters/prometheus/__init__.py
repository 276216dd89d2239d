"""Prometheus: metrics at an HTTP address, in the text format 0.0.4 or OpenMetrics 1.0 (docs/exporters.md).

Series are found by `exporters.mapping`; here their names are translated, their text is made, and scrapes are answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracerd.config.strict import validate

if TYPE_CHECKING:
    from exporters.prometheus.server import Prometheus


def make(section: dict[str, Any], where: str) -> Prometheus:
    """Make the exporter that a section configures; nothing is opened yet.

    Raises:
        ConfigError: the section says something unknown or impossible.
    """
    from exporters.prometheus.server import Prometheus
    from exporters.prometheus.settings import Section

    return Prometheus(validate(Section, section, where))
