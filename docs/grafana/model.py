"""What a dashboard is: its panels, and their queries in which "@" stands for the job and instance that were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "table", "bargauge", "heatmap"]
Queries = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its queries with their legends, in Grafana's units."""

    title: str
    unit: str
    queries: Queries
    kind: Kind = "timeseries"
    width: int = 12
    height: int = 8
    stacked: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. `metric` is one that whoever has the dashboard's metrics has: it finds jobs and instances."""

    name: str
    title: str
    description: str
    metric: str
    panels: tuple[Panel, ...]


def number(title: str, unit: str, query: str, description: str = "") -> Panel:
    """One number, now."""
    return Panel(title, unit, ((query, ""),), "stat", 6, 4, description=description)
