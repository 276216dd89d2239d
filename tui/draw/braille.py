"""Dots in braille characters, eight to a cell: what curves are drawn with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Dots = npt.NDArray[np.bool_]
"""Shape (4 × lines, 2 × columns), row 0 on top."""

ROWS, COLUMNS = 4, 2

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Unicode, block "Braille Patterns": U+2800 plus the bits of the dots."""


def patterns(dots: Dots) -> npt.NDArray[np.intp]:
    """Return the bits of each cell, shape (lines, columns): add U+2800 for the character."""
    lines, columns = dots.shape[0] // ROWS, dots.shape[1] // COLUMNS
    cells = dots.reshape(lines, ROWS, columns, COLUMNS)
    bits: npt.NDArray[np.intp] = (cells * _BITS[None, :, None, :]).sum(axis=(1, 3))
    return bits


def resample(
    times: npt.NDArray[np.int64], values: npt.NDArray[np.float64], start_ns: int, span_ns: int, columns: int
) -> npt.NDArray[np.float64]:
    """Return the value in each of so many equal steps from `start_ns` to `start_ns + span_ns`, NaN where none is known.

    Where several samples fall in one step the largest stays: a peak must not get lost in a narrow picture. Between
    two samples values go straight from one to the other, unless a NaN between them says that nothing was known there.
    """
    out = np.full(columns, np.nan)
    if not len(times) or not columns:
        return out
    places = (times - start_ns) / max(span_ns, 1) * (columns - 1)
    steps = np.arange(columns)
    right = np.searchsorted(places, steps)                          # the first sample at or after each step
    between = (right > 0) & (right < len(places))
    after = np.where(between, right, 0)
    before = np.where(between, right - 1, 0)
    distance = np.where(between, places[after] - places[before], 1.0)
    part = (steps - places[before]) / np.where(distance > 0, distance, 1.0)
    straight = values[before] + (values[after] - values[before]) * part
    out[between] = straight[between]

    known = np.isfinite(values)
    step = np.floor(places[known] + 0.5).astype(np.int64)
    inside = (step >= 0) & (step < columns)
    sampled = np.full(columns, -np.inf)
    np.maximum.at(sampled, step[inside], values[known][inside])
    return np.where(np.isfinite(sampled), sampled, out)


def gaps(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return where nothing is known after something was."""
    known = np.isfinite(values)
    begun: npt.NDArray[np.bool_] = np.maximum.accumulate(known) if len(known) else known
    return begun & ~known


def heights(values: npt.NDArray[np.float64], low: float, high: float, rows: int) -> npt.NDArray[np.int64]:
    """Return the row, from the bottom, of each value between `low` and `high`; -1 where it is NaN.

    Only what is not above `low` is on the lowest row: a little is not nothing.
    """
    known = np.isfinite(values)
    share = (np.clip(np.where(known, values, low), low, high) - low) / (high - low)
    row = np.rint(share * (rows - 1))
    row = np.where((share > 0) & (rows > 1), np.maximum(row, 1), row)
    return np.where(known, row, -1).astype(np.int64)


def curve(tops: npt.NDArray[np.int64], rows: int) -> Dots:
    """Return a line through rows (from the bottom), one for each column: steps are joined, gaps (-1) are not."""
    before = np.concatenate((tops[:1], tops[:-1]))
    before = np.where(before < 0, tops, before)
    low = np.where(before < tops, before + 1, tops)
    high = np.where(before > tops, before - 1, tops)
    row = np.arange(rows - 1, -1, -1)[:, None]
    dots: Dots = (row >= low) & (row <= high) & (tops >= 0)
    return dots


def area(tops: npt.NDArray[np.int64], base: int, rows: int) -> Dots:
    """Return all between a row (from the bottom) and the rows of a curve."""
    row = np.arange(rows - 1, -1, -1)[:, None]
    dots: Dots = (row >= np.minimum(tops, base)) & (row <= np.maximum(tops, base)) & (tops >= 0)
    return dots
