"""The live screen of `tracerd run`: as many tables and rows as fit. Holds no state but the tables before, from which
rates come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from tracerd.cli.footer import footer
from tracerd.cli.grid import Shown, grid
from tracerd.cli.output import printable
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import Column, Table
from tracerd.views.spec import ViewSpec

PRINTED = 5
"""Lines of bpf_trace_printk shown while running."""


def with_rates(view: ViewSpec, table: Table, before: Table | None, seconds: float) -> Shown:
    """Return a table with the per-second change of its `rate` columns since the table before it."""
    names = [column.name for column in view.columns if column.rate]
    if before is None or seconds <= 0:
        return Shown(view, table, {name: np.zeros(len(table)) for name in names})
    identity = [column.name for column in view.columns if column.source.startswith("key")]
    was = {_identity(before, identity, i): i for i in range(len(before))}
    places = [was.get(_identity(table, identity, i), -1) for i in range(len(table))]
    return Shown(view, table, {name: _rate(table, before, name, places, seconds) for name in names})


def averaged(view: ViewSpec, table: Table, seconds: float) -> Shown:
    """Return a final table whose rates are means over the whole time; without rates if that is 0 (a recording's)."""
    names = [column.name for column in view.columns if column.rate and seconds]
    return Shown(view, table, {name: table.columns[name].astype(np.float64) / seconds for name in names})


def _identity(table: Table, names: Sequence[str], row: int) -> tuple[object, ...]:
    return tuple(table.columns[name][row] for name in names)


def _rate(table: Table, before: Table, name: str, places: Sequence[int], seconds: float) -> Column:
    old = before.columns[name]
    base = np.array([old[place] if place >= 0 else 0 for place in places], dtype=np.float64)
    return np.maximum(table.columns[name].astype(np.float64) - base, 0) / seconds


def screen(
    snapshot: SessionSnapshot, shown: Sequence[Shown], rows: int | None, width: int, height: int, pages: int = 0
) -> RenderableType:
    """Return everything for one moment: `rows` rows in each table, or as many tables and rows as fit.

    `pages` are those of a live ring, 0 for a recording.
    """
    below = [Text(f"printed  {printable(line)}") for line in snapshot.printed[-PRINTED:]]
    below += footer(snapshot, brief=True, pages=pages)
    lines = height - 1 - sum(-(-line.cell_len // width) for line in below)
    placed = [rows] * len(shown) if rows is not None else share_rows(shown, lines)
    parts: list[RenderableType] = []
    for one, most in zip(shown, placed, strict=False):
        if len(shown) > 1:
            parts.append(Text(one.table.name, style="bold cyan"))
        parts.append(grid(one, most, snapshot.clock_offset_ns, width))
    hidden = [one.table.name for one in shown[len(placed) :]]
    if hidden:
        parts.append(Text(f"… no room for: {', '.join(hidden)}", style="dim", no_wrap=True))
    return Group(*parts, *below)


LEAST_ROWS = 3
"""Of a table that does not say how many it wants."""


def share_rows(shown: Sequence[Shown], lines: int) -> list[int]:
    """Divide the lines of a screen among the first tables, as many as fit, at least one.

    Tables that say how many rows they want get as many as they can fill; the others share what is left. Each has a
    header and a note of hidden rows, and a title if there are several.
    """
    overhead = 3 if len(shown) > 1 else 2
    least = [min(one.view.rows, max(len(one.table), 1)) if one.view.rows else LEAST_ROWS for one in shown]
    while len(least) > 1 and sum(least) + overhead * len(least) > lines:
        least.pop()
    spare = max(lines - sum(least) - overhead * len(least), 0)
    takers = sum(not one.view.rows for one in shown[: len(least)])
    return [want if one.view.rows else want + spare // takers for one, want in zip(shown, least, strict=False)]
