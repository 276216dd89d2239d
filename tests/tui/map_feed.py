"""A made feed with maps that answer late, wrongly or never, and steps on the Maps screen."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from textual.widgets import Input

from tests.tui.dashboard import Dashboard
from tests.tui.feeds import MadeFeed
from tracerd.daemon.feed import Look, MapInfo
from tracerd.errors import RunError
from tracerd.snapshot import Column
from tui.model.maps import Item
from tui.screens.map_detail import MapDetail
from tui.screens.maps import Maps
from tui.widgets.grid import Grid

SMALL, LARGE = (80, 24), (250, 70)
BOTH = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "250x70"])


@dataclass
class MapFeed(MadeFeed):
    """A made feed that counts the questions for maps, and lets a test change what comes of them."""

    hidden: frozenset[str] = frozenset()         # maps that are unloaded
    more: tuple[MapInfo, ...] = ()
    broken: bool = False
    asked: int = 0
    answering: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    def look(self) -> Look:
        look = super().look()
        kept = tuple(info for info in look.maps if info.name not in self.hidden)
        return replace(look, maps=(*kept, *self.more))

    def columns(self, map_id: int) -> Mapping[str, Column]:
        self.asked += 1
        assert self.answering.wait(20)
        if self.broken:
            raise RunError("map", "cannot be read just now")
        if map_id == 9:
            n = np.arange(3)
            two = np.arange(48, dtype=np.uint32).reshape(3, 16) * self.at
            return {"key": n.astype(np.uint32), "value.reads": two[:, :8], "value.writes": two[:, 8:]}
        return super().columns(map_id)


IO = MapInfo(9, "io", "disk", "hash", 4, 64, 100, 3, 0, 4096, 1, False)


def detail(top: Dashboard) -> MapDetail:
    assert isinstance(top.screen, MapDetail)
    return top.screen


def grid(top: Dashboard) -> Grid:
    return top.screen.query_one(Grid)


async def open_map(top: Dashboard, name: str) -> None:
    """Open a table or map from the list, and wait for its rows."""
    await top.press("3")
    await top.until(lambda: isinstance(top.screen, Maps) and grid(top).total_rows > 0)
    screen = top.screen
    assert isinstance(screen, Maps)
    table, _, rest = name.partition(" ")
    probe, _, own = (rest if table == "table" else name).partition("/")
    top.app.call_later(screen.open, Item(table == "table", probe, own))
    await top.until(lambda: isinstance(top.screen, MapDetail) and grid(top).total_rows > 0)


async def tick(top: Dashboard, times: int = 1) -> None:
    """Let seconds pass, and see what the map has then."""
    for _ in range(times):
        await top.tick()
        newest = top.feed.moment().taken_ns
        await top.until(lambda newest=newest: detail(top)._opened.taken_ns == newest)  # type: ignore[misc]


async def filter_rows(top: Dashboard, text: str) -> None:
    """Show only the rows that a filter means."""
    await top.press("slash")
    top.screen.query_one("#filter", Input).value = text
    await top.press("enter")


def maps(top: Dashboard) -> tuple[MapInfo, ...]:
    """Return the maps that the dashboard knows of."""
    look = top.app.seen.look
    return look.maps if look is not None else ()
