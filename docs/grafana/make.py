"""Write the Grafana dashboards beside this script: one for each shipped probe, one for tracerd itself.

    python docs/grafana/make.py [FOLDER]

What is on them is in `panels.py` and `windows*.py`; here it becomes JSON. The same panels give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from model import Dashboard, Panel
from panels import DASHBOARDS

SCHEMA_VERSION = 41                  # Grafana 12; later ones migrate it when they load it
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'job=~"$job",instance=~"$instance"'

Json = dict[str, Any]


def expression(query: str) -> str:
    """Return a query with "@" replaced by who was chosen."""
    return query.replace("@", CHOSEN)


def target(panel: Panel, number: int, query: str, legend: str) -> Json:
    """Return one query of a panel. Tables and single numbers want the last moment, all else its range."""
    instant = panel.kind in ("table", "stat", "bargauge")
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expression(query),
        "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
        "instant": instant,
        "legendFormat": legend or "__auto",
        "range": not instant,
        "refId": chr(ord("A") + number),
    }


def options(kind: str) -> Json:
    """Return what Grafana wants to know of a kind of panel."""
    reduce_ = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if kind == "timeseries":
        legend = {"calcs": ["mean", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        return {"colorMode": "none", "graphMode": "none", "reduceOptions": reduce_, "textMode": "auto"}
    if kind == "bargauge":
        return {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": reduce_, "showUnfilled": True}
    if kind == "heatmap":
        return {
            "calculate": False,
            "cellGap": 1,
            "color": {"exponent": 0.5, "mode": "scheme", "scheme": "Oranges", "steps": 64},
            "legend": {"show": True},
            "tooltip": {"mode": "single", "yHistogram": True},
        }
    return {"cellHeight": "sm", "showHeader": True, "sortBy": [{"desc": True, "displayName": "Value"}]}


def field_config(panel: Panel) -> Json:
    """Return units and how lines are drawn."""
    defaults: Json = {"unit": panel.unit}
    if panel.kind == "timeseries":
        stacking = {"group": "A", "mode": "normal" if panel.stacked else "none"}
        fill = 30 if panel.stacked else 8
        defaults["custom"] = {"fillOpacity": fill, "lineWidth": 1, "showPoints": "never", "stacking": stacking}
        defaults["min"] = 0
    return {"defaults": defaults, "overrides": []}


def heat(unit: str) -> Json:
    """Return a heatmap's axis: its buckets' bounds have the panel's unit."""
    return {"yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit}}


def panel_json(panel: Panel, number: int, place: Json) -> Json:
    """Return one panel."""
    made: Json = {
        "datasource": SOURCE,
        "description": panel.description,
        "fieldConfig": field_config(panel),
        "gridPos": place,
        "id": number,
        "options": options(panel.kind),
        "targets": [target(panel, at, query, legend) for at, (query, legend) in enumerate(panel.queries)],
        "title": panel.title,
        "type": panel.kind,
    }
    if panel.kind == "heatmap":
        made["options"] |= heat(panel.unit)
        made["fieldConfig"]["defaults"] = {}
    if panel.kind == "table":
        hidden = {"Time": True}
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return made


def places(panels: Iterable[Panel]) -> Iterator[Json]:
    """Yield where each panel is: from left to right, in lines as high as their highest."""
    x = y = line = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, line = 0, y + line, 0
        yield {"h": panel.height, "w": panel.width, "x": x, "y": y}
        x, line = x + panel.width, max(line, panel.height)


def variables(metric: str) -> list[Json]:
    """Return the variables: which Prometheus, which jobs and instances of it that have a metric."""
    source = {
        "current": {}, "hide": 0, "includeAll": False, "label": "data source", "multi": False, "name": "datasource",
        "options": [], "query": "prometheus", "refresh": 1, "regex": "", "type": "datasource",
    }  # fmt: skip
    return [source, labels("job", metric), labels("instance", f'{metric}{{job=~"$job"}}')]


def labels(name: str, series: str) -> Json:
    """Return a variable: the values that a label has in some series."""
    query = f"label_values({series}, {name})"
    return {
        "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "datasource": SOURCE, "definition": query,
        "hide": 0, "includeAll": True, "label": name, "multi": True, "name": name, "options": [],
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "refresh": 2,
        "regex": "", "sort": 1, "type": "query",
    }  # fmt: skip


def dashboard_json(dashboard: Dashboard) -> Json:
    """Return one dashboard."""
    placed = zip(dashboard.panels, places(dashboard.panels), strict=True)
    return {
        "annotations": {"list": []},
        "description": dashboard.description,
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [{
            "asDropdown": True, "includeVars": True, "keepTime": True, "tags": ["tracerd"], "targetBlank": False,
            "title": "tracerd", "type": "dashboards",
        }],
        "panels": [panel_json(panel, number, place) for number, (panel, place) in enumerate(placed, 1)],
        "preload": False,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["tracerd"],
        "templating": {"list": variables(dashboard.metric)},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": f"tracerd-{dashboard.name}",
        "version": 1,
    }  # fmt: skip


def main(folder: Path) -> None:
    """Write all dashboards into a folder."""
    for dashboard in DASHBOARDS:
        text = json.dumps(dashboard_json(dashboard), indent=2, ensure_ascii=False)
        (folder / f"{dashboard.name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
