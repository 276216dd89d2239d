"""`b` on a table, a map and the first screen: rows with something in common as one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.map_feed import BOTH, MapFeed, detail, filter_rows, grid, open_map, tick
from tui.model.grouping import NO_GROUPS
from tui.remembered import Remembered
from tui.widgets.grid import Grid


def footer(top: Dashboard) -> str:
    return top.text.rstrip("\n").split("\n")[-1]


@BOTH
def test_b_goes_through_the_columns_of_a_table_and_comes_back_to_its_rows(size: tuple[int, int]) -> None:
    """20 processes, three rows each; the rate of one is that of its rows together."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        await top.press("b")
        await top.says("table  20 rows  by pid", "3 different", "73,333")
        await top.press("b")
        await top.says("table  10 rows  by comm")
        await top.press("b")
        await top.says("table  10 rows  by syscall")
        await top.press("b")
        await top.says("table  60 rows", "9.00µs")
        assert "  by " not in top.text

    dashboard(MapFeed(), steps, size)


def test_the_process_with_the_most_failing_calls_is_found() -> None:
    """By pid, then by errors: as somebody asks who opens it."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        await top.press("b", "s", "s")
        order = grid(top).order
        assert order is not None
        assert (order.column, order.descending) == ("errors", True)
        assert (grid(top).cursor_values or {})["pid"] == 117
        await tick(top)
        assert (grid(top).cursor_values or {})["pid"] == 117

    dashboard(MapFeed(), steps)


@BOTH
def test_a_map_is_grouped_with_and_without_its_cpus(size: tuple[int, int]) -> None:
    """And by CPU, where each has a row; all of its keys are in the last line at any size."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await tick(top)
        assert footer(top).endswith("q Quit")
        assert "b By" in footer(top)
        await top.press("b")
        await top.says("10 rows  all CPUs  by call")        # each of the pids has one row
        await top.press("p")
        await top.says("10 rows  by CPU  by call")
        await top.press("b")
        await top.says("2 rows  by CPU  by cpu")
        await top.press("p")
        await top.says("60 rows  all CPUs")

    dashboard(MapFeed(), steps, size)


@BOTH
def test_a_group_is_drawn_as_the_histogram_of_its_rows(size: tuple[int, int]) -> None:
    """Of the one under the cursor, or of all."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("b")
        if detail(top).mode == "table":
            await top.press("v")
        await top.says("all 10 rows")
        grid(top).focus()
        await top.press("m")
        await top.says("slots  call 0", "m all rows")

    dashboard(MapFeed(), steps, size)


def test_order_and_filter_of_groups_are_their_own() -> None:
    """Those of rows as they are stay as they were."""
    remembered = Remembered()

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        await filter_rows(top, "syscall=read")
        await top.says("6 of 60 rows")
        await top.press("b")
        await top.says("table  20 rows  by pid")
        await filter_rows(top, "pid=117")
        await top.says("1 of 20 rows  by pid")
        assert remembered.table("maps/syscalls/syscalls by pid").filter == "pid=117"
        await top.press("b", "b", "b")
        await top.says("6 of 60 rows")

    dashboard(MapFeed(), steps, remembered=remembered)


def test_what_is_grouped_is_exported_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The groups that the filter leaves, under a name of their own."""
    monkeypatch.chdir(tmp_path)

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        await top.press("b", "b")
        await filter_rows(top, "comm=postgres")
        await top.press("E", "j")
        await top.told("written to")

    dashboard(MapFeed(), steps)
    (file,) = tmp_path.iterdir()
    assert "syscalls-by-comm" in file.name
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["comm"], row["rows"]) == ("postgres", 6)


def test_rows_that_have_nothing_in_common_say_so() -> None:
    """A key of one column tells all of them apart."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "slow/starts")
        await top.press("b")
        await top.told(NO_GROUPS)
        assert grid(top).total_rows == 60

    feed = MapFeed()
    feed.columns = lambda map_id: {"key": MapFeed.columns(feed, map_id)["key.pid"]}  # type: ignore[method-assign]
    dashboard(feed, steps)


@BOTH
def test_the_first_screen_groups_its_table(size: tuple[int, int]) -> None:
    """It stays so while moments come, and the rows are there again in the end."""

    async def steps(top: Dashboard) -> None:
        await top.says("syscalls/syscalls: 60 rows")
        assert "b By" in footer(top)
        assert footer(top).endswith("q Quit")
        await top.press("b")
        await top.says("syscalls/syscalls by pid: 20 rows", "73,333")
        await top.tick()
        await top.says("by pid: 20 rows", "3 different")
        await top.press("b", "b", "b")
        await top.says("syscalls/syscalls: 60 rows")

    dashboard(MapFeed(), steps, size)


def test_the_first_screen_without_a_table_groups_nothing() -> None:
    """And says so."""

    async def steps(top: Dashboard) -> None:
        await top.says("syscalls/syscalls: 60 rows")
        moment = top.app.seen.moment
        assert moment is not None
        top.app.seen.moment = replace(moment, probes={})
        top.app.show_now()
        await top.press("b")
        await top.told(NO_GROUPS)
        assert not top.screen.query_one(Grid).display

    dashboard(MapFeed(), steps)


def test_help_tells_of_b() -> None:
    """In a line."""

    async def steps(top: Dashboard) -> None:
        await top.press("question_mark")
        await top.says("b  rows by a part of their key")
        await top.press("escape")
        await open_map(top, "syscalls/calls")
        await top.press("question_mark")
        await top.says("b         rows by a part of their key")

    dashboard(MapFeed(), steps, (120, 50))
