"""Values over time: one as an area, several as lines with marks, with a round scale and ages below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.style import Style
from textual.strip import Strip

from tui.draw import braille
from tui.draw.canvas import Canvas, Piece, fit, line, pieces_width
from tui.draw.palette import Palette, mark
from tui.draw.ticks import MOST, Axis, Format, age_label, age_ticks, axis_number, value_axis

NARROW, LOW = 20, 4
"""Below this width there is no scale on the left, below this height no ages."""

_SPAN_NS = 60 * 10**9
_LINES_WITH_PEAK = 3        # with no more than these every one is for the curve
_MARK_EVERY = 16            # cells between the marks of a line that is one of several


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One thing over time: `values` at `times` (ns, ascending). NaN says that nothing is known there."""

    name: str
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def same(self, other: Curve) -> bool:
        """Return whether both would be drawn alike."""
        return (
            self.name == other.name
            and np.array_equal(self.times, other.times)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """What a chart's axes say. `span_ns` 0: from the oldest sample to the newest; `top` 0: as high as the values go."""

    format: Format = axis_number
    span_ns: int = 0
    top: float = 0.0
    binary: bool = False        # round in powers of two: bytes


PLAIN = Scale()


def chart(
    curves: Sequence[Curve], width: int, height: int, palette: Palette, scale: Scale = PLAIN
) -> list[Strip]:
    """Return a chart, newest on the right: the last values on top, the scale on the left, ages below.

    Time ends at the newest sample of any curve. A stretch where nothing is known has "╌" on its base line.
    """
    if width < 1 or height < 1:
        return [line((), width) for _ in range(height)]
    curves = [_tame(each) for each in curves]
    start_ns, span_ns = _window(curves, scale.span_ns)
    canvas = Canvas(width, height)
    heading = height != 2
    if heading:
        _heading(canvas, curves, start_ns, palette, scale)
    if height == 1:
        return canvas.strips()
    ages = height >= LOW
    ruler = height >= 2 * LOW
    top, lines = int(heading), height - heading - ages - ruler
    low, high = _range(curves, start_ns, scale)
    above = int(len(curves) == 1 and lines > _LINES_WITH_PEAK)      # for the mark of the highest value
    axis = value_axis(low, high, lines - above, parts=braille.ROWS, binary=scale.binary)
    left = _scale(canvas, axis, top, lines, palette, scale) if width >= NARROW else 0
    area = _Area(canvas, left, top, width - left, lines, start_ns, span_ns, axis.low, axis.at(lines - 1 / braille.ROWS))
    area.draw(curves, palette)
    if ages:
        _ages(canvas, left, top + lines, span_ns, palette, ruler=ruler)
    if not any(np.isfinite(each.values).any() for each in curves):
        text = fit("no data yet", area.width)
        canvas.write(left + (area.width - len(text)) // 2, top + lines // 2, text, palette.muted)
    return canvas.strips()


@dataclass(frozen=True, slots=True)
class _Area:
    """The room inside the axes: where on the canvas it is, and what its edges stand for."""

    canvas: Canvas
    left: int
    top: int
    width: int
    lines: int
    start_ns: int
    span_ns: int
    low: float
    high: float

    def draw(self, curves: Sequence[Curve], palette: Palette) -> None:
        rows = self.lines * braille.ROWS
        columns = self.width * braille.COLUMNS
        for index, each in enumerate(curves):
            values = braille.resample(each.times, each.values, self.start_ns, self.span_ns, columns)
            tops = braille.heights(values, self.low, self.high, rows)
            edge = braille.curve(tops, rows)
            if len(curves) == 1:
                base = int(braille.heights(np.zeros(1), self.low, self.high, rows)[0])
                self._put(edge, braille.area(tops, base, rows), palette, index)
                self._gaps(values, base, palette)
            else:
                self._put(edge, edge, palette, index)
                self._marks(tops, index, len(curves), palette)
            self._ends(values, tops, index, palette, peak=len(curves) == 1)

    def _put(self, edge: braille.Dots, filled: braille.Dots, palette: Palette, index: int) -> None:
        """Draw the dots of a curve: cells that it passes in its colour, those below in a fainter one."""
        bits = braille.patterns(edge | filled)
        bright = braille.patterns(edge)
        some = np.nonzero(bits)
        styles = palette.area(index), palette.curve(index)
        cells = (*some, bits[some], bright[some] > 0)
        for y, x, pattern, passed in zip(*(each.tolist() for each in cells), strict=True):
            self._cell(x, y, chr(0x2800 + pattern), styles[passed])

    def _gaps(self, values: npt.NDArray[np.float64], base: int, palette: Palette) -> None:
        missing = braille.gaps(values).reshape(-1, braille.COLUMNS).all(axis=1)
        for x in np.flatnonzero(missing).tolist():
            self._cell(x, self._line(base), "╌", palette.muted)

    def _marks(self, tops: npt.NDArray[np.int64], index: int, number: int, palette: Palette) -> None:
        """Put a curve's mark on it now and then, at other places than those of the others."""
        for x in range(_MARK_EVERY * index // number, self.width, _MARK_EVERY):
            row = int(tops[x * braille.COLUMNS])
            if row >= 0:
                self._cell(x, self._line(row), mark(index), palette.curve(index))

    def _ends(
        self, values: npt.NDArray[np.float64], tops: npt.NDArray[np.int64], index: int, palette: Palette, *, peak: bool
    ) -> None:
        """Mark where a curve ends, and where it is highest."""
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            return
        if peak and np.nanmax(values) > np.nanmin(values):
            highest = int(np.nanargmax(values))
            self._cell(highest // braille.COLUMNS, max(self._line(int(tops[highest])) - 1, 0), "▾", palette.strong)
        last = int(known[-1])
        self._cell(last // braille.COLUMNS, self._line(int(tops[last])), mark(index), palette.curve(index))

    def _line(self, row: int) -> int:
        return self.lines - 1 - row // braille.ROWS

    def _cell(self, x: int, y: int, character: str, style: Style) -> None:
        self.canvas.put(self.left + x, self.top + y, character, style)


def _tame(curve: Curve) -> Curve:
    """Return a curve without what cannot be drawn: infinities are not known, the rest fits into floats' arithmetic."""
    values = np.asarray(curve.values, dtype=np.float64)
    values = np.clip(np.where(np.isfinite(values), values, np.nan), -MOST, MOST)
    return Curve(curve.name, np.asarray(curve.times, dtype=np.int64), values)


def _window(curves: Sequence[Curve], span_ns: int) -> tuple[int, int]:
    """Return when time begins and how long it is: up to the newest sample."""
    ends = [(int(each.times[0]), int(each.times[-1])) for each in curves if len(each.times)]
    newest = max((last for _, last in ends), default=0)
    oldest = min((first for first, _ in ends), default=0)
    span_ns = span_ns or newest - oldest or _SPAN_NS
    return newest - span_ns, span_ns


def _range(curves: Sequence[Curve], start_ns: int, scale: Scale) -> tuple[float, float]:
    """Return the least and the largest value to have room for; zero is always among them."""
    shown = [each.values[(each.times >= start_ns) & np.isfinite(each.values)] for each in curves]
    low = min((float(each.min()) for each in shown if len(each)), default=0.0)
    high = max((float(each.max()) for each in shown if len(each)), default=0.0)
    return min(low, 0.0), scale.top or max(high, 0.0)


def _heading(canvas: Canvas, curves: Sequence[Curve], start_ns: int, palette: Palette, scale: Scale) -> None:
    """Write name, last and largest value of each curve, as much of it as there is room for."""
    for detail in (2, 1, 0):
        pieces: list[Piece] = []
        for index, each in enumerate(curves):
            if pieces:
                pieces.append(("  ", palette.text))
            pieces += _told(each, index, start_ns, palette, scale, detail=detail, several=len(curves) > 1)
        if pieces_width(pieces) <= canvas.width:
            break
    x = 0
    for text, style in pieces:
        canvas.write(x, 0, fit(text, canvas.width - x), style)
        x += pieces_width([(text, style)])


def _told(
    curve: Curve, index: int, start_ns: int, palette: Palette, scale: Scale, *, detail: int, several: bool
) -> list[Piece]:
    """Return what is said of a curve. Without room for all, one is told by its value, several by their names."""
    shown = curve.values[curve.times >= start_ns]
    known = shown[np.isfinite(shown)]
    last = scale.format(float(shown[-1])) if len(shown) and np.isfinite(shown[-1]) else "–"
    pieces: list[Piece] = [(f"{mark(index)} ", palette.curve(index))]
    if curve.name and (detail or several):
        pieces.append((fit(curve.name, 40), palette.muted))
    if detail or not several:
        pieces.append((f" {fit(last, 24)}".removeprefix("" if len(pieces) > 1 else " "), palette.strong))
    if detail == 2 and len(known):
        pieces.append((f"  ▾ max {fit(scale.format(float(known.max())), 24)}", palette.muted))
    return pieces


def _scale(canvas: Canvas, axis: Axis, top: int, lines: int, palette: Palette, scale: Scale) -> int:
    """Draw the values on the left with lines through the picture; return how many columns that took."""
    ticks = axis.ticks(lines)
    labels = [fit(scale.format(value), canvas.width // 3) for _, value in ticks]
    width = max(map(len, labels))
    for y in range(lines):
        canvas.write(width + 1, top + y, "│", palette.faint)
    said = ""
    for (up, _), label in zip(ticks, labels, strict=True):
        y = top + lines - 1 - up
        canvas.write(width + 1, y, "┤", palette.faint)
        canvas.write(width + 2, y, "┈" * canvas.width, palette.faint)
        if label != said:                       # a format without digits after the point says 0 for 0 and for 0.5
            canvas.write(width - len(label), y, label, palette.muted)
        said = label
    return width + 2


def _ages(canvas: Canvas, left: int, y: int, span_ns: int, palette: Palette, *, ruler: bool) -> None:
    """Write how long ago things were, on a line of its own below a ruler if there is room for one."""
    width = canvas.width - left
    if ruler:
        canvas.write(left - 1, y, "└" + "─" * width, palette.faint)
    free = canvas.width + 1
    for age in age_ticks(span_ns, max(1, width // 12)):
        x = left + round((1 - age / span_ns) * (width - 1))
        label = age_label(age)
        begin = min(max(x - len(label) // 2, 0), canvas.width - len(label))
        if begin < 0 or begin + len(label) >= free:
            continue
        if ruler:
            canvas.write(x, y, "┴", palette.faint)
        canvas.write(begin, y + ruler, label, palette.muted)
        free = begin
