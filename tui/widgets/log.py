"""Lines as they come, the newest below, until somebody scrolls back. Only what is in sight is formatted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tracerd.text import printable
from tui.draw.palette import Palette
from tui.model.tail import Line, Lines, Note, clock, shown, title
from tui.model.tail_columns import GAP, Columns
from tui.widgets.lines import clipped, plain
from tui.widgets.picture import palette_of

PAN = 8
"""Columns that a key moves the picture sideways."""

READ_AT = "read at"
"""What the times are called that lines begin with."""

_WIDEST_NAME = 28
_DRAWN = 512


class Log(ScrollView, can_focus=True):
    """Shows what is shown of some lines. Its owner adds to them, and calls `moved` then."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--cursor"}
    DEFAULT_CSS = """
    Log { height: 1fr; background: $surface; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    Log > .log--cursor { color: $foreground 60%; background: $surface; text-style: reverse; }
    Log:focus > .log--cursor { color: $primary; background: $surface; text-style: bold reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Line before: stops following", show=False),
        Binding("down,j", "move(1)", "Next line", show=False),
        Binding("pageup", "page(-1.0)", "Page back: stops following", show=False),
        Binding("pagedown", "page(1.0)", "Page on", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page back", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page on", show=False),
        Binding("home,g", "first", "The oldest", show=False),
        Binding("end,G", "follow", "Follow the newest", show=False),
        Binding("left,h", "pan(-1)", "To the left", show=False),
        Binding("right,l", "pan(1)", "To the right", show=False),
        Binding("e", "expand", "Expand"),
        Binding("enter", "expand", "All fields", show=False),
    ]

    class Followed(Message):
        """It began to follow, or stopped."""

    class Expanded(Message):
        """All of a line is asked for."""

        def __init__(self, line: Line) -> None:
            super().__init__()
            self.line = line

    def __init__(self, lines: Lines, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self.lines = lines
        self.following = True
        self.cursor: int | None = None           # place of the line under the cursor; None while it follows
        self._offset_ns = 0
        self._name_width = 0                     # 0: all lines are of one stream, whose name is told elsewhere
        self._pan = 0
        self._alone = ""                         # the one stream, whose records stand in columns
        self._columns: defaultdict[str, Columns] = defaultdict(Columns)      # of each stream
        self._drawn: LRUCache[tuple[int, bool], Strip] = LRUCache(_DRAWN)
        self._look: object = None                # what the drawn lines depend on beside themselves

    # ---- what there is

    def moved(self, gone: int = 0) -> None:
        """There are other lines than before; of those that were shown `gone` have given way."""
        if self.cursor is not None:
            self.cursor = max(self.cursor - gone, 0) if len(self.lines) else None
        top = self.scroll_offset.y
        self._set_length(len(self.lines))
        if self.following:
            self._to_end()
        elif gone:
            self.scroll_to(y=max(top - gone, 0), animate=False, force=True)
        self.refresh()

    def renew(self) -> None:
        """Other lines are shown: follow them, from their left edge."""
        self._drawn.clear()
        self._columns.clear()
        self._pan = 0
        self.cursor = None
        self._follow(following=True)
        self.moved()

    def present(self, *, names: list[str], offset_ns: int) -> None:
        """Take how lines are to look: the names of the streams they are of, and the events' clock.

        Of one stream alone the name is not shown, and fields stand in columns.
        """
        alone = names[0] if len(names) == 1 else ""
        width = min(max(map(len, names)), _WIDEST_NAME) if len(names) > 1 else 0
        if alone != self._alone:
            self._columns.clear()
            self._pan = 0
        if (alone, width, offset_ns) != (self._alone, self._name_width, self._offset_ns):
            self._alone, self._name_width, self._offset_ns = alone, width, offset_ns
            self._drawn.clear()
            self.refresh()

    def heading(self) -> str:
        """Return the names of the columns as they stand now; "" where there are none."""
        names = self._columns[self._alone].heading() if self._alone else ""
        return f" {READ_AT:<{len(clock(0))}}  {names[self._pan :]}" if names else ""

    @property
    def below(self) -> int:
        """How many lines are below what is in sight."""
        return max(len(self.lines) - self.scroll_offset.y - self.size.height, 0)

    # ---- keys and mouse

    def action_move(self, by: int) -> None:
        """Go to another line; the first step back from the newest stops following."""
        if not len(self.lines):
            return
        last = len(self.lines) - 1
        if self.cursor is None:
            if by > 0:
                return
            self.cursor = last if self.following else min(self.scroll_offset.y + self.size.height - 1, last)
        elif self.cursor + by > last:
            self.action_follow()
            return
        else:
            self.cursor = max(self.cursor + by, 0)
        self._follow(following=False)
        self._reveal()

    def action_page(self, by: float) -> None:
        """Go on or back by a part of what is in sight."""
        if not len(self.lines):
            return
        last = len(self.lines) - 1
        to = (self.cursor if self.cursor is not None else last) + int(by * max(self.size.height - 1, 1))
        if to > last:
            self.action_follow()
            return
        self.cursor = max(to, 0)
        self._follow(following=False)
        self._reveal()

    def action_first(self) -> None:
        """Go to the oldest line."""
        if len(self.lines):
            self.cursor = 0
            self._follow(following=False)
            self._reveal()

    def action_follow(self) -> None:
        """Follow the newest line."""
        self.cursor = None
        self._follow(following=True)
        self.moved()

    def action_pan(self, by: int) -> None:
        """Move the picture sideways: time and name stay."""
        self._pan = max(self._pan + by * PAN, 0)
        self.refresh()

    def action_expand(self) -> None:
        """Ask for all of the line under the cursor, or of the newest."""
        if len(self.lines):
            at = self.cursor if self.cursor is not None else len(self.lines) - 1
            self.post_message(self.Expanded(self.lines[at]))

    def on_click(self, event: events.Click) -> None:
        """Take the line under the mouse; a second click expands it."""
        place = event.y + self.scroll_offset.y
        if 0 <= place < len(self.lines):
            self.cursor = place
            self._follow(following=False)
            self.refresh()
            if event.chain > 1:
                self.action_expand()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolled back by the mouse it stops following, at the end it follows again."""
        super().watch_scroll_y(old_value, new_value)
        at_end = round(new_value) >= self.max_scroll_y
        if at_end and self.cursor is None:
            self._follow(following=True)
        elif not at_end and new_value < old_value:
            self._follow(following=False)

    def on_resize(self) -> None:
        """Stay at the end, or keep the cursor in sight."""
        if self.following:
            self._to_end()
        else:
            self._reveal()

    def _follow(self, *, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.post_message(self.Followed())

    def _set_length(self, length: int) -> None:
        """Take how many lines there are. The screen is laid out anew only where the scrollbar comes or goes."""
        scrolls = length > self.container_size.height
        if not self.is_mounted or scrolls != self.show_vertical_scrollbar:
            self.virtual_size = Size(0, length)
            return
        self.set_reactive(Widget.virtual_size, Size(0, length))
        if scrolls:
            self.vertical_scrollbar.window_virtual_size = length

    def _to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def _reveal(self) -> None:
        if self.cursor is not None:
            top, height = self.scroll_offset.y, max(self.size.height, 1)
            self.scroll_to(y=min(max(top, self.cursor - height + 1), self.cursor), animate=False, force=True)
        self.refresh()

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        width, palette, base = self.scrollable_content_region.width, palette_of(self.app), self.visual_style.rich_style
        look = (width, palette, base, self._pan, self._name_width, self._offset_ns, self.has_focus)
        if look != self._look:
            self._drawn.clear()
            self._look = look
        place = y + self.scroll_offset.y
        if place >= len(self.lines):
            return Strip.blank(width, base)
        here = place == self.cursor
        key = (self.lines.number(place), here)
        drawn = self._drawn.get(key)
        if drawn is None:
            line = self.lines[place]
            if self._columns[line.stream].learn(line, self._offset_ns):
                self._drawn.clear()              # what is drawn already stands otherwise
                self.refresh()
            style = self.get_component_rich_style("log--cursor") if here else base
            strip = self._line(line, palette, width)
            drawn = (plain(strip) if here else strip).apply_style(style).extend_cell_length(width, style)
            self._drawn[key] = drawn
        return drawn

    def _line(self, line: Line, palette: Palette, width: int) -> Strip:
        head = [Segment(f" {clock(line.at_ns)}  ", palette.muted)]
        if self._name_width:
            head.append(Segment(f"{_short(line.stream, self._name_width):<{self._name_width}}  ", palette.curve(0)))
        left = Strip(head)
        room = max(width - left.cell_length, 0)
        text = Strip(self._text(line, palette))
        return Strip.join([left, clipped(text, room, palette, self._pan)]).crop(0, width)

    def _text(self, line: Line, palette: Palette) -> list[Segment]:
        if isinstance(line.value, Note):
            return [Segment(f"— {line.value.text} —", palette.warn)]
        columns = self._columns[line.stream]
        if self._alone and isinstance(line.value, Mapping):
            return [Segment(GAP.join(columns.cells(line, self._offset_ns)), palette.text)]
        segments: list[Segment] = []
        for path, value in columns.ordered(line.value):
            if segments:
                segments.append(Segment("  "))
            if path:
                segments.append(Segment(f"{printable(title(path, value))}=", palette.muted))
            segments.append(Segment(shown(path, value, line, self._offset_ns), palette.text))
        return segments


def _short(name: str, width: int) -> str:
    name = printable(name)
    return name if len(name) <= width else f"{name[: width - 1]}…"
