"""A histogram as rows: bounds, a bar, how many, what share, and where the percentiles lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import numpy as np
from textual.strip import Strip

from tracerd.views.format import count as thousands
from tracerd.views.format import duration
from tui.draw.canvas import Piece, fit, line, pieces_width
from tui.draw.meter import bar
from tui.draw.palette import Palette
from tui.draw.slots import Counts, Edges, bounds, labels, percentile_slots, used
from tui.draw.ticks import Format

PERCENTS = (50, 90, 99)

_LEAST_BAR = 8


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """How often values fell into each slot; `edges` has one more than `counts`."""

    counts: Counts
    edges: Edges
    format: Format = duration

    def same(self, other: Distribution) -> bool:
        """Return whether both would be drawn alike."""
        return (
            self.edges == other.edges and self.format is other.format and np.array_equal(self.counts, other.counts)
        )

    @property
    def rows(self) -> range:
        """The slots that are shown."""
        return used(self.counts)


def histogram(
    values: Distribution, width: int, height: int, palette: Palette, *, first: int = 0
) -> list[Strip]:
    """Return a heading and as many rows as there is room for, from the `first` used slot on, small values on top."""
    if width < 1 or height < 1:
        return [line((), width) for _ in range(height)]
    counts = np.nan_to_num(np.asarray(values.counts, dtype=np.float64), nan=0.0).clip(0.0)
    if not counts.any():
        return [line([(fit("nothing counted yet", width), palette.muted)], width), *[line((), width)] * (height - 1)]
    texts = labels(values.edges, values.format)
    marks = percentile_slots(counts, PERCENTS)
    rows = used(counts)
    ends = [(values.edges[each], values.edges[each + 1]) for each in marks]
    strips = [_heading(float(counts.sum()), ends, width, values.format, palette)]
    names: dict[int, str] = {}
    for percent, slot in zip(PERCENTS, marks, strict=True):
        names[slot] = f"{names.get(slot, '')} p{percent}"
    layout = _Layout.of([texts[each] for each in rows], names.values(), counts, width)
    for slot in rows[max(first, 0):max(first, 0) + height - 1]:
        strips.append(layout.row(texts[slot], float(counts[slot]), names.get(slot, ""), palette))
    return strips[:height] + [line((), width)] * (height - len(strips))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How wide the columns are; 0 where there is no room for one. All rows share it, seen or not."""

    width: int
    bounds: int
    bar: int
    count: int
    share: int
    marks: int
    total: float
    most: float

    @classmethod
    def of(cls, texts: Iterable[str], marks: Iterable[str], counts: Counts, width: int) -> _Layout:
        """Return a layout: the bar takes what is left; where that is too little, shares go first, then marks."""
        total, most = float(counts.sum()), float(counts.max(initial=0.0))
        columns = {
            "bounds": max(map(len, texts), default=0) + 1,
            "count": len(thousands(most)) + 1,
            "share": len(" 100.0%"),
            "marks": max(map(len, marks), default=0),
        }
        for dropped in ("share", "marks", "bounds", "count"):
            if sum(columns.values()) + _LEAST_BAR <= width:
                break
            columns[dropped] = 0
        return cls(width=width, bar=width - sum(columns.values()), total=total, most=most, **columns)

    def row(self, text: str, number: float, marks: str, palette: Palette) -> Strip:
        full = bar(number / self.most, self.bar)
        pieces: list[Piece] = [
            (f"{text} ".rjust(self.bounds) if self.bounds else "", palette.muted),
            (full, palette.curve(0)),
            (" " * (self.bar - len(full)), palette.text),
            (thousands(number).rjust(self.count) if self.count else "", palette.strong if number else palette.muted),
            (f"{number / self.total:.1%}".rjust(self.share) if self.share else "", palette.muted),
            (marks if self.marks else "", palette.warn),
        ]
        return line(pieces, self.width)


def _heading(total: float, slots: list[tuple[float, float]], width: int, format: Format, palette: Palette) -> Strip:  # noqa: A002
    """Say how many there are and between which bounds percentiles lie; below which, where that has no room."""
    for low, gap in ((True, 3), (False, 3), (False, 1)):
        pieces: list[Piece] = [(fit(f"{thousands(total)} in all", width), palette.strong)]
        for percent, (begin, end) in zip(PERCENTS, slots, strict=True):
            text = bounds(begin if low or end == inf else -inf, end, format)
            pieces += [(f"{' ' * gap}p{percent} ", palette.warn), (text, palette.muted)]
        if pieces_width(pieces) <= width:
            break
    while pieces_width(pieces) > width and len(pieces) > 1:
        del pieces[-2:]                         # rather one percentile less than half of one
    return line(pieces, width)
