"""Cells to draw on, and lines made of pieces: always exactly as wide as asked."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.cells import cell_len, get_character_cell_size, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tracerd.text import printable

Piece = tuple[str, Style]


class Canvas:
    """A rectangle of cells, each with a character and a style. What lies outside is not drawn."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(width, 0), max(height, 0)
        self._characters = [[" "] * self.width for _ in range(self.height)]
        self._styles = [[Style.null()] * self.width for _ in range(self.height)]

    def write(self, x: int, y: int, text: str, style: Style) -> None:
        """Put text on a line, one character a cell. A character two cells wide takes two, if both are there."""
        if not 0 <= y < self.height:
            return
        for character in text:
            cells = get_character_cell_size(character)
            if cells and x >= 0 and x + cells <= self.width:
                self._characters[y][x:x + cells] = [character, ""][:cells]
                self._styles[y][x:x + cells] = [style] * cells
            x += cells

    def put(self, x: int, y: int, character: str, style: Style) -> None:
        """Put a character that is one cell wide into a cell."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._characters[y][x] = character
            self._styles[y][x] = style

    def strips(self) -> list[Strip]:
        """Return the lines."""
        return [
            Strip([Segment(text, style) for text, style in self._runs(y)], self.width) for y in range(self.height)
        ]

    def _runs(self, y: int) -> Iterable[Piece]:
        """Yield pieces of one style each: a terminal gets a colour once, not for every cell."""
        start = 0
        for style, run in groupby(self._styles[y]):
            end = start + sum(1 for _ in run)
            yield "".join(self._characters[y][start:end]), style
            start = end


def line(pieces: Iterable[Piece], width: int) -> Strip:
    """Return pieces one after the other as a line, cut or filled up to a width."""
    width = max(width, 0)
    whole = Strip([Segment(text, style) for text, style in pieces if text] or [Segment("", Style.null())])
    return whole.adjust_cell_length(width, Style.null())


def fit(text: str, width: int) -> str:
    """Return text that takes at most so many cells; "…" stands for what had no room."""
    text = printable(text)
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}…" if width > 0 else ""


def pieces_width(pieces: Iterable[Piece]) -> int:
    """Return how many cells pieces take."""
    return sum(cell_len(text) for text, _ in pieces)
