"""The first screen: the balance of all events, what it costs, what is wrong, and who is busiest."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tracerd.text import printable
from tracerd.views.format import count, counted, share, size
from tui.draw.chart import Curve, Scale
from tui.model.arrange import natural, told
from tui.model.grouping import NO_GROUPS, grouped, next_by
from tui.model.maps import Item, expired
from tui.model.opened import Opened
from tui.model.overview import first_table, wrong
from tui.model.rates import rated
from tui.model.seen import Seen, span_ns, totals
from tui.model.sheet import Sheet, sheet_of
from tui.screens.map_detail import MapDetail
from tui.screens.view import View
from tui.widgets.balance import Balance
from tui.widgets.chart import Chart
from tui.widgets.facts import Facts
from tui.widgets.grid import Grid
from tui.widgets.map_picture import beside
from tui.widgets.spark import Spark

ROOM = 12
"""Columns of the values beside the sparks."""


class Overview(View):
    """Everything in one look. It keeps nothing but what it shows, and how its table is grouped."""

    PLACE = "overview"
    HELP_TEXT = """
On top the balance: every event that was produced is in one of
its parts. Below it how the numbers went: events and losses a
second, the CPU that all of tracerd takes (100 % is one CPU),
and the programs alone.

What is wrong has a number before it: press that to look closer.
Below is the table of the first probe that counts something,
busiest first, or as you have sorted it (s, S; 0 is busiest
first again). Enter opens it with the same order, filter and
grouping, Esc comes back; 3 shows all tables and maps.

x/s         how much x has grown a second since the last moment
≈p50, ≈p99  half, and 99 of 100, took no longer than about that,
            within a factor of two
3,012 gone  rows of ended processes that made room since the
            probe was loaded, with what they had counted

b  rows by a part of their key: what counts is added up
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "group", "By", tooltip="Add up rows with the same pid, name …"),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    Overview #upper { height: auto; max-height: 60%; }
    Overview #numbers { height: auto; padding: 0 1; }
    Overview #wrong { height: auto; max-height: 8; padding: 0 1; margin-top: 1; }
    Overview .trend { height: 1; }
    Overview .trend Static { width: 11; color: $text-muted; }
    Overview .trend Spark { width: 1fr; }
    Overview Chart { display: none; }
    Overview #table-title { height: 1; padding: 0 1; margin-top: 1; color: $text-muted; }
    Overview Grid { height: 1fr; min-height: 4; }

    Overview.-wide #upper { layout: horizontal; }
    Overview.-wide #numbers { width: 1fr; }
    Overview.-wide #wrong { width: 1fr; margin-top: 0; max-height: 100%; }
    Overview.-tall .trend { display: none; }
    Overview.-tall Chart { display: block; height: 9; margin-top: 1; }
    Overview.-tall #wrong { max-height: 30; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._by = ""                            # the column by which rows are grouped; "": they are as they are
        self._shown: tuple[Item, Sheet, str] | None = None     # a table, its rows with rates, which of them are gone
        self._opened: dict[Item, Opened] = {}

    def body(self) -> ComposeResult:
        with Vertical(id="upper"):
            with Vertical(id="numbers"):
                yield Balance()
                for name, form in (("events/s", count), ("lost/s", count), ("CPU", share), ("memory", size)):
                    with Horizontal(classes="trend"):
                        yield Static(name)
                        yield Spark(form, room=ROOM, id=f"spark-{name.removesuffix('/s')}")
                yield Chart(id="chart-events")
                yield Chart(id="chart-cpu")
            with VerticalScroll(id="wrong", can_focus=False):
                yield Facts()
        yield Static(id="table-title", markup=False)
        yield Grid(id="overview-grid")

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def show(self, seen: Seen) -> None:
        """Show a sight."""
        if seen.moment is not None:
            self.query_one(Balance).show(totals(seen.moment))
        told = {"events": seen.produced, "lost": seen.lost, "CPU": seen.cpu, "memory": seen.memory}
        for name, series in told.items():
            self.query_one(f"#spark-{name}", Spark).show(series.values)
        self._show_charts(seen)
        self.query_one(Facts).show(wrong(seen))
        self._show_table(seen)

    def _show_charts(self, seen: Seen) -> None:
        times, span = seen.produced.times, span_ns(seen.produced)
        events = [Curve("events/s", times, seen.produced.values), Curve("lost/s", times, seen.lost.values)]
        lost = bool(np.nansum(seen.lost.values))
        self.query_one("#chart-events", Chart).show(events if lost else events[:1], Scale(count, span))
        curves = [Curve("CPU of tracerd", seen.cpu.times, seen.cpu.values),
                  Curve("of its programs", seen.runs.times, seen.runs.values)]  # fmt: skip
        self.query_one("#chart-cpu", Chart).show(curves, Scale(share, span))

    def _show_table(self, seen: Seen) -> None:
        found = first_table(seen)
        self.query_one(Grid).display = found is not None
        if found is None:
            nothing = "no probe has a table; 3 Maps shows what there is" if seen.look is not None else ""
            self.query_one("#table-title", Static).update(nothing)
            self._shown = None
            return
        probe, table = found
        before, item = seen.table_before(probe, table.name), Item(True, probe, table.name)
        rates = rated(sheet_of(table), sheet_of(before) if before is not None else None, seen.seconds)
        gone = expired(seen.look, item, briefly=not self.has_class("-wide"))
        self._shown = item, Sheet(item.sheet, rates.columns), gone
        self._arrange()

    def _arrange(self) -> None:
        """Show the rows that there are, grouped as they are to be, and say in what order they stand."""
        if self._shown is None:
            return
        item, rows, gone = self._shown
        grid, title, shown = self.query_one(Grid), self.query_one("#table-title", Static), grouped(rows, self._by)
        self.present(grid, shown)
        by = "" if shown is rows else f" by {self._by}"
        said = ", ".join(filter(None, (_rows(grid), _order(grid), gone)))
        hint = "(Enter opens it)" if _usual(grid) else "(Enter opens it, 0 busiest first)"
        title.update(beside(Text(printable(f"{item.title}{by}: {said}")), [hint], self.size.width - 2))

    def action_group(self) -> None:
        """Have rows with something in common as one, or rows as they are again."""
        before = self._by
        self._by = next_by(self._shown[1], before) if self._shown is not None else ""
        if self._by == before:
            self.notify(NO_GROUPS, severity="warning")
        self._arrange()

    def on_screen_resume(self) -> None:
        """Show the table as it was looked at from near."""
        grid = self.query_one(Grid)
        if grid.sheet is not None:
            self._recall(grid, grid.sheet)
            self._tell_problem(grid)
        for opened in self._opened.values():
            self._by = opened.by
        self._opened.clear()
        super().on_screen_resume()

    def _key(self, sheet: Sheet) -> str:
        return f"{MapDetail.PLACE}/{sheet.name}"

    def _filter(self, text: str) -> None:
        super()._filter(text)
        self._arrange()

    @on(Grid.Sorted)
    def _resorted(self) -> None:
        self._arrange()

    @on(Grid.Chosen)
    def _open(self) -> None:
        if self._shown is not None:
            item = self._shown[0]
            self._opened[item] = Opened(item, self._by)
            self.app.push_screen(MapDetail(item, self._opened))


def _rows(grid: Grid) -> str:
    shown, total = grid.visible_rows, grid.total_rows
    return counted(total, "row") if shown == total else f"{count(shown)} of {counted(total, 'row')}"


def _usual(grid: Grid) -> bool:
    return grid.sheet is not None and grid.order == natural(grid.sheet)


def _order(grid: Grid) -> str:
    busiest = _usual(grid) and grid.order is not None
    return "busiest first" if busiest else told(grid.order, grid.sheet or Sheet(""))
