"""A histogram over time: a column for each interval, newest on the right, a row for each slot, heat for how many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
from textual.strip import Strip

from tracerd.views.format import count as thousands
from tracerd.views.format import duration
from tui.draw.canvas import Canvas, Piece, fit, line, pieces_width
from tui.draw.palette import HEAT_STEPS, Palette, shade
from tui.draw.slots import Counts, Edges, bounds, used
from tui.draw.ticks import Format, age_label, age_ticks, axis_number

_NARROW = 20                # below this width there are no bounds on the left
_LEAST_TOP = 10.0           # a picture of single events is not all heat
_MOST_LINES = 2             # of one slot
_GAP = "┊"

Levels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """How often values fell into each slot in each interval: `counts` has shape (intervals, slots).

    `times` (ns, ascending) are the intervals' ends. A row of NaN is an interval of which nothing is known.
    """

    times: npt.NDArray[np.int64]
    counts: Counts
    edges: Edges
    format: Format = duration

    def same(self, other: Heat) -> bool:
        """Return whether both would be drawn alike."""
        return (
            self.edges == other.edges
            and self.format is other.format
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.counts, other.counts, equal_nan=True)
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: the interval's end, its slots (several where rows had to be joined), and how many fell into them."""

    taken_ns: int
    slots: range
    count: float


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Where everything goes: decided once, so that what is drawn and what is under the pointer agree."""

    heat: Heat
    left: int                   # columns of the bounds
    columns: range              # which intervals, oldest first; the newest is in the last column of the picture
    width: int
    rows: tuple[range, ...]     # which slots, the largest values first
    lines: int                  # of each row
    ages: bool
    legend: bool

    @classmethod
    def of(cls, heat: Heat, width: int, height: int) -> Plan:
        """Return a plan for a size. Where there are more slots than lines neighbours are joined; where there are fewer,
        slots around those in use are shown too."""
        ages, legend = height >= 3, height >= 4
        room = max(height - ages - legend, 1)
        slots = used(np.nan_to_num(heat.counts, nan=0.0).sum(axis=0)) if len(heat.times) else range(0)
        joined = 1
        while slots and len(_rows(slots, joined)) > room:
            joined += 1
        lines = min(max(room // max(len(_rows(slots, joined)), 1), 1), _MOST_LINES)
        slots = _around(slots, room // lines, joined, len(heat.edges) - 1)
        rows = tuple(reversed(_rows(slots, joined)))
        texts = [_bound(heat, each) for each in rows] if width >= _NARROW else []
        left = min(max(map(len, texts), default=-2) + 2, width // 2)
        number = len(heat.times)
        return cls(heat, left, range(max(number - (width - left), 0), number), width, rows, lines, ages, legend)

    @property
    def height(self) -> int:
        """The lines of the picture itself."""
        return len(self.rows) * self.lines

    @property
    def first_column(self) -> int:
        """Where the oldest interval is drawn."""
        return self.width - len(self.columns)

    def fullest(self) -> tuple[int, int]:
        """Return the place of the cell of the newest interval that has most."""
        cells = [self._cell(len(self.heat.times) - 1, row).count for row in self.rows]
        return self.width - 1, int(np.argmax(np.nan_to_num(cells, nan=0.0))) * self.lines

    def at(self, x: int, y: int) -> Cell | None:
        """Return the cell at a place of the whole picture, if one is there."""
        column = len(self.heat.times) - (self.width - x)
        if x < self.left or column not in self.columns or not 0 <= y < self.height:
            return None
        return self._cell(column, self.rows[y // self.lines])

    def find(self, taken_ns: int, slot: int) -> tuple[int, int] | None:
        """Return the place where an interval's slot is drawn, if it is."""
        column = int(np.searchsorted(self.heat.times, taken_ns))
        row = next((number for number, slots in enumerate(self.rows) if slot in slots), None)
        if column not in self.columns or self.heat.times[column] != taken_ns or row is None:
            return None
        return self.width - len(self.heat.times) + column, row * self.lines

    def levels(self) -> tuple[Levels, float]:
        """Return the heat of each cell, shape (rows, columns), -1 where nothing is known, and the largest count."""
        counts = self.heat.counts[self.columns.start:self.columns.stop]
        cells = np.array([counts[:, row.start:row.stop].sum(axis=1) for row in self.rows])
        known = np.isfinite(cells)
        cells = np.where(known, cells, 0.0)
        top = float(cells.max(initial=0.0))
        heat = np.log(np.maximum(cells, 1.0)) / np.log(max(top, _LEAST_TOP))
        levels = np.where(cells > 0, 1 + np.rint(heat * (HEAT_STEPS - 1)), 0)
        return np.where(known, levels, -1).astype(np.int64), top

    def _cell(self, column: int, slots: range) -> Cell:
        count = float(self.heat.counts[column, slots.start:slots.stop].sum())
        return Cell(int(self.heat.times[column]), slots, count)


def heatmap(
    plan: Plan, height: int, palette: Palette, *, cursor: tuple[int, int] | None = None
) -> list[Strip]:
    """Return the picture of a plan. `cursor` is a place (x, y) of it: the last line tells what is there.

    A column of "┊" is an interval of which nothing is known; an empty one is one in which nothing happened.
    """
    width = plan.width
    if width < 1 or height < 1:
        return [line((), width) for _ in range(height)]
    if not plan.rows:
        return [line([(fit("nothing counted yet", width), palette.muted)], width)] + [line((), width)] * (height - 1)
    levels, top = plan.levels()
    strips = list(_lines(plan, levels, palette, cursor))
    if plan.ages:
        strips.append(_ages(plan, palette))
    if plan.legend:
        cell = plan.at(*cursor) if cursor else None
        strips.append(_legend(plan, top, cell, palette))
    return strips[:height] + [line((), width)] * (height - len(strips))


def _rows(slots: range, joined: int) -> list[range]:
    """Return groups of slots that begin at multiples: they do not move when a new slot comes into use."""
    start = slots.start // joined * joined
    return [range(max(each, slots.start), min(each + joined, slots.stop)) for each in range(start, slots.stop, joined)]


def _around(slots: range, rows: int, joined: int, number: int) -> range:
    """Return slots with more above and below, as many as so many rows have room for."""
    if not slots:
        return slots
    more = rows - len(_rows(slots, joined))
    first, last = (slots.start // joined, (slots.stop - 1) // joined)
    above = min((more + 1) // 2, (number - 1) // joined - last)
    below = min(more - above, first)
    above = min(more - below, (number - 1) // joined - last)
    return range(max((first - below) * joined, 0) if below else slots.start,
                 min((last + above + 1) * joined, number) if above else slots.stop)


def _bound(heat: Heat, slots: range) -> str:
    low = heat.edges[slots.start]
    return heat.format(low) if np.isfinite(low) else bounds(low, heat.edges[slots.stop], heat.format)


def _lines(plan: Plan, levels: Levels, palette: Palette, cursor: tuple[int, int] | None) -> Iterator[Strip]:
    empty = plan.width - plan.left - len(plan.columns)
    for number, slots in enumerate(plan.rows):
        cells = levels[number].tolist()
        for part in range(plan.lines):
            text = _bound(plan.heat, slots) if part == plan.lines - 1 else ""
            pieces: list[Piece] = []
            if plan.left:
                pieces += [(fit(text, plan.left - 2).rjust(plan.left - 2), palette.muted)]
                pieces += [(" ┤" if text else " │", palette.faint)]
            pieces.append((" " * empty, palette.text))
            if cursor is not None and cursor[1] // plan.lines == number:
                at = cursor[0] - plan.left - empty
                pieces += _run(cells[:max(at, 0)], palette)
                pieces += [("┼", palette.cursor(each)) for each in cells[max(at, 0):max(at + 1, 0)]]
                pieces += _run(cells[max(at + 1, 0):], palette)
            else:
                pieces += _run(cells, palette)
            yield line(pieces, plan.width)


def _run(levels: list[int], palette: Palette) -> Iterator[Piece]:
    for level, same in groupby(levels):
        number = sum(1 for _ in same)
        if level < 0:
            yield _GAP * number, palette.faint
        elif level == 0:
            yield " " * number, palette.text
        else:
            yield shade(level) * number, palette.heat(level)


def _ages(plan: Plan, palette: Palette) -> Strip:
    """Write how long ago columns were. They know their times: a gap is one column, however long it was."""
    canvas = Canvas(plan.width, 1)
    times = plan.heat.times[plan.columns.start:plan.columns.stop]
    now = int(times[-1])
    free = plan.width + 1
    for age in age_ticks(now - int(times[0]), max(1, len(times) // 12)):
        at = int(np.searchsorted(times, now - age))
        interval = int(times[at] - times[at - 1]) if at else int(times[1] - times[0]) if len(times) > 1 else 1
        if abs(int(times[at]) - (now - age)) * 2 > interval:
            continue                                                # in a gap
        label = age_label(age)
        x = plan.width - len(times) + at
        begin = min(max(x - len(label) // 2, plan.left), plan.width - len(label))
        if begin >= 0 and begin + len(label) < free:
            canvas.write(begin, 0, label, palette.muted)
            free = begin
    return canvas.strips()[0]


def _legend(plan: Plan, top: float, cell: Cell | None, palette: Palette) -> Strip:
    """Say what is under the cursor on the right, and what heat means with as many words as there is room for."""
    told = fit(_told(plan.heat, cell), plan.width) if cell is not None else ""
    steps = [("1 ", palette.muted), *_run(list(range(1, HEAT_STEPS + 1)), palette)]
    most = axis_number(max(top, _LEAST_TOP))
    indent = (" " * plan.left, palette.text)
    legends: tuple[list[Piece], ...] = (
        [indent, *steps, (f" {most} per interval  {_GAP} not known", palette.muted)],
        [indent, *steps, (f" {most} per interval", palette.muted)],
        [*steps, (f" {most}", palette.muted)],
        [],
    )
    room = plan.width - len(told)
    legend = next(each for each in legends if pieces_width(each) + 2 * bool(told and each) <= room)
    return line([*legend, (" " * (room - pieces_width(legend)), palette.text), (told, palette.strong)], plan.width)


def _told(heat: Heat, cell: Cell) -> str:
    many = thousands(cell.count) if np.isfinite(cell.count) else "not known"
    text = bounds(heat.edges[cell.slots.start], heat.edges[cell.slots.stop], heat.format)
    return f"{age_label(int(heat.times[-1]) - cell.taken_ns)}  {text}  {many}"
