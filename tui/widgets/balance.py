"""The ledger as a balance."""

from __future__ import annotations

from textual.geometry import Size
from textual.strip import Strip

from tracerd.snapshot import Ledger
from tui.draw.balance import balance, balance_height
from tui.draw.palette import Palette
from tui.widgets.picture import Picture


class Balance(Picture):
    """A bar and an equation, as high as they need to be."""

    DEFAULT_CSS = """
    Balance { height: auto; }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name=name, id=id, classes=classes)
        self._ledger = Ledger(0, 0)

    def show(self, ledger: Ledger) -> None:
        """Show another balance."""
        if ledger == self._ledger:
            return
        width = self.content_size.width
        higher = balance_height(ledger, width) != balance_height(self._ledger, width)
        self._ledger = ledger
        self.redraw()
        if higher:
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """Return how many lines there are at a width."""
        return balance_height(self._ledger, width)

    def draw(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """Return bar and equation."""
        return balance(self._ledger, width, height, palette)
