"""The first screen's table: its title says its order, and it is the same table when it is looked at from near."""

from __future__ import annotations

import pytest

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.feeds import made_feed
from tests.tui.map_feed import MapFeed
from tracerd.daemon.feed import MapInfo
from tui.model.arrange import Order
from tui.screens.map_detail import MapDetail
from tui.screens.overview import Overview
from tui.widgets.grid import Grid

SIZE = (120, 30)


def grid(top: Dashboard) -> Grid:
    return top.screen.query_one(Grid)


def test_the_title_says_in_which_order_rows_are() -> None:
    """Busiest first until somebody sorts, and again after 0."""

    async def steps(top: Dashboard) -> None:
        await top.says("60 rows, busiest first")
        await top.press("s")
        await top.says("60 rows, by count, most first")
        await top.press("S")
        await top.says("60 rows, by count, least first")
        await top.press("0")
        await top.says("60 rows, busiest first")

    dashboard(made_feed(), steps, SIZE)


def test_enter_opens_the_table_as_it_is_looked_at_and_escape_comes_back() -> None:
    """Order, filter and groups are the table's, wherever it is shown; what is changed there is so here too."""

    async def steps(top: Dashboard) -> None:
        await top.press("b", "s", "s", "slash", *"pid=117", "enter")
        order = grid(top).order
        assert order is not None
        await top.says("syscalls/syscalls by pid: 1 of 20 rows")
        await top.press("enter")
        await top.until(lambda: isinstance(top.screen, MapDetail))
        await top.says("by pid")
        assert (grid(top).order, grid(top).filter, grid(top).visible_rows) == (order, "pid=117", 1)
        await top.says("filter: pid=117")
        await top.press("escape", "S", "escape")
        await top.until(lambda: isinstance(top.screen, Overview))
        assert (grid(top).order, grid(top).filter) == (Order(order.column, not order.descending), "")
        assert "filter: " not in top.text
        await top.press("enter", "b", "escape")
        await top.says("syscalls/syscalls by comm")

    dashboard(made_feed(), steps, SIZE)


@pytest.mark.parametrize(("size", "gone"), [((80, 24), "3,012 gone"), (SIZE, "3,012 rows of ended processes gone")])
def test_rows_of_ended_processes_are_missed_in_the_title(size: tuple[int, int], gone: str) -> None:
    """It fits at any width: what a key does is left out first."""
    calls = MapInfo(9, "more", "syscalls", "hash", 4, 8, 100, 40, 0, 4096, 1, False, expired=3012)

    async def steps(top: Dashboard) -> None:
        await top.says(f"60 rows, busiest first, {gone}")
        await top.press("s")
        await top.says(f"60 rows, by count, most first, {gone}")
        await top.press("enter")
        await top.until(lambda: isinstance(top.screen, MapDetail))
        await top.says(gone)

    dashboard(MapFeed(more=(calls,)), steps, size)


def test_while_it_is_paused_keys_arrange_the_rows_that_stand_there() -> None:
    """Order, filter and groups are of what is shown, not of what came since."""

    async def steps(top: Dashboard) -> None:
        def counted() -> int:
            sheet = grid(top).sheet
            assert sheet is not None
            return int(sheet.by_name["count"].numbers.sum())

        await top.says("60 rows, busiest first")
        before = counted()
        await top.press("space")
        await top.tick(3)
        for key in ("s", "S", "b", "0"):
            await top.press(key)
            assert counted() == before
        await top.press("slash", *"pid=117")
        assert counted() == before
        await top.press("escape", "space")
        await top.until(lambda: counted() > before, "newer rows")

    dashboard(made_feed(), steps, SIZE)


def test_going_elsewhere_leaves_what_was_opened() -> None:
    """A digit means a screen, not what was opened on it the last time."""

    async def steps(top: Dashboard) -> None:
        await top.press("enter")
        await top.until(lambda: isinstance(top.screen, MapDetail))
        await top.press("5", "1")
        await top.until(lambda: isinstance(top.screen, Overview))

    dashboard(made_feed(), steps, SIZE)
