"""All tables and maps: how many entries each has, how full it is, what it refuses. Enter looks into one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from tui.model import maps as model
from tui.model.opened import Opened
from tui.model.rates import rated
from tui.model.seen import Seen
from tui.model.sheet import Sheet, sheet_of
from tui.screens.map_detail import MapDetail
from tui.screens.view import View
from tui.widgets.facts import Facts
from tui.widgets.grid import Grid

WIDEST = 180
"""Columns from which on the list and its detail stand side by side."""

NOTHING = [("", "Nothing is loaded. tracerd prog load syscalls loads the probe that counts system calls.")]


class Maps(View):
    """The list, and the one under the cursor in words."""

    PLACE = "maps"
    HELP_TEXT = """
One line a table, then one a map. A table is what a probe shows
of a map: fields decoded, with units and rates. A map is what
its programs work on, as it is.

entries  how many there are; of a ring buffer, bytes that wait
±/s      how many more, or fewer, a second; of a ring buffer
         nothing is told: records come and go, Events has them
fill     of what it can hold
refused  updates that found no room because it was full

Enter looks into one: rows with rates, histograms, a row for
each CPU. On a ring buffer it goes to Events.
"""
    DEFAULT_CSS: ClassVar[str] = """
    Maps #parts { height: 1fr; }
    Maps #detail { height: 8; border-top: solid $panel; padding: 0 1; }
    Maps.-tall #detail { height: 11; }
    Maps.-widest #parts { layout: horizontal; }
    Maps.-widest #parts #maps-grid { width: 1fr; }
    Maps.-widest #detail { width: 1fr; height: 1fr; border-top: none; border-left: solid $panel; padding: 0; }
    Maps.-widest #detail Facts { padding: 1 2; }
    Maps #preview { display: none; height: 1fr; }
    Maps #preview > .grid--cursor { background: $surface; color: $foreground; text-style: none; }
    Maps.-widest #preview.-filled { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._listed = model.Listed()
        self._opened: dict[model.Item, Opened] = {}

    def body(self) -> Iterable[Widget]:
        with Vertical(id="parts"):
            yield Grid(id="maps-grid")
            with VerticalScroll(id="detail", can_focus=False):
                yield Facts()
                preview = Grid(id="preview")
                preview.can_focus, preview.disabled = False, True        # to be looked at only
                yield preview

    def on_mount(self) -> None:
        self._list.focus()

    @property
    def _list(self) -> Grid:
        return self.query_one("#maps-grid", Grid)

    def on_resize(self) -> None:
        """Put both side by side where there is room for that."""
        self.set_class(self.size.width >= WIDEST, "-widest")
        self._show_detail()

    def show(self, seen: Seen) -> None:
        """Show all of them, and one in words."""
        self.present(self._list, self._listed.sheet(seen))
        self._show_detail()

    @on(Grid.Moved)
    def _show_detail(self) -> None:
        """Tell of the one under the cursor."""
        seen, item = self.top.seen, model.item_of(self._list.cursor_values)
        if seen.look is None:
            return
        self.query_one(Facts).show(model.facts(seen, item) if item is not None else self._why_nothing())
        self._show_preview(seen, item)

    def _why_nothing(self) -> list[tuple[str, str]]:
        return [] if self._list.total_rows else NOTHING

    def _show_preview(self, seen: Seen, item: model.Item | None) -> None:
        """Show the first rows of a table: they are here already, and a large terminal has room for them."""
        preview = self.query_one("#preview", Grid)
        table = model.table_of(seen.moment, item) if item is not None and item.table else None
        preview.set_class(table is not None, "-filled")
        if table is not None and item is not None and self.has_class("-widest"):
            before = seen.table_before(item.probe, item.name)
            sheet = rated(sheet_of(table), sheet_of(before) if before is not None else None, seen.seconds)
            self.present(preview, Sheet(item.sheet, sheet.columns))

    @on(Grid.Chosen)
    def _chosen(self, message: Grid.Chosen) -> None:
        item = model.item_of(message.row)
        if item is not None:
            self.open(item)

    def open(self, item: model.Item) -> None:
        """Look into a table or a map."""
        info = None if item.table else model.map_of(self.top.seen.look, item)
        if info is not None and info.kind == model.RING:
            self.top.action_go("events")
        elif info is not None and not info.id:
            self.notify("this is a pinned file that no probe has loaded: only its size is known", severity="warning")
        else:
            for other in self._opened.values():
                if other.item != item:
                    other.forget()
            self.app.push_screen(MapDetail(item, self._opened))
