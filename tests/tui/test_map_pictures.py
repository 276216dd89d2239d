"""Histograms of maps, now and over time: their keys, at two sizes, and what of them goes into a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.map_feed import (
    BOTH,
    IO,
    LARGE,
    SMALL,
    MapFeed,
    detail,
    filter_rows,
    grid,
    maps,
    open_map,
    tick,
)
from tui.model.slot_units import UNITS
from tui.widgets.heatmap import Heatmap
from tui.widgets.histogram import Histogram

# ---- pictures


def test_v_goes_from_the_table_to_its_histogram_to_that_over_time_and_back() -> None:
    """A small terminal has room for a few rows above; the cursor stays with them."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await tick(top, 2)
        await top.says("v histogram")
        await top.press("v")
        await top.says("slots  all 60 rows", "p50", "30,000", "in all")
        assert top.screen.focused is grid(top)
        await top.press("v")
        await top.says("per interval", "now")
        assert not top.screen.query_one(Histogram).display
        await top.press("v")
        await top.until(lambda: "per interval" not in top.text)
        assert detail(top).mode == "table"

    dashboard(MapFeed(), steps)


def test_a_large_terminal_shows_rows_and_both_pictures_side_by_side() -> None:
    """v has the rows alone."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await tick(top, 2)
        await top.says("count/s▼", "in all", "per interval")
        assert top.screen.query_one(Histogram).region.x >= grid(top).region.right
        await top.press("v")
        await top.until(lambda: "in all" not in top.text)
        await top.press("v")
        await top.says("in all", "per interval")

    dashboard(MapFeed(), steps, LARGE)


@BOTH
def test_m_and_enter_draw_the_row_under_the_cursor_and_the_cursor_changes_it(size: tuple[int, int]) -> None:
    """And all rows again."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("home", *(["v"] if size == SMALL else []), "m")
        await top.says("slots  pid 100, call 0")
        await top.press("down")
        await top.says("slots  pid 101, call 1")
        await top.press("enter")
        await top.says("slots  all 60 rows")

    dashboard(MapFeed(), steps, size)


def test_rows_that_the_filter_leaves_are_added_up() -> None:
    """So that a process, or a call, has a histogram of its own."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("v")
        await filter_rows(top, "call=0")
        await top.says("6 of 60 rows", "slots  6 rows of the filter")
        await top.press("escape")
        await top.says("slots  all 60 rows")

    dashboard(MapFeed(), steps)


def test_t_draws_what_was_counted_since_it_was_opened() -> None:
    """And all that was counted so far again."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await tick(top)
        await top.press("v")
        await top.says("counted so far")
        whole = top.text
        await top.press("t")
        await top.says("since ")
        await top.until(lambda: top.text != whole and "in all" in top.text)
        await top.press("t")
        await top.says("counted so far")

    dashboard(MapFeed(), steps)


def test_u_changes_the_unit_of_slots() -> None:
    """From what their names say to what they are; what is not said by them is marked, on a small terminal too."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/latency_ns")
        await top.press("v")
        await top.says("u unit (ns)", "262µs")
        assert "(chosen)" not in top.text
        await top.press("u")
        await top.says("latency_ns in µs (chosen)", "262ms")
        await top.press(*"u" * (len(UNITS) - 1))
        await top.says("u unit (ns)", "262µs")
        assert "(chosen)" not in top.text

    dashboard(MapFeed(), steps)


def test_c_goes_to_the_next_histogram_where_there_are_several() -> None:
    """Only there is such a key."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "disk/io")
        await top.press("v")
        await top.says("reads  all 3 rows", "c column")
        await top.press("c")
        await top.says("writes  all 3 rows")
        await top.press("escape")
        await open_map(top, "syscalls/calls")
        await top.press("v")
        await top.says("slots  all 60 rows")
        assert "c column" not in top.text
        assert not detail(top).check_action("column", ())

    dashboard(MapFeed(more=(IO,)), steps)


def test_an_array_of_slots_is_one_picture_and_keys_move_it() -> None:
    """On a small terminal its rows make room: they are the bars."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/latency_ns")
        await top.press("v")
        await top.says("latency_ns  counted so far")
        assert not grid(top).display
        assert isinstance(top.screen.focused, Histogram)
        await top.press("v")
        await top.until(lambda: isinstance(top.screen.focused, Heatmap))
        assert "m " not in top.text.split("\n")[3]
        await top.press("v")
        await top.until(lambda: top.screen.focused is grid(top))

    dashboard(MapFeed(), steps)


def test_v_on_a_table_without_histogram_goes_to_the_map_that_has_one() -> None:
    """Which, if there are several; Esc comes back to the table."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "table syscalls/syscalls")
        await top.press("v")
        await top.says("1   syscalls/calls", "2   syscalls/latency_ns")
        await top.press("2")
        await top.says("latency_ns  counted so far", "in all")
        await top.press("escape")
        await top.says("syscalls/syscalls  table")
        assert isinstance(top.feed, MapFeed)
        top.feed.hidden = frozenset(("latency_ns",))
        await top.until(lambda: not top.feed.tick() and len(maps(top)) == 3)
        await top.press("v")
        await top.says("syscalls/calls  percpu_hash", "slots  all 60 rows")

    dashboard(MapFeed(), steps)


def test_v_says_what_a_histogram_takes_where_there_is_none() -> None:
    """Neither here nor behind the table; the question may fail, too."""

    async def steps(top: Dashboard) -> None:
        assert isinstance(top.feed, MapFeed)
        await open_map(top, "table syscalls/syscalls")
        top.feed.broken = True
        await top.press("v")
        await top.says("cannot be read just now")
        top.feed.hidden = frozenset(("calls", "latency_ns"))
        await top.until(lambda: not top.feed.tick() and len(maps(top)) == 2)
        await top.press("v")
        await top.says("no histogram here")

    dashboard(MapFeed(), steps, (120, 30))


def test_how_it_is_looked_at_is_kept() -> None:
    """When it is opened again."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("v", "u", "m", "escape")
        await open_map(top, "table syscalls/syscalls")
        await top.press("escape")
        await open_map(top, "syscalls/calls")
        await top.says("pid 100", "m all rows")
        assert (detail(top).mode, detail(top)._opened.unit.name) == ("histogram", "slot numbers")

    dashboard(MapFeed(), steps)


# ---- files


def test_a_histogram_is_what_is_exported_where_it_is_all_there_is_or_has_the_focus() -> None:
    """Else it is the table."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await tick(top)
        view = detail(top)
        assert view.export_sheet() is None
        await top.press("tab")
        await top.until(lambda: isinstance(top.screen.focused, Histogram))
        sheet = view.export_sheet()
        assert sheet is not None
        assert [column.name for column in sheet.columns] == ["bound_low", "bound_high", "count"]
        await top.press("tab")
        await top.until(lambda: isinstance(top.screen.focused, Heatmap))
        sheet = view.export_sheet()
        assert sheet is not None
        assert sheet.name == "map syscalls/calls slots over time"
        assert sheet.columns[0].name == "taken_ns"
        await top.press("v")
        assert view.export_sheet() is None

    dashboard(MapFeed(), steps, LARGE)


def test_beside_a_picture_either_can_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has the focus, but the picture may be what is meant. Where only one is in sight there is no choice."""
    monkeypatch.chdir(tmp_path)

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/calls")
        await top.press("E")
        await top.says("CSV: its numbers")
        assert "of the picture" not in top.text
        await top.press("escape", "v")
        for key, suffix in (("C", "csv"), ("J", "json"), ("c", "csv")):
            await top.press("E")
            await top.says("Export map syscalls/calls: 60 rows", "CSV of the picture: ")
            before = len(list(tmp_path.iterdir()))
            await top.press(key)
            await top.until(lambda: len(list(tmp_path.iterdir())) > before)  # noqa: B023
            assert any(each.suffix == f".{suffix}" for each in tmp_path.iterdir())

    dashboard(MapFeed(), steps)
    (picture,) = tmp_path.glob("*slots-histogram*.json")
    document = json.loads(picture.read_text())
    assert document["name"] == "map syscalls/calls slots histogram"
    assert [each["name"] for each in document["columns"]] == ["bound_low", "bound_high", "count"]
    assert sum(row["count"] for row in document["rows"]) > 0
    tables = [each.read_text().split("\n")[0] for each in tmp_path.glob("*.csv")]
    assert sorted(each.split(",")[0] for each in tables) == ["bound_low", "pid"]


def test_the_picture_of_an_array_is_exported_on_a_small_terminal() -> None:
    """There is no table to be seen."""

    async def steps(top: Dashboard) -> None:
        await open_map(top, "syscalls/latency_ns")
        await top.press("v")
        await top.until(lambda: not grid(top).display)
        sheet = detail(top).export_sheet()
        assert sheet is not None
        assert len(sheet) == 32

    dashboard(MapFeed(), steps)
