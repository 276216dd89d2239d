"""What random keys over hostile feeds once broke, each by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.tui.dashboard import Dashboard, dashboard
from tests.tui.feeds import MadeFeed, made_feed
from tui.model.alerts import alerts
from tui.model.rows import Field, sheet_of_rows
from tui.model.seen import KEPT_GONE, Seen
from tui.screens.dialogs import Help
from tui.widgets.listing import Listing


def test_numbers_of_64_bits_are_numbers_in_the_tables_that_are_made_here() -> None:
    """Counters have no sign; one that is beside a negative number, or larger, is at least nearly right."""
    fields = (Field("n", "count"),)
    largest = 2**64 - 1
    for values in ([1, largest], [-1, 2**63 - 1], [-1, largest], [2**80, 0]):
        column = sheet_of_rows("made", fields, ((each,) for each in values)).columns[0]
        assert column.numeric
        assert [float(each) for each in column.values] == [float(each) for each in values]
    assert sheet_of_rows("made", fields, [(largest,)]).columns[0].values.tolist() == [largest]


def test_help_is_scrolled_by_vim_keys() -> None:
    """A key of its own once ended the dashboard."""

    async def steps(top: Dashboard) -> None:
        await top.press("4", "question_mark")
        assert isinstance(top.screen, Help)
        box = top.screen.query_one(".box")
        await top.press("j", "j", "j")
        assert box.scroll_y == 3
        await top.press("k")
        assert box.scroll_y == 2

    dashboard(made_feed(), steps)


def test_where_there_is_no_room_for_the_palette_there_is_none() -> None:
    """Textual's ends everything there at the first key that moves in it; also where the terminal shrinks later."""

    async def steps(top: Dashboard) -> None:
        await top.press("ctrl+p")
        assert len(top.app.screen_stack) == 2
        await top.pilot.resize_terminal(80, 3)
        await top.until(lambda: len(top.app.screen_stack) == 1)
        await top.press("ctrl+p", "pagedown")
        await top.told("no room for the palette")
        assert top.app.is_running

    dashboard(made_feed(), steps)


def test_a_program_that_was_replaced_is_followed_under_its_new_number() -> None:
    """A reload gives it another number, and other text; the number may be another program's by then."""
    feed = made_feed()
    asked: list[int] = []
    disasm = feed.disasm

    def text(program: int, *, source: bool = False) -> dict[str, Any]:
        asked.append(program)
        return {**disasm(program, source=source), "lines": [{"instruction": 0, "text": f"r0 = {program}"}]}

    feed.disasm = text  # type: ignore[method-assign]

    async def steps(top: Dashboard) -> None:
        await top.press("2", "end", "enter")
        await top.says("r0 = ")
        name = str(top.screen.query_one("#name").render())
        look, (first,) = feed.look(), asked
        moved = tuple(replace(each, id=each.id % 3 + 1) for each in look.programs)
        feed.look = lambda: replace(look, programs=moved)  # type: ignore[method-assign]
        for _ in range(2):
            await top.pilot.pause(1.0)           # a look is taken so often
            await top.tick()
        await top.says(f"r0 = {first % 3 + 1}")
        assert name == str(top.screen.query_one("#name").render())
        assert "unloaded" not in top.text
        assert top.screen.query_one(Listing).instruction == 0

    dashboard(feed, steps, (160, 45))


def test_a_clock_that_steps_back_makes_no_negative_rate_of_losses() -> None:
    """Between two moments there is less than no time then."""
    feed, seen = made_feed(lost=100), Seen()
    seen.see(feed.moment(), feed.look())
    feed.lost = 200
    now = feed.moment()
    seen.see(replace(now, taken_ns=now.taken_ns - 3600 * 10**9, uptime_ns=now.uptime_ns + 1), feed.look())
    assert seen.seconds < 0
    (text,) = [each.text for each in alerts(seen) if each.screen == "sources"]
    assert "a second" not in text


def test_programs_that_are_gone_are_forgotten_after_a_while() -> None:
    """A machine that loads and unloads programs for weeks is no reason to grow."""
    feed, seen = made_feed(), Seen()
    for number in range(3 * KEPT_GONE):
        moment = feed.moment()
        programs = (*moment.programs, replace(moment.programs[0], name=f"p{number}"))
        seen.see(replace(moment, programs=programs), feed.look())
        feed.at += 1
    assert len(seen.programs) <= KEPT_GONE + 4
    assert ("syscalls", "on_enter") in seen.programs
    assert ("syscalls", f"p{3 * KEPT_GONE - 2}") in seen.programs


def test_a_mistake_in_the_thread_that_follows_is_told() -> None:
    """The last picture would stay as if it were live otherwise."""

    class Wrong(MadeFeed):
        wrong = False

        def moment(self) -> Any:
            if self.wrong:
                raise ValueError("7 is no moment")
            return super().moment()

    feed = Wrong()

    async def steps(top: Dashboard) -> None:
        feed.wrong = True
        feed.tick()
        await top.says("away", "ValueError: 7 is no moment")
        feed.wrong = False
        feed.tick()
        await top.says("● live")

    dashboard(feed, steps, (120, 30))


def test_slots_that_are_no_numbers_are_drawn_nevertheless() -> None:
    """A program may put what it likes into an array of floats."""
    from tui.model.cells import cells
    from tui.model.sheet import SheetColumn

    slots = np.array([[np.nan, np.inf, 1.0, -5.0] * 4, [0.0] * 16])
    column = SheetColumn("slots", "slots", slots)
    assert cells(column, np.arange(2)) == [" █▁ " * 3 + " █▁", "-"]


