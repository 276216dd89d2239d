"""A table of any length: sorted, filtered and drawn from numpy columns, of which only what is in sight becomes text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.model.arrange import Order, first_order
from tui.model.cells import find, key_of, row_texts
from tui.widgets.grid_view import GridView


class Grid(GridView, can_focus=True):
    """Shows a sheet. The first line is the header; it stays when rows are scrolled.

    The cursor follows a row that the user has gone to, wherever the order moves it; Home lets go of it, and the cursor
    stays on top. Order and filter are those of the user, whatever sheet is shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Row before", show=False),
        Binding("down,j", "move(1)", "Next row", show=False),
        Binding("pageup", "page(-1.0)", "Page back", show=False),
        Binding("pagedown", "page(1.0)", "Page on", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page back", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page on", show=False),
        Binding("home,g", "first", "First row; the cursor stays there", show=False),
        Binding("end,G", "last", "Last row", show=False),
        Binding("left,h", "scroll_columns(-1)", "Columns to the left", show=False),
        Binding("right,l", "scroll_columns(1)", "Columns to the right", show=False),
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "The other way round", show=False),
        Binding("0", "usual", "The usual order", show=False),
        Binding("e", "expand", "Expand"),
        Binding("enter", "choose", "Open", show=False),
    ]

    _click_held = False                          # the last click has selected its row: the second of two chooses it

    class Chosen(Message):
        """A row was chosen. `row` has plain values by column name, `key` those that tell it apart."""

        def __init__(self, row: Mapping[str, object], key: tuple[object, ...]) -> None:
            super().__init__()
            self.row, self.key = row, key

    class Expanded(Message):
        """All of a row is asked for: its texts in full, by title. `key` tells it apart, () where that is not known."""

        def __init__(self, grid: Grid, row: Mapping[str, str], key: tuple[object, ...]) -> None:
            super().__init__()
            self.grid, self.row, self.key = grid, row, key

    class Sorted(Message):
        """The user asked for another order; None: for the usual one."""

        def __init__(self, order: Order | None) -> None:
            super().__init__()
            self.order = order

    def _go(self, place: int, *, held: bool = True) -> None:
        """Put the cursor on a place."""
        self._browsing.go(place, held=held)
        self._moved(reveal=True)

    def action_move(self, by: int) -> None:
        """Go to another row."""
        self._go(self._browsing.cursor + by)

    def action_page(self, by: float) -> None:
        """Go on or back by a part of what is in sight."""
        self._go(self._browsing.cursor + int(by * self._body))

    def action_first(self) -> None:
        """Go to the first row, and stay there whichever it is."""
        self._go(0, held=False)

    def action_last(self) -> None:
        """Go to the last row."""
        self._go(len(self.rows) - 1)

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        values, key = self.cursor_values, self.cursor_key
        if values is not None and key is not None:
            self.post_message(self.Chosen(values, key))

    def action_expand(self) -> None:
        """Ask for all of the row under the cursor."""
        row = self._browsing.row
        if self.sheet is not None and row is not None:
            texts = row_texts(self.sheet, row, self._clock_offset_ns)
            self.post_message(self.Expanded(self, texts, key_of(self.sheet, row)))

    def texts_of(self, key: tuple[object, ...]) -> dict[str, str] | None:
        """Return the texts of the row that has a key, as it is now; None if there is none."""
        row = find(self.sheet, key, 0) if self.sheet is not None else None
        return row_texts(self.sheet, row, self._clock_offset_ns) if self.sheet is not None and row is not None else None

    # ---- columns

    def action_sort(self) -> None:
        """Sort by the next column."""
        if self.sheet is None or not self.sheet.columns:
            return
        names = [column.name for column in self.sheet.columns]
        following = names.index(self.order.column) + 1 if self.order is not None else 0
        self._sort_by(names[following % len(names)])

    def action_usual(self) -> None:
        """Have rows in the order that they come in unless somebody asks for another."""
        self._sort(None)

    def action_reverse(self) -> None:
        """Turn the order round."""
        if self.order is not None:
            self._sort(Order(self.order.column, not self.order.descending))

    def action_scroll_columns(self, by: int) -> None:
        """Show columns that are hidden on a side."""
        self._draw()
        if by < 0 < self._skip or (by > 0 and self._page.right):
            self._skip = max(self._skip + by, 0)
            self._paint()

    def _sort_by(self, name: str) -> None:
        """Sort by a column; by the one that rows are sorted by, the other way round."""
        if self.sheet is None:
            return
        if self.order is not None and self.order.column == name:
            self.action_reverse()
            return
        self._sort(first_order(self.sheet.by_name[name]))
        self._show_column(name)

    def _sort(self, order: Order | None) -> None:
        self.order = order
        self.post_message(self.Sorted(order))

    def _show_column(self, name: str) -> None:
        """Scroll as far as it takes until a column is in sight."""
        for skip in (self._skip, *range(len(self.sheet.columns) if self.sheet is not None else 0)):
            self._skip = skip
            self._draw()
            if name in (one.column.name for one in self._page.placed):
                break
        self._paint()

    # ---- the mouse

    def on_click(self, event: events.Click) -> None:
        """On the header: sort. On a row: select it, or choose the one that is selected."""
        at = event.get_content_offset(self)
        if at is None:
            return
        event.stop()
        if at.y == 0:
            column = self._page.column_at(at.x)
            if column is not None:
                self._sort_by(column.name)
            return
        if event.chain > 1:                      # rows may have moved since the first click: that is the one meant
            if event.chain == 2 and self._click_held:
                self.action_choose()
            return
        place = self._top + at.y - 1
        if place >= len(self.rows):
            return
        self._click_held = not (self._browsing.held and place == self._browsing.cursor)
        if self._click_held:
            self._go(place)
        else:
            self.action_choose()

    def on_mouse_scroll_right(self) -> None:
        """Show columns on the right."""
        self.action_scroll_columns(1)

    def on_mouse_scroll_left(self) -> None:
        """Show columns on the left."""
        self.action_scroll_columns(-1)
