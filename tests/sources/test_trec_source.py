"""Replaying a recording: names, losses, time, pace; and that it may end before the file does."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.native.witness import Witness
from tests.sources.trec_support import LETTER, PLAIN, Given, drain, record, replay
from tracerd.errors import SourceError
from tracerd.runtime import Session, Settings
from tracerd.snapshot import HELPING, Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.trec.meta import End, EndLedger
from tracerd.sources.trec.source import TrecSource

MS = 10**6


def some(count: int, step_ns: int = MS, start: int = 1000 * MS) -> list[Given]:
    """Return plain events at equal distances."""
    return [Given(now_ns=start + n * step_ns) for n in range(count)]


def test_what_was_lost_while_recording_is_lost_in_the_replay(tmp_path: Path) -> None:
    """The event's own row says so; the balance holds."""
    result = replay(record(tmp_path / "a.trec", [some(5)], lost=37))
    row = result.ledger[PLAIN.name]
    assert (row.produced, row.delivered, row.lost, row.missing) == (42, 5, 37, 0)


def test_losses_of_events_nobody_asked_for_are_the_files(tmp_path: Path) -> None:
    """All that was recorded and lost is in some row, whatever the probe wants."""
    result = replay(record(tmp_path / "a.trec", [[*some(5), Given(1)]], lost=37), names=(LETTER.name,))
    assert (result.file.filtered, result.file.lost, result.file.missing) == (5, 37, 0)
    assert result.ledger[LETTER.name].delivered == 1


def test_what_was_dropped_while_recording_is_dropped_in_the_replay(tmp_path: Path) -> None:
    """Apart from what was lost, in the event's own row and in that of the file."""
    letter = Ledger(9, 0, lost_in_session=2, dropped_in_ring=4, failed=3)
    rows = {LETTER.name: letter, "etl:a": Ledger(3, 0, dropped_in_ring=3)}
    result = replay(record(tmp_path / "a.trec", [some(5)], lost=1, told=rows))
    assert result.ledger[PLAIN.name] == Ledger(6, 5, lost_in_session=1)
    assert result.ledger[LETTER.name] == Ledger(9, 0, lost_in_session=5, dropped_in_ring=4)
    assert result.file == Ledger(3, 0, dropped_in_ring=3)


def test_what_was_wrong_with_what_was_recorded_is_told(tmp_path: Path) -> None:
    """In the file's row, with the name of each file or session; how events came that nobody asks for is not."""
    rows = {
        "etl:half.etl": Ledger(0, 0, via="missing buffers: 29"),
        "etw-session:dns": Ledger(0, 0, via="buffers lost: 1"),
        "tracepoint:sched:sched_switch": Ledger(0, 0, via=HELPING),
        LETTER.name: Ledger(0, 0, via="polled"),
    }
    path = record(tmp_path / "a.trec", [some(5)], told=rows)
    said = "recorded from etl:half.etl: missing buffers: 29; recorded from etw-session:dns: buffers lost: 1"
    assert replay(path, names=(PLAIN.name,)).file.via == said
    both = replay(path)
    assert (both.ledger[LETTER.name].via, both.ledger[PLAIN.name].via) == ("polled", "")


def test_what_a_hostile_recording_tells_is_short_and_harmless(tmp_path: Path) -> None:
    """Its names reach terminals, and snapshots are made of it every second."""
    path = record(tmp_path / "a.trec", [some(1)], told={"etl:old": Ledger(0, 0, via="wrong")})
    with closing(TrecSource(path)) as source:
        source.open([])
        drain(source)
        row = EndLedger(via="wrong" * 40)
        names = ("etl:\x1b[2J", "etl:" + "x" * 10_000, *(f"etl:{n}" for n in range(10_000)))
        source.reader.end = End(1, dict.fromkeys(names, row))
        via = source.statistics()[f"trec:{path}"].via
    assert via.isprintable()
    assert via.startswith(r"recorded from etl:\x1b[2J: wrong")
    assert via.endswith("; and 9998 more")
    assert len(via) < 1500


def test_two_names_of_one_event_run_both_programs(tmp_path: Path) -> None:
    """An event has one row, under the name it was first asked for by, however many programs run on it."""
    path = record(tmp_path / "a.trec", [some(3)])
    first, second = Witness(), Witness()
    with closing(TrecSource(path)) as source:
        source.open([LinkRequest(PLAIN.name, witness.program, 0) for witness in (first, second)])
        drain(source)
        assert source.statistics()[PLAIN.name].delivered == 3
    assert len(first.seen) == len(second.seen) == 3


def test_a_program_that_reads_more_than_was_recorded_is_refused(tmp_path: Path) -> None:
    """The sentence says how much it wants and how much there is."""
    path, witness = record(tmp_path / "a.trec", [some(1)]), Witness()
    with closing(TrecSource(path)) as source, pytest.raises(SourceError, match=r"reads 17 bytes .* has 16"):
        source.open([LinkRequest(PLAIN.name, witness.program, 17)])


def test_intervals_follow_the_recordings_clock(tmp_path: Path) -> None:
    """Begin with the first event, a tick for each second of silence, end at the end: the same in every replay."""
    path = record(tmp_path / "a.trec", [some(2, step_ns=3_500 * MS)], offset_ns=10**18)
    runs = []
    for _ in range(2):
        witnesses = {name: Witness() for name in ("begin", "interval:1s", "end", PLAIN.name)}
        with closing(TrecSource(path)) as source:
            source.open([LinkRequest(name, witness.program, 0) for name, witness in witnesses.items()])
            drain(source)
            source.stop()
            assert source.statistics()["interval:1s"].delivered == 3
        runs.append({name: witness.seen for name, witness in witnesses.items()})
    assert runs[0] == runs[1]
    times = {name: [each.now_ns for each in seen] for name, seen in runs[0].items()}
    assert times["begin"] == [1000 * MS]
    assert times["interval:1s"] == [2000 * MS, 3000 * MS, 4000 * MS]
    assert times["end"] == [4500 * MS]
    unix = int.from_bytes(runs[0]["begin"][0].context[:8], "little")
    assert unix == 10**18 + 1000 * MS


def test_times_since_boot_are_shown_with_the_recordings_own_clock(tmp_path: Path) -> None:
    """A column of times is this machine's local time of what the recorded machine's clock said."""
    path = record(tmp_path / "a.trec", [some(1)], offset_ns=1_767_225_600 * 10**9)
    with Session(Settings(recording=path)) as session:
        session.start()
        assert session.snapshot().clock_offset_ns == 1_767_225_600 * 10**9
        session.stop()
    with Session(Settings()) as live:
        assert abs(live.snapshot().clock_offset_ns - (time.time_ns() - time.monotonic_ns())) < 10**9


def test_a_paced_replay_takes_as_long_as_the_recording(tmp_path: Path) -> None:
    """At speed 2, 400 ms of events take 200 ms; none comes before its time, and all come."""
    path, witness = record(tmp_path / "a.trec", [some(201, step_ns=MS), some(200, MS, 1201 * MS)]), Witness()
    with closing(TrecSource(path, speed=2)) as source:
        source.open([LinkRequest(PLAIN.name, witness.program, 0)])
        began, early = time.monotonic(), 0
        while source.pump(20) >= 0:
            passed_ns = (time.monotonic() - began) * 2e9
            early += sum(each.now_ns - 1000 * MS > passed_ns for each in witness.seen)
    assert len(witness.seen) == 401
    assert early == 0
    assert time.monotonic() - began >= 0.2


def test_a_paced_replay_looks_up_in_time(tmp_path: Path) -> None:
    """An hour of silence does not hold a turn up: a stop is noticed."""
    path, witness = record(tmp_path / "a.trec", [some(2, step_ns=3600 * 1000 * MS)]), Witness()
    with closing(TrecSource(path, speed=1)) as source:
        source.open([LinkRequest(PLAIN.name, witness.program, 0)])
        began = time.monotonic()
        assert sum(source.pump(20) for _ in range(3)) == 1
        assert time.monotonic() - began < 5
        source.stop()
        assert source.statistics()[PLAIN.name].missing == 0


def test_a_replay_may_be_left_in_the_middle(tmp_path: Path) -> None:
    """Closing stops the thread that reads ahead; what was not run was not produced."""
    path = record(tmp_path / "a.trec", [some(10) for _ in range(12)])
    with closing(TrecSource(path)) as source:
        source.open([])
        assert source.pump(0) in range(121)
        source.stop()
        assert source.statistics()[f"trec:{path}"].missing == 0
    source.close()
    with pytest.raises(SourceError, match="is not open"):
        source.pump(0)


def test_a_recording_without_events_is_one(tmp_path: Path) -> None:
    """Nothing happened: nothing runs but begin and end, nothing is missing."""
    result = replay(record(tmp_path / "a.trec", []))
    assert result.seen == []
    assert all(row.produced == 0 for row in result.ledger.values())


def test_events_of_a_cpu_beyond_the_slots_are_dropped(tmp_path: Path) -> None:
    """Per-CPU maps have as many slots as the file says: an event of another CPU would be outside."""
    result = replay(record(tmp_path / "a.trec", [[Given(cpu=1), Given(cpu=2), Given(cpu=65535)]], cpus=2))
    assert [each.cpu for each in result.seen] == [1]
    assert result.ledger[PLAIN.name].dropped_in_ring == 2
