"""`tracerd bench tui`: the same pictures for every kind of table, in the shape that other commands print."""

from __future__ import annotations

import json

from tui import bench


def test_every_table_is_measured_and_printed() -> None:
    """Few rows and pictures here: what they cost is no test's business."""
    rows = bench.run(rows=60, frames=2)
    told = json.loads(json.dumps([row.to_json() for row in rows]))
    assert [row["what"] for row in told] == ["tui table", "tui table filtered", "textual DataTable visible rows"]
    assert all(row["rows"] == 60 and row["cpu_ms_per_frame"] > 0 for row in told)
    assert bench.render(rows).count("ms of CPU per frame") == 3
