"""The grid: every key, and what happens when newer numbers come in."""

from __future__ import annotations

import pytest
from textual.geometry import Region

from tests.tui.gridded import Shown, with_grid
from tests.tui.sheets import CALLS, calls_sheet, numbered, with_counts
from tui.model.arrange import Order
from tui.widgets.grid import Grid

# ---- what is shown


def test_rows_are_below_a_header_that_says_the_order() -> None:
    """The fastest first, without anybody having asked."""

    async def steps(shown: Shown) -> None:
        assert shown.lines[:5] == [
            " pid  comm         syscall  count/s▼ count  errors     p99",
            "  42  Web Content  futex         40     40      70   3.00s",
            "   1  systemd      read          30     30       -  50.0µs",
            "   7  dd           read          20     20       3  2.00ms",
            "   7  dd           write         10     10       -  1.23µs",
        ]
        assert (shown.grid.visible_rows, shown.grid.total_rows) == (4, 4)

    with_grid(with_counts(10, 20, 30, 40), steps)


def test_an_empty_table_says_so() -> None:
    """So does one whose rows the filter hides, and with which filter."""

    async def steps(shown: Shown) -> None:
        assert shown.lines[1] == " nothing yet"
        await shown.show(calls_sheet())
        shown.grid.filter = "nobody"
        await shown.pause()
        assert shown.lines[1] == " no row of 4 matches nobody"
        assert (shown.grid.visible_rows, shown.grid.total_rows, shown.grid.cursor_values) == (0, 4, None)
        await shown.press("j", "enter", "e", "S", "G", "pagedown")
        assert not shown.told(Grid.Chosen)

    with_grid(calls_sheet([]), steps)


def test_a_few_rows_may_come_late() -> None:
    """The first sheet comes when the grid has long been on the screen."""

    async def steps(shown: Shown) -> None:
        await shown.show(calls_sheet())
        assert shown.first_words == ["7", "7", "1", "42"]

    with_grid(None, steps)


def test_a_grid_without_a_sheet_obeys_no_key() -> None:
    """The daemon may be away when it starts."""

    async def steps(shown: Shown) -> None:
        await shown.press("j", "k", "s", "S", "e", "enter", "l", "h", "G", "g", "ctrl+d")
        assert shown.grid.cursor_values is None
        assert shown.told(Grid.Moved) == []

    with_grid(None, steps)


def test_names_are_never_markup() -> None:
    """A process that calls itself so is shown so."""

    async def steps(shown: Shown) -> None:
        assert "[bold red]x[/]" in shown.lines[1]

    with_grid(calls_sheet([(1, "[bold red]x[/]", "read", 1, 0, 0)]), steps)


def test_only_lines_that_changed_are_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number of ten thousand rows has changed: one line goes to the terminal; without a change, none does."""
    painted: list[tuple[Region, ...]] = []

    async def steps(shown: Shown) -> None:
        refresh = shown.grid.refresh
        monkeypatch.setattr(shown.grid, "refresh", lambda *regions: painted.append(regions) or refresh(*regions))
        calls = [list(call) for call in CALLS]
        await shown.show(calls_sheet([tuple(call) for call in calls]))  # type: ignore[misc]
        assert painted == []
        calls[1][4] = 4
        await shown.show(calls_sheet([tuple(call) for call in calls]))  # type: ignore[misc]
        assert painted == [(Region(0, 2, 80, 1),)]
        assert shown.lines[2].split() == ["7", "dd", "read", "8,000", "4", "2.00ms"]

    with_grid(calls_sheet(), steps)


def test_rows_that_come_and_go_do_not_lay_the_screen_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a scrollbar that comes or goes does; a position behind the end is none."""

    async def steps(shown: Shown) -> None:
        await shown.press("G")
        layouts: list[bool] = []
        refresh = shown.grid.refresh

        def noted(*regions: Region, layout: bool = False, **more: bool) -> Grid:
            layouts.append(layout)
            return refresh(*regions, layout=layout, **more)

        monkeypatch.setattr(shown.grid, "refresh", noted)
        await shown.show(numbered(50))
        assert shown.first_words == [str(row) for row in range(40, 50)]
        assert shown.at == 49
        assert not any(layouts)
        await shown.show(numbered(5))
        assert any(layouts)

    with_grid(numbered(100), steps)


# ---- the cursor


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ("j", 1), ("down", 1), ("j j k", 1), ("j up", 0), ("k", 0), ("G", 99), ("end", 99), ("G k", 98), ("G j", 99),
        ("G g", 0), ("end home", 0), ("pagedown", 10), ("pagedown pagedown pageup", 10), ("ctrl+d", 5),
        ("pagedown ctrl+u", 5), ("pageup", 0),
    ],
)  # fmt: skip
def test_keys_move_the_cursor_and_it_stays_in_sight(keys: str, row: int) -> None:
    """By a row, by half a page, by a page, to either end."""

    async def steps(shown: Shown) -> None:
        await shown.press(*keys.split())
        assert shown.at == row
        assert str(row) in shown.first_words

    with_grid(numbered(100), steps)


def test_the_screen_is_told_when_another_row_is_under_the_cursor() -> None:
    """Not when it is the same one still."""

    async def steps(shown: Shown) -> None:
        assert len(shown.told(Grid.Moved)) == 1
        await shown.press("j")
        await shown.show(numbered(100))
        await shown.press("G", "G")
        assert len(shown.told(Grid.Moved)) == 3

    with_grid(numbered(100), steps)


def test_it_stays_in_sight_while_it_follows() -> None:
    """A row that falls to the end takes the picture along."""

    async def steps(shown: Shown) -> None:
        shown.grid.order = Order("left", descending=True)
        await shown.press("j")
        assert shown.at == 1
        shown.grid.order = Order("left", descending=False)
        await shown.pause()
        assert shown.at == 1
        assert "1" in shown.first_words

    with_grid(numbered(100), steps)


def test_another_sheet_begins_at_its_top() -> None:
    """Order and filter are the user's, and stay."""

    async def steps(shown: Shown) -> None:
        shown.grid.filter = "id>3"
        await shown.press("G")
        await shown.show(numbered(80, "others"))
        assert (shown.at, shown.first_words[0], shown.grid.filter) == (4, "4", "id>3")

    with_grid(numbered(100), steps)


def test_enter_chooses_the_row_under_the_cursor() -> None:
    """The message has plain values, and the key alone."""

    async def steps(shown: Shown) -> None:
        await shown.press("j", "enter")
        (chosen,) = shown.told(Grid.Chosen)
        assert chosen.key == (7, "read")
        assert chosen.row == {
            "pid": 7, "comm": "dd", "syscall": "read", "count": 8000, "errors": 3, "p99_ns": 2_000_000,
        }  # fmt: skip

    with_grid(calls_sheet(), steps)


def test_e_tells_all_of_a_row() -> None:
    """Also the columns that have no room, and whole texts."""

    async def steps(shown: Shown) -> None:
        await shown.press("e")
        (expanded,) = shown.told(Grid.Expanded)
        assert expanded.row["comm"] == "x" * 60
        assert expanded.row["p99"] == "1.00ms"

    with_grid(calls_sheet([(1, "x" * 60, "read", 1, 0, 1_000_000)]), steps, (30, 11))


# ---- order and filter


def test_s_sorts_by_the_next_column_and_capital_s_turns_it_round() -> None:
    """Numbers largest first, texts from A; after the last column comes the first. 0 has them as they were."""

    async def steps(shown: Shown) -> None:
        for name in ("pid", "comm", "syscall", "count", "errors", "p99_ns", "pid"):
            await shown.press("s")
            assert shown.grid.order == Order(name, descending=name not in ("comm", "syscall"))
        await shown.press("S")
        assert shown.grid.order == Order("pid", descending=False)
        assert shown.first_words == ["1", "7", "7", "42"]
        assert [each.order for each in shown.told(Grid.Sorted)][-2:] == [Order("pid", True), Order("pid", False)]
        await shown.press("0")
        assert shown.grid.order is None
        assert shown.told(Grid.Sorted)[-1].order is None

    with_grid(calls_sheet(), steps)


def test_a_column_that_is_sorted_by_comes_into_sight() -> None:
    """Else nobody would see why rows have changed places."""

    async def steps(shown: Shown) -> None:
        await shown.press("s", "s", "s", "s", "s", "s")
        assert "p99▼" in shown.lines[0]
        await shown.press("s", "s")
        assert "comm▲" in shown.lines[0]

    with_grid(calls_sheet(), steps, (30, 11))


def test_an_order_by_a_column_that_is_not_there_is_kept_for_later() -> None:
    """Remembered orders come before the sheet they are for."""

    async def steps(shown: Shown) -> None:
        shown.grid.order = Order("left", descending=False)
        assert shown.grid.order is None
        await shown.show(numbered(3))
        assert shown.first_words == ["2", "1", "0"]

    with_grid(calls_sheet(), steps)


def test_a_filter_hides_rows_and_says_what_it_does_not_understand() -> None:
    """Then it hides nothing."""

    async def steps(shown: Shown) -> None:
        shown.grid.filter = "syscall=read"
        await shown.pause()
        assert (shown.grid.visible_rows, shown.first_words, shown.grid.filter_problem) == (2, ["7", "1"], "")
        shown.grid.filter = "sycall=read"
        assert shown.grid.visible_rows == 4
        assert "did you mean syscall?" in shown.grid.filter_problem

    with_grid(calls_sheet(), steps)


# ---- columns


@pytest.mark.parametrize(("right", "left"), [("l", "h"), ("right", "left")])
def test_columns_scroll_by_one(right: str, left: str) -> None:
    """As far as there are any on that side; the key stays."""

    async def steps(shown: Shown) -> None:
        assert shown.lines[0].split() == ["pid", "comm", "syscall", "›3"]
        await shown.press(right)
        assert shown.lines[0].split() == ["‹pid", "syscall", "count", "errors", "›1"]
        await shown.press(right, right, right, right)
        assert shown.lines[0].split()[-1] == "p99"
        await shown.press(*[left] * 6)
        assert shown.lines[0].split() == ["pid", "comm", "syscall", "›3"]

    with_grid(calls_sheet(), steps, (34, 11))
