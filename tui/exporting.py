"""`E`: what a screen shows as a file, written where the dashboard was started, or downloaded by a browser."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from textual import events
from textual.app import App

from tracerd.text import printable
from tracerd.views.format import count, counted
from tui.model.sheet import Sheet
from tui.model.writing import Rows, as_csv, as_json
from tui.screens.dialogs import Choice
from tui.screens.view import View

CSV, JSON = "CSV: its numbers, a line a row", "JSON: the same with their units, and of when they are"
SVG = {"s": "SVG: the screen as it is seen"}


class Exporting(App[None]):
    """What the dashboard does for the key."""

    def action_export(self) -> None:
        """Ask for the kind of file, and write it."""
        view = self.screen
        if isinstance(view, View):
            shown, besides = _shown(view), view.export_besides()
            kinds = {"c": CSV, "j": JSON} if shown is not None else {}
            if besides is not None:
                kinds |= {"C": f"CSV of the picture: {counted(len(besides), 'row')}", "J": "JSON of the picture"}
            title = f"Export {_named(*shown)}" if shown is not None else "Export this screen"
            self.push_screen(Choice(title, {**kinds, **SVG}), lambda kind: self._write(view, kind))

    def _write(self, view: View, kind: str | None) -> None:
        if kind is None:
            return
        if kind == "s":
            self._deliver(view.PLACE, "svg", self.export_screenshot())
            return
        shown = _besides(view) if kind.isupper() else _shown(view)
        if shown is not None:
            sheet, rows = shown
            suffix = {"c": "csv", "j": "json"}[kind.lower()]
            text = as_csv(sheet, rows) if suffix == "csv" else as_json(sheet, rows, view.taken_ns)
            self._deliver(f"{view.PLACE}-{_plain(sheet.name)}", suffix, text)

    def _deliver(self, what: str, suffix: str, text: str) -> None:
        now = time.time_ns() // 10**6            # two in one second are two files
        name = f"tracerd-{what}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now // 1000))}.{now % 1000:03}.{suffix}"
        self.deliver_text(io.StringIO(text), save_directory=Path.cwd(), save_filename=name, name="export")

    def on_delivery_complete(self, event: events.DeliveryComplete) -> None:
        """Say where it is."""
        self.notify(f"written to {event.path}" if event.path else "handed to the browser", markup=False)

    def on_delivery_failed(self, event: events.DeliveryFailed) -> None:
        """Say why it is not; nothing else is lost by it."""
        said: Any = event.exception
        self.notify(f"not written: {printable(str(said))}", severity="error", timeout=10, markup=False)


def _shown(view: View) -> tuple[Sheet, Rows] | None:
    """Return what a screen shows as rows."""
    instead, grid = view.export_sheet(), view.grid
    if instead is not None:
        return instead, np.arange(len(instead))
    return (grid.sheet, grid.rows) if grid is not None and grid.sheet is not None else None


def _besides(view: View) -> tuple[Sheet, Rows] | None:
    """Return what else a screen shows."""
    sheet = view.export_besides()
    return (sheet, np.arange(len(sheet))) if sheet is not None else None


def _named(sheet: Sheet, rows: Rows) -> str:
    """Return what is exported, in words."""
    total = counted(len(sheet), "row")
    return f"{sheet.name}: {total if len(rows) == len(sheet) else f'{count(len(rows))} of {total}'}"


def _plain(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in name)[:64]
