"""A table or a map that somebody looks into: its rows with their rates, and its histograms, now and over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tracerd.daemon.feed import MapInfo
from tracerd.snapshot import Column, Table
from tui.model.cells import cells
from tui.model.grouping import Groups, grouped, groups_of, next_by
from tui.model.history import CAPACITY, Times, Values
from tui.model.map_rows import map_rows
from tui.model.maps import Item, is_array
from tui.model.rates import rated
from tui.model.sheet import Places, Sheet, SheetColumn, sheet_of
from tui.model.slot_history import SlotHistory
from tui.model.slot_units import UNITS, Unit, guess
from tui.model.slots import Ids, Slots, slot_columns, slots_of

Mode = Literal["table", "histogram", "heatmap"]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was there at a moment. `by_cpu` says how a map's rows are to be made of it."""

    taken_ns: int
    rows: Callable[[bool], Sheet]
    map_id: int = 0


class Opened:
    """Changed by `take_…` when there is something newer, by the others when its user wants to see something else.

    `sheet` is what is to be shown, None before there is anything. How it is looked at outlives `forget`.
    """

    def __init__(self, item: Item, by: str = "") -> None:
        """`by`: the column by which rows are grouped; "": they are as they are."""
        self.item = item
        self.mode: Mode | None = None            # None: nobody has chosen yet
        self.by_cpu = False                      # a row for each CPU
        self.together = True                     # one histogram of all rows
        self.recent = False                      # of what was counted since it was opened
        self._by = by
        self._column = ""
        self._unit: int | None = None
        self._history = SlotHistory()
        self.forget()

    def forget(self) -> None:
        """Let go of what was there, but not of how it is looked at."""
        self.sheet: Sheet | None = None
        self.info: MapInfo | None = None
        self.slots: Slots | None = None
        self.columns: tuple[str, ...] = ()       # those that histograms can be drawn of
        self._now: _Taken | None = None
        self._before: _Taken | None = None
        self._plain: Sheet | None = None         # rows as they are, without rates
        self._earlier: Sheet | None = None
        self._groups: Groups | None = None       # which of them are one in `sheet`; None: none are
        self._history.clear()

    # ---- what comes in

    def take_table(self, taken_ns: int, table: Table) -> None:
        """Take a table as it is now."""
        plain = sheet_of(table)
        sheet = Sheet(self.item.sheet, plain.columns)
        self._take(_Taken(taken_ns, lambda _: sheet))

    def take_map(self, taken_ns: int, info: MapInfo, columns: Mapping[str, Column]) -> None:
        """Take a map's elements by BTF path. What was known of one that was loaded before it says nothing of it."""
        self.info = info

        def rows(by_cpu: bool) -> Sheet:
            name = f"{self.item.sheet} by CPU" if by_cpu else self.item.sheet
            return map_rows(name, columns, slots=info.per_cpu, by_cpu=by_cpu, rates=not info.read_only)

        self._take(_Taken(taken_ns, rows, info.id))

    def _take(self, taken: _Taken) -> None:
        last = self._now
        if last is not None and taken.taken_ns == last.taken_ns:
            return
        comparable = last is not None and taken.taken_ns > last.taken_ns and taken.map_id == last.map_id
        self._before, self._earlier = (last, self._plain) if comparable else (None, None)
        self._now, self._plain = taken, taken.rows(self.by_cpu)
        self._made()

    def _made(self) -> None:
        """Work out what is shown of the rows that there are."""
        if self._now is None or self._plain is None:
            return
        self._group()
        array = self.info is not None and is_array(self.info)
        constant = self.info is not None and self.info.read_only
        self.columns = () if constant else slot_columns(self._plain, array=array)
        self.slots = slots_of(self._plain, self.column, array=array) if self.columns else None
        if self.slots is not None:
            self._history.add(self._now.taken_ns, self.slots)

    def _group(self) -> None:
        """Work out the rows, with their rates, and which of them are one."""
        if self._now is None or self._plain is None:
            return
        seconds = (self._now.taken_ns - self._before.taken_ns) / 1e9 if self._before is not None else 0.0
        by = self._plain.by_name.get(self.by)
        self._groups = groups_of(by) if by is not None else None
        self.sheet = grouped(rated(self._plain, self._earlier, seconds), self.by, self._groups)

    # ---- how it is looked at

    @property
    def per_cpu(self) -> bool:
        """True if it has a value for each CPU."""
        return self.info is not None and self.info.per_cpu > 1

    @property
    def taken_ns(self) -> int:
        """When that was so; 0 before there is anything."""
        return self._now.taken_ns if self._now is not None else 0

    @property
    def single(self) -> bool:
        """True if there is but one histogram."""
        return self.slots is not None and not self.slots.keys

    @property
    def column(self) -> str:
        """Which column histograms are drawn of; "" if there is none."""
        return self._column if self._column in self.columns else next(iter(self.columns), "")

    @property
    def unit(self) -> Unit:
        """What slots count in."""
        return self._guessed if self._unit is None else UNITS[self._unit]

    @property
    def unit_chosen(self) -> bool:
        """True if somebody has said that slots count in something else than names have one guess."""
        return self.unit is not self._guessed

    @property
    def _guessed(self) -> Unit:
        slots = self.slots.number if self.slots is not None else 0
        return UNITS[guess(f"{self.item.name} {self.column}", slots)]

    @property
    def by(self) -> str:
        """The column by which rows are grouped; "": they are as they are."""
        return self._by if self._plain is not None and self._by in self._plain.by_name else ""

    @property
    def since_ns(self) -> int:
        """When what is `recent` began."""
        return self._history.since_ns

    def split_cpus(self) -> None:
        """Have a row for each CPU, or all CPUs in one again."""
        self.by_cpu = not self.by_cpu
        self._plain = self._now.rows(self.by_cpu) if self._now is not None else None
        self._earlier = self._before.rows(self.by_cpu) if self._before is not None else None
        self._history.clear()
        self._made()

    def next_group(self) -> bool:
        """Group rows by the next column, or have them as they are again. False if there is nothing to group them by."""
        before = self.by
        self._by = next_by(self._plain, before) if self._plain is not None else ""
        self._group()
        return self._by != before

    def next_column(self) -> None:
        """Draw histograms of another column."""
        if len(self.columns) > 1:
            self._column = self.columns[(self.columns.index(self.column) + 1) % len(self.columns)]
            self._history.clear()
            self._made()

    def next_unit(self) -> None:
        """Count slots in another unit."""
        self._unit = (UNITS.index(self.unit) + 1) % len(UNITS)

    # ---- histograms. `rows` are numbers of the sheet's rows, which are groups where it is grouped

    def counts(self, rows: Places) -> Values:
        """Return the histogram of rows, added up: of all that was counted, or of what is recent."""
        if self.slots is None:
            return np.zeros(0)
        if self.recent:
            return self._history.grown(self.slots.number, self._ids(rows))
        return np.asarray(self.slots.counts[self._places(rows)].sum(axis=0), dtype=np.float64)

    def heat(self, rows: Places, intervals: int = CAPACITY) -> tuple[Times, Values]:
        """Return how much slots of rows grew, added up, in each of the newest intervals."""
        if self.slots is None:
            return np.zeros(0, np.int64), np.zeros((0, 0))
        return self._history.heat(self.slots.number, self._ids(rows), intervals)

    def label(self, row: int) -> str:
        """Return what tells a row's histogram apart, in words."""
        if self.slots is None or self.sheet is None:
            return ""
        if self._groups is not None:
            key = self.sheet.by_name[self.by]
            return f"{key.title} {cells(key, np.array([row]))[0]}"
        return ", ".join(f"{key.title} {cells(key, np.array([row]))[0]}" for key in self.slots.keys)

    def _places(self, rows: Places) -> Places:
        return np.unique(self.slots.of_row[self._rows(rows)]) if self.slots is not None else rows

    def _rows(self, rows: Places) -> Places:
        """Return rows as they are: of groups, all that are in them."""
        return self._groups.rows(rows) if self._groups is not None else rows

    def _ids(self, rows: Places) -> Ids | None:
        """Return the histograms of rows; None for all of them, which includes those that are gone by now."""
        if self.slots is None or len(self._rows(rows)) == len(self.slots.of_row):
            return None
        return self.slots.ids[self._places(rows)]

    # ---- as tables, for files

    def histogram_sheet(self, rows: Places) -> Sheet:
        """Return a histogram as rows, up to the last slot that has something. The last one may have no bound above."""
        counts = self.counts(rows)
        used = np.flatnonzero(counts)
        slots = range(int(used[-1]) + 1 if len(used) else 0)
        bounds = [self._bounds(slot) for slot in slots]
        return self._as_sheet("histogram", {
            "bound_low": [low for low, _ in bounds], "bound_high": [high for _, high in bounds],
            "count": [int(counts[slot]) for slot in slots],
        })  # fmt: skip

    def heat_sheet(self, rows: Places) -> Sheet:
        """Return histograms over time as rows: of each interval (`taken_ns` is its end) the slots that grew."""
        times, counts = self.heat(rows)
        at, slots = np.nonzero(np.nan_to_num(counts, nan=0.0))
        bounds = [self._bounds(slot) for slot in slots.tolist()]
        return self._as_sheet("over time", {
            "taken_ns": times[at].tolist(), "bound_low": [low for low, _ in bounds],
            "bound_high": [high for _, high in bounds], "count": counts[at, slots].astype(np.int64).tolist(),
        })  # fmt: skip

    def _bounds(self, slot: int) -> tuple[int, int | None]:
        """Return a slot's bounds as whole numbers of the unit; None: there is none above."""
        edges = self.unit.edges(self.slots.number if self.slots is not None else 0)
        return int(edges[slot]), int(edges[slot + 1]) if np.isfinite(edges[slot + 1]) else None

    def _as_sheet(self, what: str, columns: Mapping[str, Sequence[int | None]]) -> Sheet:
        units = {"taken_ns": "unix_ns", "bound_low": self.unit.name, "bound_high": self.unit.name, "count": "count"}
        made = []
        for name, values in columns.items():
            column = np.empty(len(values), dtype=object)
            column[:] = values
            made.append(SheetColumn(name, name, column, units[name]))
        return Sheet(f"{self.item.sheet} {self.column} {what}", tuple(made))
