"""Instructions with the source lines that they come from, and a cursor to walk through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tracerd.daemon.feed import ListingLine
from tui.draw.palette import Palette
from tui.model.listing import CODE, MORE, SOURCE, ListingRow, digits_of, listing_rows, widest
from tui.widgets.lines import clipped, plain
from tui.widgets.picture import palette_of

FAILING = "✗"
"""What stands beside the instruction that could not be proved."""

BAR = 1
"""Columns of the scrollbar."""


class Listing(ScrollView, can_focus=True):
    """A program's instructions; what is long goes on below. The cursor goes from instruction to instruction."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"listing--cursor"}
    DEFAULT_CSS = """
    Listing { height: 1fr; background: $surface; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    Listing > .listing--cursor { color: $foreground 60%; background: $surface; text-style: reverse; }
    Listing:focus > .listing--cursor { color: $primary; background: $surface; text-style: bold reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next instruction", show=False),
        Binding("up,k", "move(-1)", "Instruction before", show=False),
        Binding("pagedown", "page(1.0)", "Page on", show=False),
        Binding("pageup", "page(-1.0)", "Page back", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page on", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page back", show=False),
        Binding("home,g", "end(-1)", "First", show=False),
        Binding("end,G", "end(1)", "Last", show=False),
    ]

    class Moved(Message):
        """The cursor is at another instruction."""

        def __init__(self, listing: Listing, instruction: int) -> None:
            super().__init__()
            self.listing = listing
            self.instruction = instruction

        @property
        def control(self) -> Listing:
            """The listing it is in."""
            return self.listing

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id, classes=classes)
        self._lines: tuple[ListingLine, ...] = ()
        self._notes: Mapping[int, str] = {}
        self._rows: list[ListingRow] = []
        self._room = 0                           # columns that they were made for
        self._places: list[int] = []             # of the rows that are instructions
        self._marks: Mapping[int, str] = {}
        self._failing: int | None = None
        self._digits = 1
        self._widest = 0
        self._cursor = 0                         # which of the instructions

    @property
    def instruction(self) -> int | None:
        """The instruction under the cursor; None if there are none."""
        return self._rows[self._places[self._cursor]].instruction if self._places else None

    @property
    def widest(self) -> int:
        """How many columns it takes for nothing to go on below."""
        return self._widest + BAR

    def show(
        self,
        lines: Sequence[ListingLine],
        marks: Mapping[int, str] | None = None,
        failing: int | None = None,
        notes: Mapping[int, str] | None = None,
    ) -> None:
        """Show a program. `marks` are one character each, beside instructions; `notes` stand below theirs.

        The cursor stays where it was if the instructions are the same; else it is at the failing one, or the first.
        """
        same = tuple(lines) == self._lines
        self._lines, self._notes = tuple(lines), notes or {}
        self._marks, self._failing = marks or {}, failing
        self._digits = digits_of(self._lines)
        self._widest = widest(self._lines, self._notes)
        self._fold()
        if not same:
            self._cursor = 0
            self.scroll_to(y=0, animate=False, force=True)
            if failing is not None:
                self.go(failing)

    def go(self, instruction: int) -> None:
        """Put the cursor on an instruction, or the last one before it."""
        among = [index for index, place in enumerate(self._places) if self._rows[place].instruction <= instruction]
        self._put(among[-1] if among else 0)

    def action_move(self, by: int) -> None:
        """Go to another instruction."""
        self._put(self._cursor + by)

    def action_page(self, by: float) -> None:
        """Go on or back by a part of what is in sight."""
        self._put(self._cursor + int(by * max(self.size.height - 2, 1)))

    def action_end(self, which: int) -> None:
        """Go to the first or the last instruction."""
        self._put(len(self._places) - 1 if which > 0 else 0)

    def on_click(self, event: events.Click) -> None:
        """Go to the instruction under the mouse, or the one that a source line belongs to."""
        row = event.y + self.scroll_offset.y
        if 0 <= row < len(self._rows):
            self.go(self._rows[row].instruction)

    def on_resize(self) -> None:
        """Fold lines to the new width; keep the cursor in sight."""
        if self._room != self.content_size.width - BAR:
            self._fold()
        self._reveal()

    def _fold(self) -> None:
        """Make the lines. They leave room for a scrollbar, so that one that comes or goes changes none of them."""
        self._room = self.content_size.width - BAR
        self._rows = listing_rows(self._lines, self._notes, self._room)
        self._places = [place for place, row in enumerate(self._rows) if row.kind == "code" and not row.more]
        self.virtual_size = Size(0, len(self._rows))
        self.refresh()

    def _put(self, index: int) -> None:
        if not self._places:
            return
        index, before = min(max(index, 0), len(self._places) - 1), self._cursor
        if index == before:
            return
        self._cursor = index
        self._reveal()
        self.refresh()
        self.post_message(self.Moved(self, self._rows[self._places[index]].instruction))

    def _reveal(self) -> None:
        """Scroll so that the cursor can be seen, with the source line above it and a note below."""
        if not self._places or not self.size.height:
            return
        place, top, height = self._places[self._cursor], self.scroll_offset.y, self.size.height
        first = last = place
        while first > 0 and self._rows[first - 1].instruction == self._rows[place].instruction:
            first -= 1
        while last + 1 < len(self._rows) and self._rows[last + 1].instruction == self._rows[place].instruction:
            last += 1
        wanted = min(top, first) if first < top else max(top, last - height + 1)
        wanted = min(max(wanted, place - height + 1), place)         # whatever has no room
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        width, base = self.scrollable_content_region.width, self.visual_style.rich_style
        place = y + self.scroll_offset.y
        if place >= len(self._rows):
            return Strip.blank(width, base)
        row, here = self._rows[place], bool(self._places) and place == self._places[self._cursor]
        palette = palette_of(self.app)
        line = clipped(Strip(self._segments(row, palette)), width, palette)
        if here:
            line, base = plain(line), self.get_component_rich_style("listing--cursor")
        return line.apply_style(base).extend_cell_length(width, base)

    def _segments(self, row: ListingRow, palette: Palette) -> list[Segment]:
        failing = row.instruction == self._failing
        loud = palette.bad if failing else Style.null()
        style = palette.curve(0) if row.kind == "source" else palette.bad if row.kind == "note" else loud
        if row.more or row.kind == "note":
            return [Segment(" " * (self._digits + (MORE if row.more else CODE))), Segment(row.text, style)]
        if row.kind == "source":
            return [Segment(" " * (self._digits + SOURCE)), Segment(row.place, palette.muted), Segment(row.text, style)]
        mark = FAILING if failing else self._marks.get(row.instruction, " ")
        return [
            Segment(f" {mark}", palette.bad if failing else palette.warn if mark != " " else Style.null()),
            Segment(f" {row.instruction:>{self._digits}}  ", palette.muted),
            Segment("  " + row.text, style),
        ]
