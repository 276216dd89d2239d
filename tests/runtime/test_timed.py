"""Programs that run by time, live and over a recording: before all events, between them, after them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tracerd.config import Engine, Probe
from tracerd.runtime import Session, Settings
from tracerd.runtime.locate import locate, probe_of_object
from tracerd.runtime.snapshot import SessionSnapshot

ROOT = Path(__file__).parents[2]
TIMED = ROOT / "tests" / "runtime" / "objects" / "timed.bpf.o"
DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"
TIMES = (("on_begin", "begin"), ("on_end", "end"))


def summary(session: Session, final: SessionSnapshot) -> dict[str, Any]:
    tables = {view.name: table.rows() for view, table in session.tables(final)}
    (row,) = tables["summary"]
    return row


def test_live_programs_run_at_begin_every_interval_and_end() -> None:
    """A session of timed programs alone: begin and end once, and a tick each 50 ms, on a CPU slot of their own."""
    probe = Probe("timed", TIMED, "auto", (*TIMES, ("on_tick", "interval:1s"), ("on_tick", "interval:50ms")), ())
    with Session() as session:
        session.add(probe)
        session.start()
        time.sleep(0.5)
        final = session.stop()
        row = summary(session, final)
    assert (row["begins"], row["ends"]) == (1, 1)
    fast = final.ledger["interval:50ms"]
    assert 3 <= fast.delivered <= 11
    assert fast.missing == final.ledger["begin"].missing == final.ledger["end"].missing == 0
    assert 0.4e9 < row["end_ns"] - row["begin_ns"] < 5e9
    assert abs(row["end_ns"] - time.time_ns()) < 10e9


def replayed(engine: Engine) -> tuple[dict[str, Any], SessionSnapshot]:
    probe = Probe("timed", TIMED, engine, (*TIMES, ("on_tick", "interval:1s"), ("on_event", f"etl:{DEMO}")), ())
    with Session(Settings(wait_for_code=True)) as session:
        session.add(probe)
        session.start()
        assert session.wait(30)
        final = session.stop()
        return summary(session, final), final


def test_over_a_recording_time_is_that_of_its_events() -> None:
    """Twenty recorded seconds are about twenty ticks, however fast they are read, and no event is missed by them."""
    row, final = replayed("interpreter")
    assert (row["begins"], row["ends"]) == (1, 1)
    assert 18 <= row["ticks"] <= 20
    assert row["events"] == final.ledger[f"etl:{DEMO}"].delivered
    assert 19e9 < row["end_ns"] - row["begin_ns"] < 21e9
    assert final.ledger["interval:1s"].delivered == row["ticks"]


def test_a_replay_ticks_the_same_on_every_run_and_engine() -> None:
    """Byte for byte: ticks fall between the same events each time."""
    rows = [replayed(engine) for engine in ("jit", "interpreter", "jit")]
    maps = [{name: each.values.tobytes() for name, each in final.maps["timed"].items()} for _, final in rows]
    assert maps[0] == maps[1] == maps[2]


def test_sections_say_when_a_bare_object_s_programs_run() -> None:
    """`begin`, `interval/1s` and `end` are attach names with slashes for colons."""
    text = (ROOT / "tests" / "runtime" / "objects" / "timed.bpf.c").read_text()
    assert 'SEC("interval/1s")' in text
    churn = probe_of_object(ROOT / "probes" / "churn" / "churn.bpf.o")
    assert dict(churn.attach)["on_start"] == "process:start"
    assert dict(locate("churn").attach) == dict(churn.attach)
