"""Whatever is pressed, clicked or resized, and whatever a feed says: the dashboard neither ends nor hangs.

TRACERD_RANDOM_KEYS=N plays N seeds instead of a few; a seed that broke is played alone with TRACERD_RANDOM_SEED.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from tests.tui.hostile import HostileFeed
from tests.tui.piloted import piloted, screen_text
from tui.app import Top
from tui.remembered import Remembered

STEPS = 120
SEEDS = int(os.environ.get("TRACERD_RANDOM_KEYS", "4"))
ONLY = os.environ.get("TRACERD_RANDOM_SEED")

SIZES = ((80, 24), (1, 1), (2, 3), (10, 4), (40, 12), (119, 37), (120, 38), (180, 50), (300, 100), (300, 3), (5, 100))
KEYS = (
    *"1234567[]sSeEvpbmtuchjklgGadorPnNfq?/+- ", "enter", "enter", "enter", "escape", "tab", "shift+tab", "up", "down",
    "left", "right", "pageup", "pagedown", "home", "end", "ctrl+u", "ctrl+d", "ctrl+p", "backspace", "space", "y", "x",
)  # fmt: skip
KEYS = tuple(key for key in KEYS if key != "q")  # it leaves, which ends the test too early
FILTERS = (
    "a",
    "pid>1",
    "count/s>=1k",
    "=",
    "~",
    '"',
    "x=",
    "!=1",
    "pid!~1",
    "日",
    "1e999",
    "0x",
    "comm=\x1b",
    ">" * 50,
)


async def play(app: Top, pilot: Pilot[None], feed: HostileFeed, seed: int, steps: int) -> None:
    """Do something, again and again."""
    chance = random.Random(seed)
    for _ in range(steps):
        match chance.choices(("key", "type", "tick", "click", "scroll", "resize", "away"), (50, 4, 25, 14, 4, 5, 1))[0]:
            case "key":
                await pilot.press(chance.choice(KEYS))
            case "type":
                await pilot.press("slash", *chance.choice(FILTERS), chance.choice(("enter", "escape")))
            case "tick":
                feed.tick(chance.choice((0, 1, 1, 1, 7, 3600)))
                await pilot.pause(0.01)
            case "click":
                at = chance.randrange(app.size.width), chance.randrange(app.size.height)
                await pilot.click(offset=at, times=chance.choice((1, 1, 2, 3)))
            case "scroll":
                await scroll(app, pilot, chance)
            case "resize":
                await pilot.resize_terminal(*chance.choice(SIZES))
            case "away":
                feed.gone = True
                await pilot.pause(0.1)
                feed.gone = False
        if not app.is_running:  # the palette has a way out, too
            return
        assert len(screen_text(app)) == app.size.height


async def scroll(app: Top, pilot: Pilot[None], chance: random.Random) -> None:
    """Turn the wheel somewhere."""
    x, y = chance.randrange(app.size.width), chance.randrange(app.size.height)
    kind = chance.choice(
        (events.MouseScrollUp, events.MouseScrollDown, events.MouseScrollLeft, events.MouseScrollRight)
    )
    app.screen._forward_event(kind(None, x, y, 0, 0, 0, False, False, False, x, y))
    await pilot.pause()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [int(ONLY)] if ONLY else range(SEEDS))
def test_nothing_that_is_pressed_or_said_ends_it(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random keys, clicks and sizes over a feed that says whatever it likes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tui.follow.LOOK_EVERY", 0.0)
    monkeypatch.setattr("tui.follow.AGAIN_SECONDS", 0.05)
    feed = HostileFeed(seed=seed, most_rows=300)
    app = Top(feed.connect, Remembered())

    async def run(pilot: Pilot[None]) -> None:
        try:
            await play(app, pilot, feed, seed, STEPS)
        finally:
            feed.gone = True

    piloted(app, run, random.Random(seed).choice(SIZES))
