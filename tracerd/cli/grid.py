"""One table as a terminal shows it: cells as people read them, as many columns as the terminal is wide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from tracerd.cli.output import printable
from tracerd.snapshot import Column, Table
from tracerd.views.format import FORMATS, count, size, time_of_day
from tracerd.views.spec import ColumnSpec, ViewSpec

GAP = 2
"""Blanks between columns."""

LEAST_TEXT = 8
"""Text may be cut at the right edge if so much of it is left; numbers are never cut."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A view's table at one moment, with the rate of each `rate` column by row key."""

    view: ViewSpec
    table: Table
    rates: dict[str, Column]


@dataclass(frozen=True, slots=True)
class _Strip:
    """A column of text as it will be drawn: the title and a cell for each row."""

    title: str
    cells: list[str]
    numeric: bool
    rate: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(text) for text in (self.title, *self.cells))


def grid(shown: Shown, rows: int, clock_offset_ns: int, width: int) -> RenderableType:
    """Return one table, ordered by rate where there is one. The offset makes unix time of events' own."""
    strips = _strips(shown, order(shown)[:rows], clock_offset_ns)
    fitting = _fitting(strips, width)
    result = Grid(box=None, pad_edge=False, header_style="bold", show_edge=False)
    left = width
    for strip in fitting:
        room = min(strip.width, left)
        justify: Literal["right", "left"] = "right" if strip.numeric else "left"
        style = "bold" if strip.rate else ""
        result.add_column(Text(strip.title), justify=justify, style=style, no_wrap=True, width=room)
        left -= room + GAP
    for cells in zip(*(strip.cells for strip in fitting), strict=True):
        result.add_row(*map(Text, cells))          # text would be read as markup: "[red]"
    notes = _notes(len(shown.table), rows, [strip.title for strip in strips[len(fitting) :]])
    return Group(result, Text(notes, style="dim", no_wrap=True, overflow="ellipsis")) if notes else result


def _notes(have: int, rows: int, left_out: list[str]) -> str:
    told = [f"… and {have - rows:,} more rows"] if have > rows else [] if have else ["nothing yet"]
    told += [f"no room for {', '.join(left_out)}"] if left_out and have else []
    return "; ".join(told)


def _strips(shown: Shown, places: list[int], clock_offset_ns: int) -> list[_Strip]:
    table = shown.table
    columns = shown.view.columns or tuple(ColumnSpec(name, name) for name in table.columns)
    strips = []
    for column in columns:
        values, rate = table.columns[column.name], shown.rates.get(column.name)
        if rate is not None:
            per_second = [_rate(float(rate[row]), column) for row in places]
            strips.append(_Strip(f"{column.name}/s", per_second, True, rate=True))
        cells = [_text(values[row], column, clock_offset_ns) for row in places]
        strips.append(_Strip(_title(column), cells, values.dtype != object))
    return strips


def _fitting(strips: list[_Strip], width: int) -> list[_Strip]:
    """Return the first columns, as many as the width has room for, at least one."""
    used = -GAP
    fitting: list[_Strip] = []
    for strip in strips:
        used += GAP + strip.width
        cut_text = not strip.numeric and used - strip.width + LEAST_TEXT <= width
        if fitting and used > width and not cut_text:
            break
        fitting.append(strip)
    return fitting


def order(shown: Shown) -> list[int]:
    """Return row numbers, fastest first; equal ones by the view's own order."""
    if not shown.rates:
        return list(range(len(shown.table)))
    rate = next(iter(shown.rates.values()))
    return [int(i) for i in np.argsort(-rate.astype(np.float64), kind="stable")]


def _title(column: ColumnSpec) -> str:
    suffix = "_permille" if column.unit == "permille" else "_ns" if column.unit.endswith("ns") else ""
    return printable(column.name.removesuffix(suffix))


def _rate(per_second: float, column: ColumnSpec) -> str:
    if column.unit == "bytes":
        return size(per_second) if per_second else "-"
    return count(per_second)


def _text(value: object, column: ColumnSpec, clock_offset_ns: int) -> str:
    if isinstance(value, int | float | np.number) and column.unit == "boot_ns":
        return time_of_day(int(value) + clock_offset_ns) if value else "-"
    if isinstance(value, int | float | np.number) and column.unit in FORMATS:
        return FORMATS[column.unit](int(value)) if value else "-"
    return count(float(value)) if column.rate and isinstance(value, np.number) else printable(str(value))
