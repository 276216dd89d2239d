"""The picture of a table: a sheet's rows as lines, of which only those in sight are made, and only those that change
painted. Keys and mouse are `grid.Grid`'s.
"""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip
from textual.widget import Widget

from tui.model.arrange import Order
from tui.model.browsing import Browsing
from tui.model.cells import key_of, row_values
from tui.model.sheet import Places, Sheet
from tui.widgets.grid_page import Line, Page, Tone, header, layout, lines, message, under_cursor

_CLASSES = {
    Tone.RATE: "grid--rate", Tone.ZERO: "grid--zero", Tone.ALERT: "grid--alert", Tone.HEADER: "grid--header",
    Tone.SORTED: "grid--sorted", Tone.CURSOR: "grid--cursor",
}  # fmt: skip


class GridView(ScrollView):
    """Shows a sheet. The first line is the header; it stays when rows are scrolled."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--header", "grid--sorted", "grid--cursor", "grid--rate", "grid--zero", "grid--alert",
    }  # fmt: skip
    # The cursor is reversed, so that it is seen where there are no colours.
    DEFAULT_CSS: ClassVar[str] = """
    GridView { width: 1fr; height: 1fr; background: $surface; overflow-x: hidden; overflow-y: auto;
               scrollbar-size-vertical: 1; }
    GridView > .grid--header { background: $panel; color: $foreground; text-style: bold; }
    GridView > .grid--sorted { background: $panel; color: $primary; text-style: bold; }
    GridView > .grid--rate { text-style: bold; }
    GridView > .grid--zero { color: $foreground 55%; }
    GridView > .grid--alert { color: $error; text-style: bold; }
    GridView > .grid--cursor { color: $foreground 60%; background: $surface; text-style: reverse; }
    GridView:focus > .grid--cursor { color: $primary; background: $surface; text-style: bold reverse; }
    """

    class Moved(Message, namespace="grid"):
        """Another row is under the cursor, or none."""

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._browsing = Browsing()
        self._clock_offset_ns = 0
        self._told: object = None                # what `Moved` told last
        self._skip = 0                           # columns that are scrolled away
        self._grown: dict[str, int] = {}
        self._page = Page()
        self._drawn: tuple[object, ...] = ()     # what `_lines` were drawn of
        self._lines: list[Line] = []
        self._painted: list[Line] = []           # what the screen has
        self._styles: dict[Tone, Style] = {}

    # ---- what is shown

    def show(self, sheet: Sheet, clock_offset_ns: int = 0) -> None:
        """Show a sheet, or newer values of the one that is shown. Only lines that change are painted again."""
        before, seen = self.sheet, self._cursor_seen
        if before is None or before.name != sheet.name:
            self._skip = 0
            self._scroll_rows(0)
        if before is None or before.by_name.keys() != sheet.by_name.keys():
            self._grown = {}
        self._clock_offset_ns = clock_offset_ns
        self._browsing.show(sheet)
        self._rearranged(seen=seen)

    @property
    def sheet(self) -> Sheet | None:
        """What is shown."""
        return self._browsing.sheet

    @property
    def rows(self) -> Places:
        """The numbers of the sheet's rows that the filter leaves, in order."""
        return self._browsing.rows

    @property
    def order(self) -> Order | None:
        """The order of the rows: what was asked for if the sheet has that column, else its natural one."""
        return self._browsing.order

    @order.setter
    def order(self, order: Order | None) -> None:
        seen = self._cursor_seen
        self._browsing.sort(order)
        self._rearranged(seen=seen)

    @property
    def filter(self) -> str:
        """Which rows are shown; see `tui.model.filter`."""
        return self._browsing.filter

    @filter.setter
    def filter(self, text: str) -> None:
        seen = self._cursor_seen
        self._browsing.choose(text)
        self._rearranged(seen=seen)

    @property
    def filter_problem(self) -> str:
        """Why the filter is not understood: then it hides nothing."""
        return self._browsing.problem

    @property
    def visible_rows(self) -> int:
        """How many rows the filter leaves."""
        return len(self.rows)

    @property
    def total_rows(self) -> int:
        """How many rows there are."""
        return len(self.sheet) if self.sheet is not None else 0

    @property
    def cursor_values(self) -> dict[str, object] | None:
        """The row under the cursor: plain values by column name."""
        row = self._browsing.row
        return row_values(self.sheet, row) if self.sheet is not None and row is not None else None

    @property
    def cursor_key(self) -> tuple[object, ...] | None:
        """What tells the row under the cursor apart."""
        row = self._browsing.row
        return key_of(self.sheet, row) if self.sheet is not None and row is not None else None

    def _rearranged(self, *, seen: bool) -> None:
        """Rows are others, or in another order. A cursor that was in sight and follows its row stays in sight."""
        if self.sheet is not None:
            self._set_length(len(self.rows) + 1)
            self._moved(reveal=seen and self._browsing.held)

    def _set_length(self, length: int) -> None:
        """Take how many lines there are. The screen is laid out anew only where a scrollbar comes or goes."""
        if length == self.virtual_size.height:
            return
        scrolls = length > self.container_size.height
        if not self.is_mounted or scrolls != self.show_vertical_scrollbar:
            self.virtual_size = Size(0, length)
        else:
            if scrolls:
                self._tell_scrollbar(length)
            self.set_reactive(Widget.virtual_size, Size(0, length))
        self._scroll_rows(min(self._top, self.max_scroll_y))

    def _tell_scrollbar(self, length: int) -> None:
        """Have the scrollbar painted only where its thumb differs: that costs as much as a third of all lines."""
        before, height = max(self.virtual_size.height, 1), self.container_size.height
        if any(8 * height * part // length != 8 * height * part // before for part in (self._top, height)):
            self.vertical_scrollbar.window_virtual_size = length
        else:
            self.vertical_scrollbar.set_reactive(ScrollBar.window_virtual_size, length)

    def _scroll_rows(self, top: int) -> None:
        if top != self._top:
            self.scroll_to(y=top, animate=False)

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    @property
    def _body(self) -> int:
        """How many rows are in sight."""
        return max(self.size.height - 1, 1)

    @property
    def _cursor_seen(self) -> bool:
        return self._top <= self._browsing.cursor < self._top + self._body

    def _moved(self, *, reveal: bool) -> None:
        """Paint what the cursor has changed, and tell that it has."""
        cursor = self._browsing.cursor
        if reveal:
            self._scroll_rows(min(max(self._top, cursor - self._body + 1), cursor))
        self._paint()
        row = self._browsing.row
        told = (self.sheet.name, self.cursor_key or row) if self.sheet is not None and row is not None else None
        if told != self._told:
            self._told = told
            self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell the scrollbar also while it is hidden: it would come back where it was."""
        super().watch_scroll_y(old_value, new_value)
        self.vertical_scrollbar.position = new_value

    def on_resize(self) -> None:
        """Keep the row in sight that the user has gone to."""
        self._moved(reveal=self._browsing.held)

    # ---- drawing

    def notify_style_update(self) -> None:
        """Colours have changed."""
        super().notify_style_update()
        self._styles = {}
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        self._draw()
        self._painted = self._lines
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self._style(Tone.BASE))
        return Strip([Segment(text, self._style(tone)) for text, tone in self._lines[y]], width)

    def _paint(self) -> None:
        """Have the lines painted that are not as they were."""
        self._draw()
        before, now = self._painted, self._lines
        self._painted = now
        if not self.is_mounted or not self.size:
            return
        if len(before) != len(now):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, now, strict=True)) if old != new]
        if changed:
            # As one region: regions that are many cost more than lines that are painted though they need not be.
            self.refresh(Region(0, changed[0], self.size.width, changed[-1] - changed[0] + 1))

    def _draw(self) -> None:
        """Make the lines in sight, unless they are made."""
        width, height, top, cursor = *self.size, self._top, self._browsing.cursor
        wanted = (self._browsing.version, width, height, top, cursor)
        if (*wanted, self._skip) == self._drawn or self.sheet is None or not width:
            return
        rows = self.rows[top : top + height - 1]
        self._page = layout(self.sheet, rows, width, self._skip, self._grown, self._clock_offset_ns)
        self._skip = self._page.left
        body = lines(self._page, width) if len(rows) else [message(self._nothing, width)]
        if len(rows) and top <= cursor < top + len(body):
            body[cursor - top] = under_cursor(body[cursor - top])
        self._lines = [header(self._page, self.order, width), *body]
        self._drawn = (*wanted, self._skip)

    @property
    def _nothing(self) -> str:
        """Why there are no rows."""
        return f"no row of {self.total_rows:,} matches {self.filter}" if self.total_rows else "nothing yet"

    def _style(self, tone: Tone) -> Style:
        if tone not in self._styles:
            self._styles[tone] = self.get_component_rich_style(_CLASSES[tone]) if tone in _CLASSES else self.rich_style
        return self._styles[tone]
