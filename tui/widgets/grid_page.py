"""What of a sheet is in sight: which columns have room, how wide they are, and every line as runs of one style.

Pure: nothing here knows the widget. Only rows and columns that are in sight are formatted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

from rich.cells import cell_len, set_cell_size

from tui.draw.canvas import fit
from tui.model.arrange import Order
from tui.model.cells import ZEROS, cells
from tui.model.sheet import Places, Sheet, SheetColumn

GAP = 2
"""Blanks between columns; one is on either edge."""

LEAST_TEXT = 8
"""Text may be cut at the right edge if so much of it is left; numbers are never cut."""

MOST_TEXT = 32
"""A column of text gets no more until all columns have what they need."""

SPACIOUS = 60
"""Columns of a terminal from which on there is room for a word about columns that are left out."""

UP, DOWN = "▲", "▼"


class Tone(IntEnum):
    """How a run is painted."""

    BASE = 0
    RATE = 1
    ZERO = 2
    ALERT = 3
    HEADER = 4
    SORTED = 5
    CURSOR = 6


Line = tuple[tuple[str, Tone], ...]
"""Runs, together as wide as the grid."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A column that is in sight, and its cells from top to bottom."""

    column: SheetColumn
    texts: list[str]
    width: int

    @property
    def cuttable(self) -> bool:
        return not self.column.numeric


@dataclass(slots=True)
class Page:
    """The columns in sight. `left` and `right` are how many columns are hidden on either side."""

    placed: list[Placed] = field(default_factory=list)
    left: int = 0
    right: int = 0

    def column_at(self, x: int) -> SheetColumn | None:
        """Return the column of a place in a line: the nearest, but none beyond the last."""
        end = 1
        for each in self.placed:
            end += each.width + GAP
            if x < end - 1:
                return each.column
        return None


def layout(
    sheet: Sheet, rows: Places, width: int, skip: int, grown: dict[str, int], clock_offset_ns: int = 0
) -> Page:
    """Return the columns that have room. Those that tell rows apart stay; of the others `skip` are scrolled away.

    Columns are never narrower than they were in `grown`, which is kept up to date: numbers that change do not make them
    jump.
    """
    measured: dict[str, Placed] = {}

    def measure(column: SheetColumn) -> Placed:
        if column.name not in measured:
            texts = cells(column, rows, clock_offset_ns)
            widest = max(map(_width, texts), default=0)
            grown[column.name] = max(_width(column.heading), widest, grown.get(column.name, 0))
            measured[column.name] = Placed(column, texts, grown[column.name])
        return measured[column.name]

    pinned = _pinned(sheet, measure, width)
    moving = [column for column in sheet.columns if column.name not in pinned]
    skip = min(skip, max(len(moving) - 1, 0))
    hidden = {column.name for column in moving[:skip]}
    wanted = [column for column in sheet.columns if column.name not in hidden]
    placed = _place(wanted, measure, width - 2)
    if len(placed) < len(wanted):
        placed = _place(wanted, measure, max(width - 1 - len(_mark(9, width)), 1))
    return Page(placed, skip, len(wanted) - len(placed))


def _pinned(sheet: Sheet, measure: Callable[[SheetColumn], Placed], width: int) -> set[str]:
    """Keys stay in sight when others are scrolled, unless they take half of the room."""
    taken = sum(min(measure(column).width, MOST_TEXT) + GAP for column in sheet.keys)
    return {column.name for column in sheet.keys} if taken <= width // 2 else set()


def _place(columns: list[SheetColumn], measure: Callable[[SheetColumn], Placed], room: int) -> list[Placed]:
    """Return the first columns, as many as there is room for, at least one."""
    placed: list[Placed] = []
    left = room
    for column in columns:
        one = measure(column)
        width = min(one.width, MOST_TEXT) if one.cuttable else one.width
        gap = GAP if placed else 0
        if gap + width > left:
            if placed and not (one.cuttable and left - gap >= LEAST_TEXT):
                break
            width = left - gap
        placed.append(replace(one, width=width))
        left -= gap + width
    return _widened(placed, measure, left)


def _widened(placed: list[Placed], measure: Callable[[SheetColumn], Placed], spare: int) -> list[Placed]:
    """Give what is left over to columns of text that have more."""
    widened = []
    for one in placed:
        more = min(spare, max(measure(one.column).width - one.width, 0))
        spare -= more
        widened.append(replace(one, width=one.width + more) if more else one)
    return widened


def header(page: Page, order: Order | None, width: int) -> Line:
    """Return the line of titles. The column that rows are in the order of has a mark behind its title."""
    runs: list[tuple[str, Tone]] = []
    text = "‹" if page.left else " "
    for one in page.placed:
        title = _padded(one.column.heading, one.width, right=one.column.kind == "number")
        if order is None or order.column != one.column.name:
            text += title + " " * GAP
            continue
        mark = DOWN if order.descending else UP
        bare = title.rstrip()
        runs += [(text, Tone.HEADER), (bare + mark, Tone.SORTED)]
        text = " " * (len(title) - len(bare) + GAP - 1)
    runs.append((text, Tone.HEADER))
    if page.right:
        mark = _mark(page.right, width)
        runs = [*_exactly(runs, max(width - len(mark), 0), Tone.HEADER), (mark, Tone.HEADER)]
    return _exactly(runs, width, Tone.HEADER)


def _mark(hidden: int, width: int) -> str:
    """Return what says how many columns are hidden on the right."""
    return f" {hidden} more › " if width >= SPACIOUS else f" ›{hidden} "


def lines(page: Page, width: int) -> list[Line]:
    """Return the lines of all rows in sight."""
    columns = [_toned(one) for one in page.placed]
    return [_line(parts, width) for parts in zip(*columns, strict=True)]


def under_cursor(line: Line) -> Line:
    """Return a line as it is painted where the cursor is."""
    return (("".join(text for text, _ in line), Tone.CURSOR),)


def message(text: str, width: int) -> Line:
    """Return a line that says why there are no rows."""
    return _exactly([(" " + fit(text, width - 2), Tone.ZERO)], width, Tone.BASE)


def _toned(one: Placed) -> list[tuple[str, Tone]]:
    """Return a column's cells, as wide as it is, each with how it is painted."""
    column, width = one.column, one.width
    right, usual = column.kind == "number", Tone.RATE if column.per_second else Tone.BASE
    if not right:
        return [(_padded(text, width), usual) for text in one.texts]
    other = Tone.ALERT if column.alert else usual
    return [(_padded(text, width, right=True), Tone.ZERO if text in ZEROS else other) for text in one.texts]


def _line(parts: tuple[tuple[str, Tone], ...], width: int) -> Line:
    runs: list[tuple[str, Tone]] = []
    text, tone = " ", Tone.BASE
    for part, wanted in parts:
        if wanted is not tone:
            runs.append((text, tone))
            text, tone = "", wanted
        text += part + "  "
    runs.append((text, tone))
    return _exactly(runs, width, Tone.BASE)


def _exactly(runs: list[tuple[str, Tone]], width: int, tone: Tone) -> Line:
    """Cut runs, or fill them up, so that they are as wide as asked."""
    taken: list[tuple[str, Tone]] = []
    left = width
    for text, own in runs:
        size = _width(text)
        shown = text if size <= left else set_cell_size(text, left)
        if shown:
            taken.append((shown, own))
        left -= min(size, left)
    if left:
        taken.append((" " * left, tone))
    return tuple(taken)


def _padded(text: str, width: int, *, right: bool = False) -> str:
    size = _width(text)
    if size > width:
        text = fit(text, width)
        size = _width(text)
    return " " * (width - size) + text if right else text + " " * (width - size)


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
