"""The whole dashboard over a made feed, without a terminal."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from textual.pilot import Pilot
from textual.screen import Screen

from tests.tui.feeds import MadeFeed
from tests.tui.piloted import piloted, screen_text
from tui.app import Top
from tui.remembered import Remembered

Result = TypeVar("Result")
SECONDS = 20.0


class Dashboard:
    """What a test does with it."""

    def __init__(self, app: Top, pilot: Pilot[None], feed: MadeFeed) -> None:
        self.app, self.pilot, self.feed = app, pilot, feed

    @property
    def screen(self) -> Screen[Any]:
        return self.app.screen

    @property
    def text(self) -> str:
        """All that is on the screen."""
        return "\n".join(screen_text(self.app))

    async def until(self, there: Callable[[], bool], what: str = "it") -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + SECONDS
        while not there():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not come; the screen says:\n{self.text}")
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def says(self, *words: str) -> None:
        """Wait until the screen has all of these."""
        await self.until(lambda: all(word in self.text for word in words), f"{words}")

    async def told(self, words: str) -> None:
        """Wait until a message on the screen has these words, wherever its lines break."""
        await self.until(lambda: any(words in each.message for each in self.app._notifications), words)

    async def tick(self, times: int = 1) -> None:
        """Let seconds pass, and see each."""
        for _ in range(times):
            self.feed.tick()
            await self.caught_up()

    async def caught_up(self) -> None:
        """Wait until the newest moment was seen."""
        newest = self.feed.moment().taken_ns
        seen = self.app.seen
        await self.until(lambda: seen.moment is not None and seen.moment.taken_ns == newest, "a moment")

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()


def dashboard(
    feed: MadeFeed,
    steps: Callable[[Dashboard], Awaitable[Result]],
    size: tuple[int, int] = (80, 24),
    remembered: Remembered | None = None,
    **options: Any,
) -> Result:
    """Start the dashboard, see two moments, take the steps."""
    app = Top(feed.connect, remembered or Remembered(), **options)

    async def run(pilot: Pilot[None]) -> Result:
        made = Dashboard(app, pilot, feed)
        try:
            if not feed.gone:
                await made.caught_up()
                await made.tick()
            return await steps(made)
        finally:
            feed.gone = True

    return piloted(app, run, size)
