"""Where everything goes: exporters, what waits, what failed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from tui.model import exports as model
from tui.model.seen import Seen
from tui.screens.view import View
from tui.widgets.facts import Facts
from tui.widgets.grid import Grid

NONE = [
    ("", "Nothing leaves this machine: no exporter is configured."),
    ("OTLP", "set OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 where tracerd starts, or write [exporters.otlp]"),
    ("Prometheus", "write [exporters.prometheus] in tracerd.toml; it is scraped at http://127.0.0.1:9464/metrics"),
    ("files", 'write [exporters.jsonl] with path = "/var/lib/tracerd/moments.jsonl"'),
    ("", "The daemon reads tracerd.toml again by itself; docs/otel.md and docs/exporters.md have everything."),
]


class Exports(View):
    """Exporters on top, the one under the cursor in words below."""

    PLACE = "exports"
    HELP_TEXT = """
One line an exporter. A moment that was due was exported, has
failed, or was skipped (another export was still under way, or
a pause after failures); the next one that succeeds tells what
they would have.

sent   items that the other side took
queue  items that wait in memory; spool: on disk
lost   items that will never be sent, and records that found no
       room to wait

Below is the exporter under the cursor, with all its counts.
"""
    DEFAULT_CSS: ClassVar[str] = """
    Exports Grid { height: 1fr; min-height: 4; }
    Exports #detail { height: 2fr; border-top: solid $panel; padding: 0 1; }
    """

    def body(self) -> ComposeResult:
        yield Grid(id="exports-grid")
        with VerticalScroll(id="detail"):
            yield Facts()

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def show(self, seen: Seen) -> None:
        """Show all exporters, and one in words."""
        grid = self.query_one(Grid)
        self.present(grid, model.exports(seen))
        grid.display = bool(seen.look is None or seen.look.exporters)
        self._show_detail()

    def on_grid_moved(self) -> None:
        """Another exporter is under the cursor."""
        self._show_detail()

    def _show_detail(self) -> None:
        look, row = self.top.seen.look, self.query_one(Grid).cursor_values
        if look is None:
            return
        name = row.get("exporter") if row is not None else None
        info = next((each for each in look.exporters if each.name == name), None)
        self.query_one(Facts).show(model.facts(info) if info is not None else NONE if not look.exporters else [])
