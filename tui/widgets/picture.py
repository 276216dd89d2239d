"""What all pictures have in common: drawn line by line, and only again when there is something else to draw."""

from __future__ import annotations

from abc import abstractmethod

from textual.app import App
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tui.draw.palette import Palette

_MANY_COLOURS = ("truecolor", "256")


class Picture(Widget):
    """A widget whose lines come from a pure function of what it was last given, its size and the palette."""

    ALLOW_SELECT = False

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._strips: list[Strip] = []
        self._drawn: tuple[object, ...] | None = None

    @abstractmethod
    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """Return the lines of the picture as it is now."""

    def redraw(self) -> None:
        """Draw again: something else is to be seen. Nothing is done for a picture that nobody looks at."""
        self._drawn = None
        self.refresh()

    @property
    def room(self) -> Size:
        """The cells that there are for the picture."""
        return self.scrollable_content_region.size

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        size, palette, style = self.room, palette_of(self.app), self.visual_style.rich_style
        wanted = (size, palette, style)
        if self._drawn != wanted:
            lines = self.draw(size.width, size.height, palette)
            self._strips = [strip.apply_style(style) for strip in lines]
            self._drawn = wanted
        return self._strips[y] if y < len(self._strips) else Strip.blank(size.width, style)


def palette_of(app: App[object]) -> Palette:
    """Return the palette for an app's theme and terminal."""
    few = app.no_color or app.native_ansi_color or app.console.color_system not in _MANY_COLOURS
    return Palette(dark=app.current_theme.dark, few=few)
