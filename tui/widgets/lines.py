"""What is done with single lines before they are drawn."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip

from tui.draw.palette import Palette


def plain(line: Strip) -> Strip:
    """Return a line in one style: a cursor is reversed, and several colours would make a patchwork of it."""
    return Strip([Segment(line.text)], line.cell_length)


def clipped(line: Strip, room: int, palette: Palette, begin: int = 0) -> Strip:
    """Return what of a line is in sight from a column on; marks on either side say that there is more."""
    more = line.cell_length > begin + room
    if begin and line.cell_length:
        line = Strip.join([Strip([Segment("‹", palette.muted)]), line.crop(begin + 1)])
    return Strip.join([line.crop(0, max(room - 1, 0)), Strip([Segment("…", palette.muted)])]) if more else line
