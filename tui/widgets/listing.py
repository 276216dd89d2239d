"""Instructions with the source lines that they come from, and a cursor to walk through them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tracerd.daemon.feed import ListingLine
from tracerd.text import printable
from tui.draw.palette import Palette
from tui.widgets.lines import clipped, plain
from tui.widgets.picture import palette_of

FAILING = "✗"
"""What stands beside the instruction that could not be proved."""

_SOURCE = re.compile(r"(?P<file>.*?):(?P<line>\d+):? ?(?P<text>.*)", re.DOTALL)
_TAB = "    "


class _Row(NamedTuple):
    """One line of the widget. What is no instruction belongs to the one beside it."""

    instruction: int
    kind: Literal["code", "source", "note"]
    text: str


class Listing(ScrollView, can_focus=True):
    """A program's instructions. The cursor goes from instruction to instruction."""

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
        self._rows: list[_Row] = []
        self._places: list[int] = []             # of the rows that are instructions
        self._marks: Mapping[int, str] = {}
        self._failing: int | None = None
        self._digits = 1
        self._cursor = 0                         # which of the instructions

    @property
    def instruction(self) -> int | None:
        """The instruction under the cursor; None if there are none."""
        return self._rows[self._places[self._cursor]].instruction if self._places else None

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
        self._lines, self._marks, self._failing = tuple(lines), marks or {}, failing
        self._rows = list(_rows(self._lines, notes or {}))
        self._places = [place for place, row in enumerate(self._rows) if row.kind == "code"]
        self._digits = max((len(str(line.instruction)) for line in self._lines), default=1)
        self.virtual_size = Size(0, len(self._rows))
        self.refresh()
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
        """Keep the cursor in sight."""
        self._reveal()

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
        first = place - (place > 0 and self._rows[place - 1].kind == "source")
        last = place + (place + 1 < len(self._rows) and self._rows[place + 1].kind == "note")
        wanted = min(top, first) if first < top else max(top, last - height + 1)
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

    def _segments(self, row: _Row, palette: Palette) -> list[Segment]:
        margin = " " * (self._digits + 5)
        if row.kind == "source":
            return [Segment(margin), *_source(row.text, palette)]
        if row.kind == "note":
            return [Segment(margin + "  "), Segment(row.text, palette.bad)]
        failing = row.instruction == self._failing
        mark = FAILING if failing else self._marks.get(row.instruction, " ")
        loud = palette.bad if failing else palette.warn if mark != " " else Style.null()
        return [
            Segment(f" {mark}", loud),
            Segment(f" {row.instruction:>{self._digits}}  ", palette.muted),
            Segment("  " + row.text, palette.bad if failing else Style.null()),
        ]


def _rows(lines: Sequence[ListingLine], notes: Mapping[int, str]) -> list[_Row]:
    rows = []
    for line in lines:
        if line.source is not None:
            rows.append(_Row(line.instruction, "source", line.source))
        rows.append(_Row(line.instruction, "code", printable(line.text)))
        if line.instruction in notes:
            rows.append(_Row(line.instruction, "note", printable(notes[line.instruction])))
    return rows


def _source(text: str, palette: Palette) -> list[Segment]:
    """Return "file:line: text" with the file's last name only."""
    found = _SOURCE.fullmatch(text)
    if found is None:
        return [Segment(printable(text.strip().replace("\t", _TAB)), palette.curve(0))]
    file = found["file"].replace("\\", "/").rpartition("/")[2]
    return [
        Segment(f"{printable(file)}:{found['line']}  ", palette.muted),
        Segment(printable(found["text"].strip().replace("\t", _TAB)), palette.curve(0)),
    ]
