"""The recent past of one number, in one line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from textual.strip import Strip

from tui.draw.palette import Palette
from tui.draw.spark import spark
from tui.draw.ticks import Format, axis_number
from tui.widgets.picture import Picture


class Spark(Picture):
    """Small bars and the last value."""

    DEFAULT_CSS = """
    Spark { height: 1; }
    """

    def __init__(
        self,
        format: Format = axis_number,  # noqa: A002
        *,
        room: int = 0,
        curve: int = 0,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        """`room`: columns for the value, so that several lines align. `curve`: which of the palette's colours."""
        super().__init__(name=name, id=id, classes=classes)
        self._format, self._room, self._curve = format, room, curve
        self._values: npt.NDArray[np.float64] = np.zeros(0)

    def show(self, values: npt.NDArray[np.float64]) -> None:
        """Show other values, oldest first."""
        if not np.array_equal(values, self._values, equal_nan=True):
            self._values = values
            self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:  # noqa: ARG002
        """Return the line."""
        return [spark(self._values, width, palette, format=self._format, room=self._room, index=self._curve)]
