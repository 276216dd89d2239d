"""The live screen of `tracerd run`: tables, rates, what it cost and what was lost. Renders snapshots, holds no state
but the one before, from which rates come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from tracerd.cli.output import FORMATS, count, duration, size, time_of_day
from tracerd.runtime.snapshot import SessionSnapshot
from tracerd.snapshot import Column, Ledger, Table
from tracerd.views.spec import ColumnSpec, ViewSpec

PRINTED, SHOWN_BYTES = 5, 32
"""Lines of bpf_trace_printk shown while running, and bytes of a ring's last record."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A view's table at one moment, with the rate of each `rate` column by row key."""

    view: ViewSpec
    table: Table
    rates: dict[str, Column]


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


LEAST_ROWS = 3
"""Of a table that does not say how many it wants."""


def screen(snapshot: SessionSnapshot, shown: Sequence[Shown], rows: int | None, lines: int) -> RenderableType:
    """Return everything for one moment: `rows` rows in each table, or as many as fit into `lines` with all tables."""
    parts: list[RenderableType] = []
    placed = [rows] * len(shown) if rows is not None else share_rows(shown, lines)
    for one, most in zip(shown, placed, strict=False):
        if len(shown) > 1:
            parts.append(Text(one.table.name, style="bold cyan"))
        parts.append(grid(one, most, snapshot.clock_offset_ns))
    hidden = [one.table.name for one in shown[len(placed) :]]
    if hidden:
        parts.append(Text(f"… no room for: {', '.join(hidden)}", style="dim"))
    parts += [Text(f"printed  {line}") for line in snapshot.printed[-PRINTED:]]
    parts.append(footer(snapshot))
    return Group(*parts)


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


def footer(snapshot: SessionSnapshot) -> RenderableType:
    """Return what stands below all tables: rings, full maps, cost, and the ledger."""
    lines = (*full_maps(snapshot), *ring_lines(snapshot), cost_line(snapshot), ledger_line(snapshot.ledger))
    return Group(*lines, *via_lines(snapshot.ledger))


def full_maps(snapshot: SessionSnapshot) -> list[Text]:
    """Return a line for every map that had to refuse an update."""
    return [
        Text(f"map {each.name} is full at {count(each.max_entries)}: {count(each.refused)} inserts refused", "bold red")
        for maps in snapshot.maps.values()
        for each in maps.values()
        if each.refused
    ]


def ring_lines(snapshot: SessionSnapshot) -> list[Text]:
    """Return a line for every ring buffer: how many records came out, how many found no room, the last one."""
    lines = []
    for ring in snapshot.rings.values():
        line = Text(f"ring {ring.name}  {count(ring.records)} records")
        line.append(f", {count(ring.dropped)} dropped", style="bold red" if ring.dropped else "")
        if ring.latest:
            line.append(f"; last: {ring.latest[-1][:SHOWN_BYTES].hex(' ', 4)}", style="dim")
        lines.append(line)
    return lines


def grid(shown: Shown, rows: int, clock_offset_ns: int) -> RenderableType:
    """Return one table as rich draws it, ordered by rate where there is one. The offset makes unix time of events'."""
    table, view = shown.table, shown.view
    result = Grid(box=None, pad_edge=False, header_style="bold", show_edge=False)
    columns = view.columns or tuple(ColumnSpec(name, name) for name in table.columns)
    for column in columns:
        numeric = table.columns[column.name].dtype != object
        if column.name in shown.rates:
            result.add_column(f"{column.name}/s", justify="right", style="bold")
        result.add_column(_title(column), justify="right" if numeric else "left", no_wrap=True)
    for row in order(shown)[:rows]:
        result.add_row(*(cell for column in columns for cell in _cells(shown, column, row, clock_offset_ns)))
    hidden = len(table) - rows
    if hidden > 0:
        return Group(result, Text(f"… and {hidden:,} more rows", style="dim"))
    if not len(table):
        return Group(result, Text("nothing yet", style="dim"))
    return result


def order(shown: Shown) -> list[int]:
    """Return row numbers, fastest first; equal ones by the view's own order."""
    if not shown.rates:
        return list(range(len(shown.table)))
    rate = next(iter(shown.rates.values()))
    return [int(i) for i in np.argsort(-rate.astype(np.float64), kind="stable")]


def _title(column: ColumnSpec) -> str:
    return column.name.removesuffix("_ns") if column.unit.endswith("ns") else column.name


def _cells(shown: Shown, column: ColumnSpec, row: int, clock_offset_ns: int) -> list[str]:
    value = shown.table.columns[column.name][row]
    text = _text(value, column, clock_offset_ns)
    rate = shown.rates.get(column.name)
    if rate is None:
        return [text]
    per_second = float(rate[row])
    return [size(per_second) if column.unit == "bytes" else count(per_second), text]


def _text(value: object, column: ColumnSpec, clock_offset_ns: int) -> str:
    if isinstance(value, int | float | np.number) and column.unit == "boot_ns":
        return time_of_day(int(value) + clock_offset_ns) if value else "-"
    if isinstance(value, int | float | np.number) and column.unit in FORMATS:
        return FORMATS[column.unit](int(value)) if value else "-"
    return count(float(value)) if column.rate and isinstance(value, np.number) else str(value)


def cost_line(snapshot: SessionSnapshot) -> Text:
    """Return what tracing cost: programs, runs, mean ns of a run (one in 64 is timed), CPU of the pump threads."""
    runs = sum(program.runs for program in snapshot.programs)
    share = snapshot.pump_cpu_ns / (snapshot.seconds * 1e9) if snapshot.seconds else 0.0
    each = sum(program.mean_ns * program.runs for program in snapshot.programs) / runs if runs else 0.0
    engines = ", ".join(sorted({program.engine for program in snapshot.programs}))
    aborted = sum(program.aborted for program in snapshot.programs)
    text = Text(f"cost  {len(snapshot.programs)} verified programs ({engines}), {count(runs)} runs")
    if each:
        text.append(f" of {duration(each)}")
    text.append(f", pump {share:.1%} of one CPU")
    if aborted:
        text.append(f", {count(aborted)} runs aborted", style="bold red")
    return text


def ledger_line(ledger: Mapping[str, Ledger]) -> Text:
    """Return the balance over all events; a loss stands out."""
    entries = list(ledger.values())

    def total(name: str) -> int:
        return sum(getattr(entry, name) for entry in entries)

    text = Text(f"ledger  {count(total('produced'))} events = {count(total('delivered'))} delivered")
    for name, label in (
        ("filtered", "filtered"),
        ("lost", "lost"),
        ("dropped_in_ring", "dropped"),
        ("failed", "failed"),
    ):
        amount = total(name)
        if amount or name == "lost":
            text.append(f" + {count(amount)} {label}", style="bold red" if amount and name != "filtered" else "")
    missing = total("missing")
    if missing:
        text.append(f" + {count(missing)} under way", style="dim")
    return text


def via_lines(ledger: Mapping[str, Ledger]) -> list[Text]:
    """Return a line for every way that events come which their names do not tell, with what it cannot see."""
    names: dict[str, list[str]] = {}
    for name, entry in ledger.items():
        if entry.via:
            names.setdefault(entry.via, []).append(name)
    return [Text(f"via  {', '.join(events)}: {via}", style="dim") for via, events in names.items()]
