"""The live screen: rates come from the snapshot before, losses stand out, nothing is cut silently."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from tracerd.cli import footer, live
from tracerd.cli.grid import Shown, grid
from tracerd.cli.main import main
from tracerd.cli.output import print_json
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import Ledger, ProgramStatistics, Table
from tracerd.views.spec import ColumnSpec, ViewSpec

VIEW = ViewSpec(
    "calls",
    "calls",
    (
        ColumnSpec("pid", "key.pid"),
        ColumnSpec("comm", "value.comm"),
        ColumnSpec("count", "value.count", rate=True),
        ColumnSpec("p50_ns", "value.latency", percentile=50, unit="ns"),
    ),
)


def table(rows: list[tuple[int, str, int, int]]) -> Table:
    pids, comms, counts, medians = zip(*rows, strict=True)
    columns = {
        "pid": np.array(pids, dtype=np.uint32),
        "comm": np.array(comms, dtype=object),
        "count": np.array(counts, dtype=np.uint64),
        "p50_ns": np.array(medians, dtype=np.int64),
    }
    return Table("calls", columns)


def printed(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(renderable)
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


BEFORE = table([(1, "init", 100, 500), (7, "dd", 1000, 400)])
NOW = table([(9, "new", 30, 0), (7, "dd", 5000, 1234), (1, "init", 100, 500)])


def test_rates_are_changes_per_second_by_row_key() -> None:
    """Rows are matched by key, not by place; a row that is new counts from zero."""
    shown = live.with_rates(VIEW, NOW, BEFORE, seconds=2)
    assert shown.rates["count"].tolist() == [15, 2000, 0]


def test_the_fastest_row_comes_first_and_hidden_rows_are_told() -> None:
    """Two of three rows fit: the fastest two are shown, the third is counted."""
    lines = printed(grid(live.with_rates(VIEW, NOW, BEFORE, seconds=2), 2, 0, 100)).splitlines()
    assert lines[0].split() == ["pid", "comm", "count/s", "count", "p50"]
    assert lines[1].split() == ["7", "dd", "2,000", "5,000", "1.23µs"]
    assert lines[2].split() == ["9", "new", "15", "30", "-"]
    assert lines[3] == "… and 1 more rows"


def snapshot(ledger: dict[str, Ledger]) -> SessionSnapshot:
    program = ProgramStatistics("p", "jit", "why", 1000, 0, 250.0, 0.01, 42)
    return SessionSnapshot(0, 2.0, {}, {}, (), (program,), ledger, 20_000_000, 0)


def test_the_ledger_line_balances_and_shows_losses() -> None:
    """All parts of the balance are on the line; zero parts other than lost are left out."""
    line = footer.ledger_line({"e": Ledger(10_000, 9_000, lost_in_kernel=600, lost_in_session=100, filtered=300)}).plain
    assert line == "ledger  10,000 events = 9,000 delivered + 300 filtered + 700 lost"


@pytest.mark.parametrize(
    ("pages", "lost", "says"),
    [(8, 600, "a ring was full: --pages 2048 has room for more (8 now)"), (1 << 16, 5, "attach to fewer events")],
)
def test_a_ring_that_was_full_is_answered_with_the_option(pages: int, lost: int, says: str) -> None:
    """As one types it. Of a recording nobody can take more, and where nothing was lost there is nothing to say."""
    ledger = {"e": Ledger(10_000, 10_000 - lost, lost_in_kernel=lost)}
    shown = [line.plain for line in footer.footer(snapshot(ledger), pages=pages)]
    assert any(line.startswith("advice  ") and line.endswith(says) for line in shown)
    quiet = [*footer.footer(snapshot(ledger)), *footer.footer(snapshot({"e": Ledger(5, 5)}), pages=pages)]
    assert not any(line.plain.startswith("advice") for line in quiet)


def test_the_cost_line_tells_runs_time_and_cpu() -> None:
    """20 ms of CPU in 2 s is one percent."""
    line = footer.cost_line(snapshot({})).plain
    assert line == "cost  1 verified program (jit), 1,000 runs of 250ns, pump 1.0% of one CPU"


def shown(name: str, rows: int, filled: int) -> Shown:
    """A table with `filled` rows whose view asks for `rows`."""
    view = ViewSpec(name, name, (ColumnSpec("pid", "key"),), rows=rows)
    return Shown(view, Table(name, {"pid": np.arange(filled)}), {})


def test_tables_that_ask_for_rows_get_them_and_the_others_share_the_rest() -> None:
    """30 lines: a table of one row, one that could fill two of five, and two that take all there is."""
    tables = [shown("one", 1, 1), shown("few", 5, 2), shown("a", 0, 100), shown("b", 0, 100)]
    assert live.share_rows(tables, 30) == [1, 2, 7, 7]


def test_tables_without_room_are_named() -> None:
    """On a small screen the first tables are shown whole and the others told."""
    tables = [shown("first", 0, 9), shown("second", 4, 9), shown("third", 4, 9)]
    assert live.share_rows(tables, 13) == [3, 4]
    text = printed(live.screen(snapshot({}), tables, None, 100, 16))
    assert "no room for: third" in text
    assert "ledger" in text


def test_a_way_that_cannot_see_everything_is_told_once() -> None:
    """Events that came the same way share a line."""
    polled = "polled every 1 s"
    ledger = {"process:start": Ledger(1, 1, via=polled), "process:exit": Ledger(1, 1, via=polled), "x": Ledger(1, 1)}
    assert [line.plain for line in footer.via_lines(ledger)] == [f"via  process:start, process:exit: {polled}"]


def test_columns_that_do_not_fit_are_named_and_numbers_never_cut() -> None:
    """On a narrow terminal the first columns are whole; a last column of text may be cut at the edge."""
    columns = (ColumnSpec("pid", "key"), ColumnSpec("comm", "value.c"), ColumnSpec("bytes", "value.b"))
    one = Shown(ViewSpec("v", "v", columns), Table("v", {
        "pid": np.array([123456], dtype=np.uint32),
        "comm": np.array(["a-rather-long-name"], dtype=object),
        "bytes": np.array([10**12], dtype=np.uint64),
    }), {})  # fmt: skip
    assert [line.split() for line in lines_of(one, 41)] == [
        ["pid", "comm", "bytes"], ["123456", "a-rather-long-name", "1000000000000"],
    ]
    assert [line.split() for line in lines_of(one, 40)] == [
        ["pid", "comm"], ["123456", "a-rather-long-name"], ["no", "room", "for", "bytes"],
    ]
    assert lines_of(one, 17)[1] == "123456  a-rather…"
    assert lines_of(one, 12) == ["   pid", "123456", "no room for…"]


def lines_of(one: Shown, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(grid(one, 5, 0, width))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


HOSTILE = ("[/x]", "[bold red]x", "\x1b]0;owned\x07", "\x9b31m", "a\u202eb")


def test_a_name_that_a_process_chose_is_shown_and_not_obeyed() -> None:
    """Neither as rich's markup, where one bracket too many was an error, nor as an escape sequence of the terminal."""
    rows = table([(pid, name, 1, 1) for pid, name in enumerate(HOSTILE)])
    text = printed(grid(live.with_rates(VIEW, rows, None, seconds=0), 9, 0, 100))
    assert [line.split()[1] for line in text.splitlines()[1:]] == [
        "[/x]", "[bold", r"\x1b]0;owned\x07", r"\x9b31m", r"a\u202eb"
    ]  # fmt: skip
    assert text.replace("\n", "").isprintable()


def test_json_has_no_bytes_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    """It says the same as before, with escapes; also for a path that is no UTF-8."""
    document = {"names": [*HOSTILE, "b\udcff", "ä"]}
    print_json(document)
    text = capsys.readouterr().out
    assert json.loads(text) == document
    assert text.replace("\n", "").isprintable()


def test_an_error_shows_names_and_does_not_obey_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it names may come from a file or from the command line of a script."""
    monkeypatch.setattr("sys.argv", ["tracerd", "events", "\x1b[31m"])
    with pytest.raises(SystemExit):
        main()
    assert r"\x1b[31m" in capsys.readouterr().err
