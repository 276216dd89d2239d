"""One table or map: its rows, with rates; its histograms, now and over time; all CPUs in one row, or one row each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from tracerd.errors import NotFound, TracerdError
from tracerd.text import printable
from tui.draw.heatmap import Heat
from tui.draw.histogram import Distribution
from tui.model import maps as model
from tui.model.cells import find
from tui.model.grouping import NO_GROUPS
from tui.model.opened import Mode, Opened
from tui.model.seen import Seen
from tui.model.sheet import Places, Sheet
from tui.screens.dialogs import Choice
from tui.screens.map_reading import MapReading
from tui.screens.map_words import heading, heading_hints, title, title_hints
from tui.widgets.grid import Grid
from tui.widgets.map_picture import MapPicture, beside

NO_SLOTS = "no histogram here: that takes a field with 8 or more numbers, or an array of 8 or more"

WIDEST = 180
"""Columns from which on a picture gets as many as the rows."""

PICTURED = ("together", "recent", "unit")
"""Keys that change a picture."""


class MapDetail(MapReading):
    """Shows what `Opened` has. A table comes with every moment; a map is asked for, one question at a time."""

    PLACE = "maps"
    HELP_TEXT = """
Rows with the rate of what counts: x/s is how much x has grown
since the moment before, per second. A new row counts from zero;
one that has shrunk began anew, and its rate is 0. ≈p50, ≈p99:
half, and 99 of 100, took no longer than about that, worked out
of a histogram of powers of two: right within a factor of two.

3,012 gone: when a map is three quarters full, rows of processes
that have ended make room. So many have since the probe was
loaded; what they had counted has gone with them, from "counted
so far" too.

v         the table, its histogram, its histogram over time
          (a tall terminal has room for both pictures)
m, Enter  the histogram of the row under the cursor, or of all
          rows that the filter leaves, added up
t         counted so far: since the probe was loaded; or only
          since you opened this
u         what slots count in, where names do not say it right:
          the line above then says (chosen)
p         CPUs added up, or a row for each: /cpu=3 shows one
b         rows by a part of their key: what counts is added up

A bar is a slot: from its lower bound up to twice that. p50, p90
and p99 stand where so many percent of all are reached.
Over time a column is an interval, the newest on the right;
brighter is more. Of a column of ┊ nothing is known.

E exports the table, or the numbers of the picture, a line a
bar; of two pictures those of the one with the focus (Tab).
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", show=False),
        Binding("v", "view", "Draw", tooltip="The table, its histogram, its histogram over time"),
        Binding("p", "split", "CPUs", tooltip="A row for each CPU, or all of them added up"),
        Binding("b", "group", "By", tooltip="Add up rows with the same pid, name …"),
        Binding("m", "together", "One row, or all", show=False),
        Binding("t", "recent", "All so far, or since it was opened", show=False),
        Binding("u", "unit", "Another unit", show=False),
        Binding("c", "column", "Another histogram", show=False),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    MapDetail #name { height: 1; padding: 0 1; background: $surface; }
    MapDetail #parts { height: 1fr; }
    MapDetail MapPicture { display: none; }
    MapDetail.-pictured MapPicture { display: block; }
    MapDetail.-pictured Grid { height: 7; }
    MapDetail.-pictured.-single Grid { display: none; }
    MapDetail.-pictured.-tall Grid { height: 2fr; display: block; }
    MapDetail.-pictured.-tall MapPicture { height: 3fr; }
    MapDetail.-wide #parts { layout: horizontal; }
    MapDetail.-pictured.-wide Grid { width: 3fr; height: 1fr; display: block; }
    MapDetail.-pictured.-wide MapPicture { width: 2fr; height: 1fr; border-left: solid $panel; }
    MapDetail.-pictured.-widest Grid { width: 1fr; }
    MapDetail.-pictured.-widest MapPicture { width: 1fr; }
    """

    def __init__(self, item: model.Item, opened: dict[model.Item, Opened], mode: Mode | None = None) -> None:
        """`opened` are all that were looked into: each is looked at as it was the last time. `mode`: but so."""
        super().__init__()
        self._item, self._all = item, opened
        self._opened = opened.setdefault(item, Opened(item))
        self._opened.mode = mode or self._opened.mode
        self._trouble = ""
        self._told = Text()
        self._keys: tuple[object, ...] = ()

    def body(self) -> Iterable[Widget]:
        yield Static(id="name", markup=False)
        with Vertical(id="parts"):
            yield Grid(id="rows")
            yield MapPicture()

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def on_resize(self) -> None:
        """Lines have another width, and there may be room for both pictures."""
        self.set_class(self.size.width >= WIDEST, "-widest")
        self.call_after_refresh(self._draw)

    # ---- what comes in

    def show(self, seen: Seen) -> None:
        """Take the table as it is now, or ask for the map."""
        if seen.moment is None or seen.look is None:
            return
        if self._item.table:
            table = model.table_of(seen.moment, self._item)
            self._trouble = "" if table is not None else "the probe is unloaded"
            before = seen.table_before(self._item.probe, self._item.name)
            if before is not None and seen.before is not None and not self._opened.taken_ns:
                self._opened.take_table(seen.before.taken_ns, before)        # so that there are rates at once
            if table is not None:
                self._opened.take_table(seen.moment.taken_ns, table)
        else:
            info = model.map_of(seen.look, self._item)
            if info is None or not info.id:
                self._trouble = "it is unloaded"
            elif seen.state == "live" and not self._held:
                self.read(seen.moment.taken_ns, info)
        if seen.state == "away":
            self._trouble = "no daemon answers"
        self._draw()

    def taken(self, message: MapReading.Read) -> None:
        """Show what a map has, unless the picture is to stand still by now."""
        if isinstance(message.found, TracerdError):
            gone = isinstance(message.found, NotFound)
            self._trouble = "it is unloaded" if gone else str(message.found)
        elif not self._held:
            self._trouble = ""
            self._opened.take_map(message.taken_ns, message.info, message.found)
        self._draw()

    @property
    def _held(self) -> bool:
        return self.top.paused and self._opened.sheet is not None

    # ---- what is shown

    @property
    def mode(self) -> Mode:
        """What is looked at: on a wide terminal there is room for a picture from the beginning."""
        if self._opened.slots is None:
            return "table"
        return self._opened.mode or ("histogram" if self.has_class("-wide") else "table")

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        opened, picture = self._opened, self.query_one(MapPicture)
        if opened.sheet is not None:
            self.present(self.query_one(Grid), opened.sheet)
        pictured = self.mode != "table"
        self.set_class(pictured, "-pictured")
        self.set_class(opened.single, "-single")
        picture.lay_out(heat=self.mode == "heatmap", both=self.has_class("-tall"))
        if pictured and self.focused is None:
            picture.take_focus()
        self._tell()
        self._show_picture()
        keys = (opened.per_cpu, opened.columns, opened.single, self.mode)
        if keys != self._keys:
            self._keys = keys
            self.refresh_bindings()

    def _show_picture(self) -> None:
        opened, picture, rows = self._opened, self.query_one(MapPicture), self._rows
        if opened.slots is None or self.mode == "table":
            return
        unit = opened.unit
        edges = unit.edges(opened.slots.number)
        times, heat = opened.heat(rows, picture.intervals)
        picture.show(Distribution(opened.counts(rows), edges, unit.format), Heat(times, heat, edges, unit.format))
        picture.tell(heading(opened, rows), heading_hints(opened))

    @property
    def _rows(self) -> Places:
        """The rows whose histogram is drawn: all that the filter leaves, or the one under the cursor."""
        grid, opened = self.query_one(Grid), self._opened
        key, sheet = grid.cursor_key, grid.sheet
        row = find(sheet, key, 0) if sheet is not None and key and not self._all_together else None
        if opened.single and sheet is not None:
            return np.arange(len(sheet))
        return grid.rows if row is None else np.array([row])

    @property
    def _all_together(self) -> bool:
        return self._opened.together or self._opened.single

    def _tell(self) -> None:
        """Say what this is and when it was so."""
        name, grid = self.query_one("#name", Static), self.query_one(Grid)
        gone = model.expired(self.top.seen.look, self._item, briefly=not self.has_class("-wide"))
        left = title(self._opened, grid.visible_rows, self._trouble, gone)
        line = beside(left, title_hints(self._opened, pictured=self.mode != "table"), name.size.width - 2)
        if line != self._told:
            self._told = line
            name.update(line, layout=False)

    @on(Grid.Moved)
    def _moved(self) -> None:
        """Another row is under the cursor."""
        if not self._all_together:
            self._show_picture()

    def _filter(self, text: str) -> None:
        super()._filter(text)
        self._draw()

    # ---- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what there is something for."""
        opened = self._opened
        if action == "split":
            return opened.per_cpu
        if action == "column":
            return self.mode != "table" and len(opened.columns) > 1
        if action in PICTURED:
            return self.mode != "table" and not (action == "together" and opened.single)
        return super().check_action(action, parameters)

    @on(Grid.Chosen)
    def _chosen(self) -> None:
        if self.mode == "table":
            self.query_one(Grid).action_expand()
        elif not self._opened.single:
            self.action_together()

    def action_view(self) -> None:
        """Show the table, its histogram, or its histogram over time."""
        if self._opened.slots is None:
            self._look_behind()
            return
        modes: tuple[Mode, ...] = ("table", "histogram", "heatmap")
        if self.has_class("-tall"):
            modes = modes[:2]                    # both pictures are there
        here = self.mode if self.mode in modes else "histogram"
        self._opened.mode = modes[(modes.index(here) + 1) % len(modes)]
        self._draw()
        self.call_after_refresh(self._refocus)

    def _refocus(self) -> None:
        grid = self.query_one(Grid)
        if grid.display:
            grid.focus()
        else:
            self.query_one(MapPicture).take_focus()
        self._draw()

    def action_split(self) -> None:
        """Show a row for each CPU, or all of them added up."""
        self._opened.split_cpus()
        self._draw()

    def action_group(self) -> None:
        """Have rows with something in common as one, or rows as they are again."""
        if not self._opened.next_group():
            self.notify(NO_GROUPS, severity="warning")
        self._draw()

    def action_together(self) -> None:
        """Draw one row, or all of them."""
        self._opened.together = not self._opened.together
        self._draw()

    def action_recent(self) -> None:
        """Draw all that was counted, or what was since it was opened."""
        self._opened.recent = not self._opened.recent
        self._draw()

    def action_unit(self) -> None:
        """Count slots in another unit."""
        self._opened.next_unit()
        self._draw()

    def action_column(self) -> None:
        """Draw histograms of another column."""
        self._opened.next_column()
        self._draw()

    @property
    def taken_ns(self) -> int:
        """When its rows were so: a map is read a little later than the moment is."""
        return self._opened.taken_ns

    def export_sheet(self) -> Sheet | None:
        """Return what the picture shows, if that is meant: it has the focus, or there is no table. None: the table."""
        meant = self.query_one(MapPicture).has_focus_within or not self.query_one(Grid).display
        return self._pictured() if meant else None

    def export_besides(self) -> Sheet | None:
        """Return what the picture beside the table shows."""
        return self._pictured() if self.export_sheet() is None else None

    def _pictured(self) -> Sheet | None:
        if self.mode == "table":
            return None
        rows, heat = self._rows, self.query_one(MapPicture).heat_meant
        return self._opened.heat_sheet(rows) if heat else self._opened.histogram_sheet(rows)

    # ---- from a table to the maps of its probe

    def _look_behind(self) -> None:
        """Find the maps of the probe that have histograms: a table's own columns may have none."""
        among = [(item, info) for item, info in model.maps(self.top.seen.look)
                 if item.probe == self._item.probe and model.may_have_slots(info)]  # fmt: skip
        if self._item.table and among:
            self.search(among)
        else:
            self.notify(NO_SLOTS, severity="warning")

    def found(self, items: Sequence[model.Item] | TracerdError) -> None:
        """Open the map that has histograms; where there are several, ask which."""
        if isinstance(items, TracerdError):
            self.notify(printable(str(items)), severity="error", markup=False)
            return
        keys = {str(number): item for number, item in enumerate(items[:9], 1)}
        if len(keys) == 1:
            self._open(keys["1"])
        elif keys:
            names = {key: item.title for key, item in keys.items()}
            question = "This table has no histogram of its own. Which map's?"
            self.app.push_screen(Choice(question, names), lambda key: self._open(keys[key]) if key else None)
        else:
            self.notify(NO_SLOTS, severity="warning")

    def _open(self, item: model.Item) -> None:
        self.app.push_screen(MapDetail(item, self._all, "histogram"))
