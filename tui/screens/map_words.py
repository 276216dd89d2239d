"""What stands above the rows of a table or map, and above its picture: what it is, of when, which keys change it."""

from __future__ import annotations

import time

from rich.text import Text

from tracerd.text import printable
from tracerd.views.format import count, counted
from tui.model.opened import Opened
from tui.model.sheet import Places


def title(opened: Opened, visible: int, trouble: str, gone: str) -> Text:
    """Return what it is; or, where there is trouble, that, and of when the rows are. `visible` rows are shown.

    `gone` says which are not there any more.
    """
    text = Text(printable(opened.item.title), style="bold")
    if trouble:
        then = f"; this is as it was at {_clock(opened.taken_ns)}" if opened.taken_ns else ""
        text.append(f"  ! {printable(trouble)}{then}", style="bold red")
    elif opened.sheet is not None:
        kind, total = "table" if opened.info is None else opened.info.kind, len(opened.sheet)
        some = f"{count(visible)} of " if visible < total else ""
        text.append(f"  {kind}  {some}{counted(total, 'row')}", style="not bold")
        if opened.per_cpu:
            text.append("  by CPU" if opened.by_cpu else "  all CPUs", style="dim not bold")
        if opened.by:
            text.append(f"  by {opened.sheet.by_name[opened.by].title}", style="not bold")
        if gone:
            text.append(f"  {gone}", style="dim not bold")
    return text


def title_hints(opened: Opened, *, pictured: bool) -> list[str]:
    """Return keys that lead on from the rows."""
    can = ["v histogram"] if opened.slots is not None and not pictured else []
    can += ["p all CPUs" if opened.by_cpu else "p by CPU"] if opened.per_cpu else []
    return [*can, "Esc back"]


def heading(opened: Opened, rows: Places) -> Text:
    """Return of what the histogram of rows is, and in what unit if somebody has chosen that."""
    if opened.single:
        text = Text(printable(opened.item.name), style="bold")
    else:
        text = Text(printable(opened.column), style="bold")
    if opened.unit_chosen:
        text.append(f" in {opened.unit.name} (chosen)", style="not bold")
    if not opened.single:
        text.append(f"  {_which(opened, rows)}", style="not bold")
    since = f"since {_clock(opened.since_ns)}" if opened.recent else "counted so far"
    text.append(f"  {since}", style="dim not bold")
    return text


def heading_hints(opened: Opened) -> list[str]:
    """Return keys that change the histogram."""
    keys = [] if opened.single else ["m one row" if opened.together else "m all rows"]
    keys += ["c column"] if len(opened.columns) > 1 else []
    return [*keys, "t all" if opened.recent else "t recent", f"u unit ({opened.unit.name})"]


def _which(opened: Opened, rows: Places) -> str:
    if len(rows) == 1 and not opened.together:
        return opened.label(int(rows[0]))
    total = len(opened.sheet) if opened.sheet is not None else 0
    return f"all {counted(total, 'row')}" if len(rows) == total else f"{counted(len(rows), 'row')} of the filter"


def _clock(unix_ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(unix_ns // 10**9))
