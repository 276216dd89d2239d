"""The first line: whom we watch, how he does, how much passes and what of it is lost."""

from __future__ import annotations

import time
from math import isnan

from rich.text import Text
from textual.widget import Widget

from tracerd.text import printable
from tracerd.views.format import count, duration
from tui.model.seen import Seen

MARKS = {"live": ("●", "green"), "starting": ("◌", "yellow"), "away": ("✗", "red")}


class Head(Widget):
    """One line, made of the newest sight."""

    DEFAULT_CSS = """
    Head { height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._left, self._right = Text("tracerd"), Text()

    def show(self, seen: Seen, *, paused: bool, interval: float, read_only: bool) -> None:
        """Tell another sight."""
        left, right = _left(seen, read_only=read_only), _right(seen, paused=paused, interval=interval)
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render(self) -> Text:
        """Return the line; on a narrow terminal the right half is cut first."""
        width = self.size.width
        gap = width - self._left.cell_len - self._right.cell_len
        line = self._left + Text(" " * max(gap, 2)) + self._right
        line.truncate(width, overflow="ellipsis")
        return line


def _left(seen: Seen, *, read_only: bool) -> Text:
    mark, colour = MARKS[seen.state]
    text = Text.assemble(("tracerd ", "bold"), (f"{mark} {seen.state}", colour))
    if seen.look is not None:
        text.append(f" {printable(seen.look.host)}", style="bold")
    if seen.moment is not None:
        text.append(f" up {_uptime(seen.moment.uptime_ns)}", style="dim")
    if read_only:
        text.append(" read-only", style="dim")
    return text


def _right(seen: Seen, *, paused: bool, interval: float) -> Text:
    text = Text()
    if paused:
        text.append(" PAUSED ", style="reverse bold")
        text.append(" ")
    produced, lost = seen.produced.last, seen.lost.last
    text.append(f"{count(produced)} events/s" if not isnan(produced) else "- events/s", style="bold")
    text.append("  ")
    if lost > 0:
        text.append(f"! {count(lost)} lost/s", style="bold red")
    else:
        text.append("0 lost/s", style="dim")
    cpu = seen.cpu.last
    text.append(f"  {cpu:.1%} CPU" if not isnan(cpu) else "  - CPU", style="dim")
    if seen.moment is not None:
        clock = time.strftime("%H:%M:%S", time.localtime(seen.moment.taken_ns // 10**9))
        text.append(f"  {clock}")
    text.append(f" ↻{interval:g}s", style="dim")
    return text


def _uptime(ns: int) -> str:
    seconds = ns // 10**9
    if seconds < 60:
        return duration(float(seconds * 10**9)) if seconds else "0s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"
