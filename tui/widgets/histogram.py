"""A histogram; keys scroll it where it is higher than its room."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.draw.histogram import Distribution, histogram
from tui.draw.palette import Palette
from tui.widgets.picture import Picture


class Histogram(Picture, ScrollView, can_focus=True):
    """Rows of bars below a heading that stays where it is."""

    DEFAULT_CSS = """
    Histogram { height: 1fr; min-height: 3; overflow-x: hidden; overflow-y: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Up", show=False),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("g", "scroll_home", "Top", show=False),
        Binding("G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._values: Distribution | None = None

    def show(self, values: Distribution) -> None:
        """Show other values; where the rows are scrolled to stays."""
        if self._values is not None and values.same(self._values):
            return
        self._values = values
        self._measure()
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        """Have the rows end at the edge."""
        self._measure()
        self.redraw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Draw the rows that are seen now."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """Return the heading and the rows that are seen."""
        if self._values is None:
            return []
        return histogram(self._values, width, height, palette, first=round(self.scroll_y))

    def _measure(self) -> None:
        rows = len(self._values.rows) if self._values is not None else 0
        self.virtual_size = Size(self.room.width, rows + 1)
