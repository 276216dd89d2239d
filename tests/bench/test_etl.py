"""The benchmark of `.etl` files: it counts all events, and its rows have the contract's keys."""

from __future__ import annotations

from tests.sources.test_trec_etl import DEMO
from tracerd.bench import etl


def test_a_recording_is_measured_whole_and_in_the_core() -> None:
    """The walk counts all events, the program those and no others; the start is part of the whole only."""
    rows = etl.recorded(DEMO, repetitions=1)
    assert [row.what for row in rows] == ["etl walk", "etl program", "etl fields"]
    assert {(row.events, row.lost) for row in rows} == {(353, 0)}
    for row in rows:
        assert {"what", "events_per_s", "ns_per_event", "lost", "core_events_per_s"} <= row.to_json().keys()
        assert row.whole_seconds > row.seconds > 0
    assert "in the core" in etl.render(rows)
