"""Instructions with their source lines: what is drawn, and where the cursor goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.tui.feeds import LINES
from tests.tui.piloted import piloted, screen_text
from tracerd.daemon.feed import ListingLine
from tui.widgets.listing import Listing

Steps = Callable[[Pilot[Any], "Show"], Awaitable[None]]


class Show(App[None]):
    """A listing alone, which writes down what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []

    def compose(self) -> ComposeResult:
        yield Listing()

    def on_listing_moved(self, message: Listing.Moved) -> None:
        assert message.control is self.listing
        self.told.append(message.instruction)

    @property
    def listing(self) -> Listing:
        return self.query_one(Listing)


def showing(steps: Steps, size: tuple[int, int] = (60, 12)) -> None:
    """Take steps with a listing."""
    app = Show()
    piloted(app, lambda pilot: steps(pilot, app), size)


def test_source_lines_stand_above_their_instructions() -> None:
    """By the file's last name; numbers are aligned."""
    lines = [ListingLine(9, "r0 = 0", "/long/way/to/a.bpf.c:7: \treturn 0;"), ListingLine(10, "exit")]

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(lines)
        await pilot.pause()
        assert screen_text(app)[:3] == ["       a.bpf.c:7  return 0;", "    9    r0 = 0", "   10    exit"]

    showing(steps)


def test_marks_stand_beside_and_notes_below_instructions() -> None:
    """The failing one has its own."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(LINES[5:7], {5: "▸"}, failing=6, notes={6: "needs more"})
        await pilot.pause()
        assert screen_text(app)[:4] == [
            " ▸ 5    if r3 > r2 goto +2", "      drop.bpf.c:18  return header->protocol;",
            " ✗ 6    r0 = *(u8 *)(r1 + 22)", "        needs more",
        ]  # fmt: skip

    showing(steps)


def test_text_that_a_terminal_would_obey_is_shown_with_escapes() -> None:
    """Source lines come with the object."""
    lines = [ListingLine(0, "\x1b[2J", "\x1bevil.c:1: \x1b]0;title\x07[bold]"), ListingLine(1, "exit", "no place")]

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(lines, notes={0: "\x9b"})
        await pilot.pause()
        assert screen_text(app)[:4] == [
            "      \\x1bevil.c:1  \\x1b]0;title\\x07[bold]", "   0    \\x1b[2J", "        \\x9b", "      no place",
        ]  # fmt: skip

    showing(steps)


def test_it_begins_at_the_failing_instruction_in_sight() -> None:
    """With its source line and its note."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(LINES, failing=8, notes={8: "why"})
        await pilot.pause()
        assert app.listing.instruction == 8
        assert screen_text(app)[-3:] == ["      drop.bpf.c:16  return 0;", " ✗ 8    r0 = 0", "        why"]

    showing(steps, (60, 5))


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        (["down"], 1), (["j", "j", "j"], 3), (["down", "up"], 0), (["j", "k"], 0), (["up"], 0), (["end"], 9),
        (["G"], 9), (["G", "home"], 0), (["G", "g"], 0), (["pagedown"], 9), (["G", "pageup"], 0), (["ctrl+d"], 5),
        (["G", "ctrl+u"], 4),
    ],
)  # fmt: skip
def test_keys_go_from_instruction_to_instruction(keys: list[str], at: int) -> None:
    """Source lines are passed over; every move is told."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.focus()
        app.listing.show(LINES)
        await pilot.press(*keys)
        await pilot.pause()
        assert app.listing.instruction == at
        assert app.told[-1:] == ([at] if app.told else [])

    showing(steps)


def test_the_cursor_stays_when_the_same_instructions_are_shown_again() -> None:
    """Other instructions begin at their first."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(LINES)
        app.listing.go(4)
        app.listing.show(list(LINES), {4: "▸"})
        assert app.listing.instruction == 4
        app.listing.show(LINES[:3])
        assert app.listing.instruction == 0
        app.listing.show([])
        assert app.listing.instruction is None
        await pilot.press("down", "G")

    showing(steps)


def test_going_to_what_is_no_instruction_goes_to_the_one_before() -> None:
    """The second half of a wide one."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show([ListingLine(0, "r1 = map[0] ll"), ListingLine(2, "exit")])
        app.listing.go(2)
        app.listing.go(1)
        await pilot.pause()
        assert app.told == [2, 0]

    showing(steps)


def test_a_click_goes_to_an_instruction_or_the_one_a_source_line_belongs_to() -> None:
    """Below the last line nothing is."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(LINES[:4])
        await pilot.click(Listing, offset=(5, 2))
        assert app.listing.instruction == 1
        await pilot.click(Listing, offset=(5, 4))
        assert app.listing.instruction == 3
        await pilot.click(Listing, offset=(5, 11))
        assert app.listing.instruction == 3

    showing(steps)


def test_what_is_long_goes_on_below() -> None:
    """At a blank, further to the right; an instruction's, its source's and its note's."""
    lines = [ListingLine(0, "r1 = *(u64 *)(r10 - 0x18) and more", "a.c:61: struct key key = { .pid = pid >> 32 };")]

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(lines, failing=0, notes={0: "needs r2 + 1 <= data_end, has r2 - 16 <= data_end"})
        await pilot.pause()
        assert screen_text(app)[:7] == [
            "      a.c:61  struct key key = {", "          .pid = pid >> 32 };",
            " ✗ 0    r1 = *(u64 *)(r10 - 0x18)", "          and more",
            "        needs r2 + 1 <= data_end,", "          has r2 - 16 <= data_end", "",
        ]  # fmt: skip

    showing(steps, (36, 12))


def test_the_cursor_keeps_its_instruction_when_lines_are_folded_anew() -> None:
    """A click on what goes on is one on its instruction."""
    lines = [ListingLine(number, "x " * 20) for number in range(30)]

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show(lines)
        app.listing.go(20)
        await pilot.resize_terminal(30, 12)
        await pilot.pause()
        assert app.listing.instruction == 20
        assert any(row.startswith("   20    x") for row in screen_text(app))
        app.listing.go(0)
        await pilot.pause()
        await pilot.click(Listing, offset=(20, 3))
        assert app.listing.instruction == 1

    showing(steps, (60, 12))


def test_what_would_take_too_many_lines_is_cut_with_a_mark() -> None:
    """The widget never draws beyond its edge, and where there is hardly room nothing is folded."""

    async def steps(pilot: Pilot[Any], app: Show) -> None:
        app.listing.show([ListingLine(0, "x" * 400, "a.c:1: " + "界" * 200)])
        await pilot.pause()
        assert all(cell_len(row) <= 30 for row in screen_text(app))
        assert [place for place, row in enumerate(screen_text(app)) if row.endswith("…")] == [5, 11]
        await pilot.resize_terminal(12, 15)
        await pilot.pause()
        assert [row.endswith("…") for row in screen_text(app)[:3]] == [True, True, False]

    showing(steps, (30, 15))
