"""Values over time."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from tui.draw.chart import PLAIN, Curve, Scale, chart
from tui.draw.palette import Palette
from tui.widgets.picture import Picture


class Chart(Picture):
    """A chart of one or several curves, newest on the right."""

    DEFAULT_CSS = """
    Chart { height: 1fr; min-height: 4; min-width: 20; }
    """

    def __init__(
        self,
        scale: Scale = PLAIN,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._scale = scale
        self._curves: tuple[Curve, ...] = ()

    def show(self, curves: Sequence[Curve], scale: Scale | None = None) -> None:
        """Show other curves, and on another scale if one is given."""
        scale = scale or self._scale
        alike = len(curves) == len(self._curves) and all(map(Curve.same, curves, self._curves))
        if alike and scale == self._scale:
            return
        self._curves, self._scale = tuple(curves), scale
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """Return the chart."""
        return chart(self._curves, width, height, palette, self._scale)
