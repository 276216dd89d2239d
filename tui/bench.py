"""`tracerd bench tui`: CPU of one picture of a table, from the bytes that a daemon sends to those a terminal gets.

Ten thousand rows as the `syscalls` probe has them, in the order of its view. Every number changes with every picture,
so rows change places, and some are replaced by others. What is measured is all CPU of the process: decoding, rates,
filter, order, painting, and Textual's own work, on a screen of 120×40 whose output is made and thrown away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.text import Text
from textual.app import App, ComposeResult
from textual.coordinate import Coordinate
from textual.drivers.headless_driver import HeadlessDriver
from textual.widget import Widget
from textual.widgets import DataTable

from tracerd.daemon import columns
from tracerd.snapshot import Column, Meaning, Table
from tui.model.arrange import arrange, natural
from tui.model.cells import cells
from tui.model.rates import rated
from tui.model.sheet import Sheet, sheet_of
from tui.widgets.grid import Grid

HELP = "CPU of one picture of a table of 10,000 rows, beside Textual's own table."

ROWS, FRAMES, WARM = 10_000, 60, 6
SIZE = (120, 40)
SECONDS = 0.25

_CALLS, _COMMANDS, _REPLACED = 25, 300, 20
_MEANINGS = {
    "pid": Meaning(key=True), "comm": Meaning(), "syscall": Meaning(key=True), "count": Meaning(rate=True),
    "errors": Meaning("count"), "p50_ns": Meaning("ns"), "p99_ns": Meaning("ns"), "total_ns": Meaning("ns"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what was painted, and its CPU for each picture."""

    what: str
    rows: int
    cpu_ms_per_frame: float

    def to_json(self) -> dict[str, object]:
        """Return the row of `bench tui --json`."""
        return {"what": self.what, "rows": self.rows, "cpu_ms_per_frame": round(self.cpu_ms_per_frame, 2)}


Show = Callable[[Sheet], None]


class _Terminal(HeadlessDriver):
    """A terminal that takes what is written, so that it is made; Textual makes nothing for one that is headless."""

    @property
    def is_headless(self) -> bool:
        return False


class _Bench(App[None]):
    """An app with one widget. `show` gives it a sheet."""

    def __init__(self, widget: Widget, show: Show) -> None:
        super().__init__(driver_class=_Terminal)
        self._widget, self.show = widget, show
        self._painted = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield self._widget

    async def painted(self) -> None:
        """Wait until what was shown is on the screen."""
        self._painted.clear()
        await self._painted.wait()

    def post_display_hook(self) -> None:
        """Textual calls this when it has written a picture."""
        self._painted.set()


def run(rows: int = ROWS, frames: int = FRAMES) -> list[Row]:
    """Measure every kind of table with the same pictures."""
    return [Row(what, rows, _measure(app, rows, frames)) for what, app in _subjects()]


def render(rows: Sequence[Row]) -> str:
    """Return a table for people."""
    form = "{:<32}{:>8,} rows{:>8.2f} ms of CPU per frame".format
    return "\n".join(form(row.what, row.rows, row.cpu_ms_per_frame) for row in rows)


def _subjects() -> Iterator[tuple[str, _Bench]]:
    grid = Grid()
    yield "tui table", _Bench(grid, grid.show)
    filtered = Grid()
    filtered.filter = "program-1 count/s>0"
    yield "tui table filtered", _Bench(filtered, filtered.show)
    table: DataTable[Text] = DataTable(cursor_type="row")
    yield "textual DataTable visible rows", _Bench(table, lambda sheet: _fill(table, sheet))


def _fill(table: DataTable[Text], sheet: Sheet) -> None:
    """Show the rows that are in sight, the cheapest way: cells that are there get other texts."""
    rows = arrange(sheet, None, natural(sheet))[: SIZE[1] - 1]
    texts = [cells(column, rows) for column in sheet.columns]
    if not table.columns:
        table.add_columns(*(column.title for column in sheet.columns))
        for line in zip(*texts, strict=True):
            table.add_row(*map(Text, line))
        return
    for x, column in enumerate(texts):
        for y, text in enumerate(column):
            table.update_cell_at(Coordinate(y, x), Text(text))


def _measure(app: _Bench, rows: int, frames: int) -> float:
    """Return the milliseconds of CPU that a picture takes."""
    documents = list(_documents(rows, frames + WARM + 1))
    taken: list[float] = []

    async def steps(_: Any) -> None:
        before = None
        began = time.process_time()
        for document in documents:
            before = _frame(app, document, before)
            await app.painted()
            now = time.process_time()
            taken.append(now - began)
            began = now
        app.exit()

    asyncio.run(app.run_async(size=SIZE, auto_pilot=steps))
    return sum(taken[WARM + 1 :]) / frames * 1e3


def _frame(app: _Bench, document: bytes, before: Sheet | None) -> Sheet:
    """Take what a daemon has sent, and have it shown."""
    _, blocks = columns.decode(document)
    now = sheet_of(Table(blocks[0].name, blocks[0].columns, _MEANINGS))
    app.show(rated(now, before, SECONDS))
    return now


def _documents(rows: int, frames: int) -> Iterator[bytes]:
    """Yield what a daemon sends: the same processes calling on, a few of them replaced."""
    chance = np.random.default_rng(1)
    pids = np.arange(rows, dtype=np.uint32) // _CALLS + 1000
    calls = np.array([f"call_{row % _CALLS}" for row in range(rows)], dtype=object)
    counts = chance.integers(0, 10**6, rows).astype(np.uint64)
    pace = chance.pareto(1.0, rows) * 100
    for frame in range(frames):
        counts += chance.poisson(np.minimum(pace, 10**6)).astype(np.uint64) + np.uint64(1)
        ended = chance.integers(0, rows, min(_REPLACED, rows))
        pids[ended], counts[ended] = 100_000 + frame * _REPLACED + np.arange(len(ended), dtype=np.uint32), 1
        comms = np.array([f"program-{pid % _COMMANDS}" for pid in pids.tolist()], dtype=object)
        errors, p50, p99 = counts // np.uint64(50), chance.integers(1, 10**6, rows), chance.integers(10**6, 10**9, rows)
        made: dict[str, Column] = {
            "pid": pids, "comm": comms, "syscall": calls, "count": counts, "errors": errors, "p50_ns": p50,
            "p99_ns": p99, "total_ns": p50.astype(np.uint64) * counts,
        }  # fmt: skip
        order = np.argsort(np.uint64(2**63) - counts, kind="stable")
        yield columns.encode({}, [columns.Block("syscalls", {name: each[order] for name, each in made.items()})])
