"""Programs, sources and exports as rows and in words."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np

from tests.tui.feeds import made_feed
from tests.tui.seeing import seen_after
from tracerd.daemon.feed import ExporterInfo
from tracerd.snapshot import HELPING, Ledger, Meaning, Table
from tui.model import exports, programs, sources
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import Seen
from tui.model.sheet import Sheet, sheet_of
from tui.model.writing import as_csv, as_json


def rows(sheet: Sheet) -> list[dict[str, object]]:
    names, columns = [each.name for each in sheet.columns], [each.values.tolist() for each in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def test_programs_have_what_the_issue_asks_for() -> None:
    """Id, name, type, engine and why, events/s, avg and p99, CPU, aborted runs."""
    first = rows(programs.programs(seen_after()))[0]
    assert first["id"] == 1
    assert (first["name"], first["type"], first["engine"]) == ("on_enter", "tracepoint", "jit")
    assert first["events/s"] == 250_000
    assert first["avg_ns"] == 85
    assert round(float(str(first["cpu_permille"])), 2) == 21.25
    assert first["why"] == "nothing forbids code made at run time"


def test_a_program_in_words_says_how_it_was_proved_and_what_it_runs_on() -> None:
    """Also that its loops have no proved bound."""
    seen = seen_after()
    info = programs.program(seen, 3)
    assert info is not None
    told = dict(programs.facts(seen, info))
    assert "run on fuel" in told["proof"]
    assert told["runs on"].startswith("interval:1s")
    assert programs.program(seen, 99) is None


def test_sources_have_every_part_of_the_balance() -> None:
    """And who runs on them."""
    first = rows(sources.sources(seen_after(made_feed(lost=5))))[0]
    assert first["event"] == "syscall:*:enter"
    assert (first["source"], first["lost"], first["programs"]) == ("perf", 5, "syscalls/on_enter")
    assert int(str(first["produced"])) == sum(int(str(first[name])) for name in ("delivered", "lost", "filtered"))


def test_a_full_ring_is_answered_with_pages_that_will_do_and_where_to_write_them() -> None:
    """8 MiB are 2,048 pages of 4 KiB: the very line, and the daemon's own file. Without a daemon, who else has more."""
    seen = seen_after(made_feed(lost=5))
    ((what, way_out),) = sources.advice(seen.look, "syscall:*:enter", Ledger(10, 5, 5))
    assert what == "5 lost in the kernel: a ring was full"
    assert way_out.startswith("pages = 4096  # under [sources.perf]\nin /etc/tracerd/tracerd.toml ")
    ((_, way_out),) = sources.advice(seen_after(made_feed(config="")).look, "syscall:*:enter", Ledger(10, 5, 5))
    assert way_out.startswith("tracerd run --pages 4096\nor sources.perf.pages in a daemon's ")


def test_a_loss_of_before_says_for_how_long_there_was_none() -> None:
    """By the moments' own time."""
    feed, seen = made_feed(), Seen()
    never = "none since this dashboard began"
    for lost, after, words in ((0, 0, never), (3, 1, ""), (3, 5, ""), (3, 65, "none for 1 min"), (4, 1, "")):
        feed.lost, feed.at = lost, feed.at + after
        seen.see(feed.moment(), feed.look())
        assert sources.since_lost(seen, "syscall:*:enter") == words


def test_totals_of_losses_that_have_ended_are_no_alert() -> None:
    """The balance keeps them, and nobody need hurry."""
    feed, seen = made_feed(lost=3), Seen()
    for lost, after, alert in ((3, 0, False), (4, 1, True), (4, 60, False)):
        feed.lost, feed.at = lost, feed.at + after
        seen.see(feed.moment(), feed.look())
        assert sources.sources(seen).by_name["lost"].alert is alert


def test_an_event_that_was_detached_says_so_as_long_as_its_counts_are_there() -> None:
    """Of which program and how long ago, by the moments' own time; attached again, nothing of it is left."""
    feed, seen = made_feed(), Seen()

    def who(links: tuple[int, ...], later: int) -> str:
        feed.at += later
        look = feed.look()
        seen.see(feed.moment(), replace(look, links=tuple(look.links[place] for place in links)))
        return str(rows(sources.sources(seen))[0]["programs"])

    assert who((0, 1, 2), 1) == "syscalls/on_enter"
    assert who((1, 2), 1) == "none now, detached 0 s ago"
    assert who((), 125) == "none now, detached 2 min ago"
    assert who((1, 2), 1) == "none now, detached 2 min ago"
    assert who((0, 1, 2), 1) == "syscalls/on_enter"
    assert sources.detached_from(seen, "syscall:*:enter") == []


def test_what_was_detached_before_a_restart_is_not_told() -> None:
    """Counts begin anew."""
    feed, seen = made_feed(), Seen()
    seen.see(feed.moment(), feed.look())
    feed.pid, feed.at = feed.pid + 1, feed.at + 1
    seen.see(feed.moment(), replace(feed.look(), links=()))
    assert seen.detached == {}


def test_every_kind_of_loss_has_an_advice() -> None:
    """None where nothing is lost."""
    look = seen_after().look
    assert len(sources.advice(look, "syscall:*:enter", Ledger(10, 0, 1, 2, 3, 0, 4))) == 4
    assert sources.advice(look, "syscall:*:enter", Ledger(10, 10)) == []


def test_exporters_tell_what_waits_and_what_is_lost() -> None:
    """Of otlp's own counts, over all signals."""
    counts = {"metrics.sent": 5, "logs.sent": 6, "metrics.queued": 2, "logs.spooled": 3, "logs.dropped.expired": 4}
    info = ExporterInfo("otlp", 10.0, exports=1, records_lost=1, counts=counts, where="there")
    seen = seen_after()
    assert seen.look is not None
    found = rows(exports.exports(seen))
    assert [row["exporter"] for row in found] == ["otlp", "prometheus"]
    assert exports.lost(info) == 5
    assert dict(exports.facts(info))["goes to"] == "there"


def test_an_exporter_that_fails_says_so_in_a_word() -> None:
    """Also one that hangs, or was left behind."""
    assert exports.state(ExporterInfo("a", 1.0, exports=1)) == "works"
    assert exports.state(ExporterInfo("a", 1.0, exports=1, failing=2)) == "! fails"
    assert exports.state(ExporterInfo("a", 1.0, problem="x")) == "! fails"
    assert exports.state(ExporterInfo("a", 1.0, busy_seconds=9.0)) == "! slow"
    assert exports.state(ExporterInfo("a", 1.0, abandoned=True)) == "! left behind"
    assert exports.state(ExporterInfo("a", 1.0)) == "not yet"


def test_rows_of_no_rows_have_columns() -> None:
    """A table that has nothing yet has a header all the same."""
    sheet = sheet_of_rows("none", (Field("a"), Field("b")), [])
    assert [column.name for column in sheet.columns] == ["a", "b"]
    assert len(sheet) == 0


def test_a_csv_has_the_rows_that_are_shown_in_their_order() -> None:
    """And no cell that a spreadsheet would run."""
    table = Table("t", {"name": np.array(["=1+1", "b,c", "d"], dtype=object), "n": np.array([1, 2, 3])})
    text = as_csv(sheet_of(table), np.array([2, 0]))
    assert list(csv.reader(io.StringIO(text))) == [["name", "n"], ["d", "3"], ["'=1+1", "1"]]


def test_json_has_plain_numbers_hex_and_lists() -> None:
    """NaN is null: JSON has no such number."""
    table = Table("t", {
        "x": np.array([1.5, np.nan]), "raw": np.array([[1, 255], [2, 3]], dtype=np.uint8),
        "slots": np.array([[1] * 9, [2] * 9]),
    }, {"x": Meaning("ns")})  # fmt: skip
    document = json.loads(as_json(sheet_of(table), np.array([0, 1]), 1_500_000_000))
    found = document.pop("rows")
    assert document == {
        "name": "t", "taken": "1970-01-01T00:00:01.500+00:00",
        "columns": [{"name": "x", "unit": "ns"}, {"name": "raw", "unit": ""}, {"name": "slots", "unit": ""}],
    }
    assert json.loads(as_json(sheet_of(table), np.array([], np.intp), 0)) == {**document, "taken": None, "rows": []}
    assert found[0] == {"x": 1.5, "raw": "01ff", "slots": [1] * 9}
    assert found[1]["x"] is None


def test_an_event_that_helps_others_needs_no_program() -> None:
    """Its row has none, and is not taken for one whose program was detached."""
    seen = seen_after(made_feed())
    assert seen.moment is not None
    ledger = {**seen.moment.ledger, "tracepoint:a:b": Ledger(5, 5, via=HELPING), "tracepoint:a:c": Ledger(5, 5)}
    seen.moment = replace(seen.moment, ledger=ledger)
    told = {row["event"]: row["programs"] for row in rows(sources.sources(seen))}
    assert (told["tracepoint:a:b"], told["tracepoint:a:c"]) == ("", sources.DETACHED)
