"""How full something is: a map, a queue, a spool."""

from __future__ import annotations

from math import isfinite

from rich.style import Style
from textual.strip import Strip

from tui.draw.canvas import Piece, fit, line
from tui.draw.palette import Palette

NEARLY, FULL = 0.8, 0.95
"""From these shares on a meter warns, and says that there is no room left."""

_EIGHTHS = "▏▎▍▌▋▊▉█"
_LEAST_BAR = 4


def bar(share: float, width: int) -> str:
    """Return a bar of at most so many cells, in eighths of a cell. What is more than nothing is seen."""
    share = min(max(share, 0.0), 1.0) if isfinite(share) else 0.0
    eighths = max(round(share * width * 8), 1 if share > 0 and width > 0 else 0)
    whole, rest = divmod(eighths, 8)
    return _EIGHTHS[-1] * whole + (_EIGHTHS[rest - 1] if rest else "")


def meter(used: float, limit: float, width: int, palette: Palette, text: str = "", room: int = 0) -> Strip:
    """Return a bar, its share in percent and a text; "!" and a colour where it is nearly full.

    `room` is how many columns texts have, so that meters below each other align. A limit of 0 means that there is none:
    then only the text is shown. Where there is no room for all, the text goes first, then the bar.
    """
    if limit <= 0 or not isfinite(limit) or not isfinite(used):
        return line([(fit(text or "–", width), palette.muted)], width)
    share = used / limit
    style = _style(share, palette)
    told = f"{_percent(share)}%{'!' if share >= NEARLY else ' '}".rjust(5)
    text = f" {fit(text, 40).ljust(room)}" if text or room else ""
    long = width - len(told) - 1
    if long < _LEAST_BAR:
        return line([(fit(told.strip(), width), style)], width)
    if long - len(text) < _LEAST_BAR:
        text = ""
    long -= len(text)
    full = bar(share, long)
    pieces: list[Piece] = [
        (full, style), ("╌" * (long - len(full)), palette.faint), (f" {told}", style), (text, palette.muted),
    ]  # fmt: skip
    return line(pieces, width)


def _percent(share: float) -> int:
    """Return whole percent; only what is full is 100, only what is empty is 0."""
    rounded = round(min(max(share, 0.0), 10.0) * 100)
    if share < 1:
        rounded = min(rounded, 99)
    return max(rounded, 1) if share > 0 else rounded


def _style(share: float, palette: Palette) -> Style:
    return palette.bad if share >= FULL else palette.warn if share >= NEARLY else palette.good
