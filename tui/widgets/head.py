"""The first line: whom we watch, how he does, how much passes and what of it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from rich.text import Text
from textual.widget import Widget

from tracerd.text import printable
from tracerd.views.format import count, duration, share
from tui.model.seen import Seen

MARKS = {"live": ("●", "green"), "starting": ("◌", "yellow"), "away": ("✗", "red")}

GAP = 2
"""Least columns between what is on the left and what is on the right."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of the line. The higher the rank the sooner they give way; those of rank 0 stay."""

    text: str
    rank: int
    style: str = ""
    right: bool = False


class Head(Widget):
    """One line, made of the newest sight."""

    DEFAULT_CSS = """
    Head { height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts = [Part("tracerd", 0)]

    def show(self, seen: Seen, *, paused: bool, interval: float, read_only: bool) -> None:
        """Tell another sight."""
        parts = parts_of(seen, paused=paused, interval=interval, read_only=read_only)
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def render(self) -> Text:
        """Return the line."""
        return fitted(self._parts, self.size.width)


def parts_of(seen: Seen, *, paused: bool, interval: float, read_only: bool) -> list[Part]:
    """Return what is told of a sight."""
    return [*_who(seen, read_only=read_only), *_how(seen, paused=paused, interval=interval)]


def fitted(parts: Sequence[Part], width: int) -> Text:
    """Return parts as a line; on a narrow terminal what matters least is left out first."""
    while _width(parts) > width and any(each.rank for each in parts):
        least = max(each.rank for each in parts)
        parts = [each for each in parts if each.rank != least]
    line, right = _joined(parts, right=False), _joined(parts, right=True)
    line.append(" " * max(width - line.cell_len - right.cell_len, GAP))
    line.append_text(right)
    line.truncate(width, overflow="ellipsis")
    return line


def _width(parts: Sequence[Part]) -> int:
    return _joined(parts, right=False).cell_len + GAP + _joined(parts, right=True).cell_len


def _joined(parts: Sequence[Part], *, right: bool) -> Text:
    between = "  " if right else " "
    return Text(between).join(Text(each.text, style=each.style) for each in parts if each.right == right)


def _who(seen: Seen, *, read_only: bool) -> Iterator[Part]:
    mark, colour = MARKS[seen.state]
    yield Part("tracerd", 0, "bold")
    yield Part(f"{mark} {seen.state}", 0, colour)
    if seen.state == "away":
        yield Part(printable(seen.reason), 0, colour)
        return
    if seen.look is not None:
        yield Part(printable(seen.look.host), 3, "bold")
        if not seen.look.config:
            yield Part("in this process", 2, "dim")
    if seen.moment is not None:
        yield Part(f"up {_uptime(seen.moment.uptime_ns)}", 5, "dim")
    if read_only:
        yield Part("read-only", 2, "dim")


def _how(seen: Seen, *, paused: bool, interval: float) -> Iterator[Part]:
    """Yield what passes. What was so when the daemon was last heard is dim, and nothing of it is said to be now."""
    away = seen.state == "away"
    if paused:
        yield Part(" PAUSED ", 0, "reverse bold", right=True)
    produced, lost, cpu = (seen.newest(each) for each in (seen.produced, seen.lost, seen.cpu))
    if away:
        yield Part("as of", 1, "dim", right=True)
    else:
        yield Part(f"{_known(produced, count)} events/s", 1, "bold", right=True)
        lossy = lost > 0
        yield Part(f"{'! ' * lossy}{_known(lost, count)} lost/s", 1, "bold red" if lossy else "dim", right=True)
        yield Part(f"{_known(cpu, share)} CPU", 4, "dim", right=True)
    if seen.moment is not None:
        clock = time.strftime("%H:%M:%S", time.localtime(seen.moment.taken_ns // 10**9))
        yield Part(clock, 1, "dim" if away else "", right=True)
    yield Part(f"↻{interval:g}s", 2, "dim", right=True)


def _known(value: float, form: Callable[[float], str]) -> str:
    return "-" if isnan(value) else form(value)


def _uptime(ns: int) -> str:
    seconds = ns // 10**9
    if seconds < 60:
        return duration(float(seconds * 10**9)) if seconds else "0s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"
