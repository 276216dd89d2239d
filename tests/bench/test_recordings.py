"""The benchmark of recordings: what it records it replays, and its rows have the contract's keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.live import need_live_events
from tests.sources.test_trec_etl import DEMO, to_trec
from tests.sources.trec_support import LETTER, record
from tracerd.bench import recordings
from tracerd.errors import SourceError


@pytest.mark.xdist_group("perf")
def test_the_hammer_is_recorded_and_replayed_whole() -> None:
    """Every call is in the recording or in its row's losses; every replay has as many events as were recorded."""
    need_live_events()
    first, *replays = recordings.record(calls=20_000)
    assert first.events + first.lost >= 20_000
    assert [row.what for row in replays] == ["trec walk", "trec jit", "trec interpreter"]
    assert {row.events for row in replays} == {first.events}
    assert {"what", "events_per_s", "ns_per_event", "lost", "bytes_per_event"} <= first.to_json().keys()
    assert "bytes per event" in recordings.render([first, *replays])


def test_a_recording_of_windows_is_measured_too(tmp_path: Path) -> None:
    """ETW events are counted by a program of their own type."""
    rows = recordings.replay(to_trec(DEMO, tmp_path), repetitions=1)
    assert [row.events for row in rows] == [353, 353, 353]


def test_what_no_program_of_ours_counts_is_refused(tmp_path: Path) -> None:
    """In one sentence: processes and connections have other types."""
    path = record(tmp_path / "a.trec", [], events=(LETTER,))
    with pytest.raises(SourceError, match="neither tracepoints nor ETW"):
        recordings.replay(path)
