"""The grid under the mouse, and how it looks in other terminals and themes."""

from __future__ import annotations

from tests.tui.gridded import Shown, with_grid
from tests.tui.sheets import calls_sheet, numbered
from tui.model.arrange import Order
from tui.widgets.grid import Grid


def test_a_click_on_the_header_sorts_and_another_turns_it_round() -> None:
    """By the column below the pointer; beside the last one nothing happens."""

    async def steps(shown: Shown) -> None:
        await shown.click(30, 0)
        assert shown.grid.order == Order("count", descending=True)
        await shown.click(30, 0)
        assert shown.grid.order == Order("count", descending=False)
        await shown.click(70, 0)
        assert len(shown.told(Grid.Sorted)) == 2

    with_grid(calls_sheet(), steps)


def test_a_click_selects_a_row_and_another_chooses_it() -> None:
    """A click below the last row does neither."""

    async def steps(shown: Shown) -> None:
        await shown.click(5, 3)
        assert (shown.grid.cursor_key, shown.told(Grid.Chosen)) == ((1, "read"), [])
        await shown.pause(0.6)                   # longer than a double click
        await shown.click(5, 3)
        assert [each.key for each in shown.told(Grid.Chosen)] == [(1, "read")]
        await shown.click(5, 9)
        assert shown.grid.cursor_key == (1, "read")

    with_grid(calls_sheet(), steps)


def test_a_double_click_chooses_once() -> None:
    """Also on a row that is selected already."""

    async def steps(shown: Shown) -> None:
        await shown.click(5, 3, times=2)
        assert [each.key for each in shown.told(Grid.Chosen)] == [(1, "read")]
        await shown.pause(0.6)
        await shown.click(5, 3, times=2)
        assert len(shown.told(Grid.Chosen)) == 2

    with_grid(calls_sheet(), steps)


def test_the_wheel_scrolls_and_leaves_the_cursor() -> None:
    """The header stays."""

    async def steps(shown: Shown) -> None:
        shown.grid.scroll_down(animate=False)
        await shown.pause()
        assert (shown.lines[0].split(), shown.first_words[0], shown.at) == (["id", "left"], "1", 0)

    with_grid(numbered(100), steps)


def test_a_wheel_turned_sideways_scrolls_columns() -> None:
    """As the keys do."""

    async def steps(shown: Shown) -> None:
        shown.grid.on_mouse_scroll_right()
        await shown.pause()
        assert shown.lines[0].startswith("‹pid  syscall")
        shown.grid.on_mouse_scroll_left()
        await shown.pause()
        assert shown.lines[0].startswith(" pid  comm")

    with_grid(calls_sheet(), steps, (34, 11))


def test_the_scrollbar_tells_where_one_is() -> None:
    """Also when it was hidden in between, while the filter left nothing to scroll."""

    async def steps(shown: Shown) -> None:
        await shown.press("G")
        assert shown.grid.vertical_scrollbar.position == 90
        shown.grid.filter = "id=5"
        await shown.pause()
        assert not shown.grid.show_vertical_scrollbar
        shown.grid.filter = ""
        await shown.pause()
        assert (shown.grid.show_vertical_scrollbar, shown.grid.vertical_scrollbar.position) == (True, 0)
        assert shown.first_words[0] == "0"

    with_grid(numbered(100), steps)


def test_the_row_stays_in_sight_when_the_terminal_shrinks() -> None:
    """It would be below the last line otherwise."""

    async def steps(shown: Shown) -> None:
        await shown.press("pagedown", "k")
        await shown.pilot.resize_terminal(40, 6)
        await shown.pause()
        assert (shown.at, shown.first_words) == (9, ["5", "6", "7", "8", "9"])

    with_grid(numbered(100), steps)


def test_the_cursor_is_seen_without_colours() -> None:
    """It is reversed, with the focus and without."""

    async def steps(shown: Shown) -> None:
        for focused in (True, False):
            if not focused:
                shown.grid.blur()
                await shown.pause()
            strip = shown.grid.render_line(1)
            assert all(segment.style is not None and segment.style.reverse for segment in strip)
            assert not any(segment.style is not None and segment.style.reverse for segment in shown.grid.render_line(2))

    with_grid(calls_sheet(), steps)


def test_colours_follow_the_theme() -> None:
    """Also those of lines that are painted already."""

    async def steps(shown: Shown) -> None:
        before = shown.grid.render_line(0)
        shown.pilot.app.theme = "textual-light"
        await shown.pause()
        after = shown.grid.render_line(0)
        assert [segment.text for segment in after] == [segment.text for segment in before]
        assert after != before

    with_grid(calls_sheet(), steps)
