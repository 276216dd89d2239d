"""Play the recorded feed in the whole dashboard, up to a step, and go to a screen."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
from textual.pilot import Pilot

from tests.tui.piloted import piloted
from tests.tui.recorded import RecordedFeed
from tui.app import Top
from tui.remembered import Remembered

Result = TypeVar("Result")
SECONDS = 30.0
STILL = 4
"""Looks in a row that must be the same until nothing moves any more."""
SIZES = ((80, 24), (160, 45))


@dataclass(frozen=True, slots=True)
class Scene:
    """A screen as the recording shows it: the keys that lead there, and words that say that all of it has come."""

    name: str
    keys: tuple[str, ...]
    words: tuple[str, ...] = ()
    more: int = 0                # steps that are played then


SCENES = (
    Scene("overview", ("1",), ("syscalls/syscalls",)),
    Scene("programs", ("2",), ("on_exit",)),
    Scene("program", ("2", "enter"), ("syscalls.bpf.c",)),
    Scene("maps", ("3",), ("syscalls",)),
    Scene("table", ("3", "enter"), ("count/s",)),
    Scene("picture", ("3", "enter", "v"), (" in all",), 8),
    Scene("events", ("4",), ("tick",), 3),
    Scene("sources", ("5",), ("syscall:*:exit",)),
    Scene("verifier", ("6",), ("on_exit",)),
    Scene("rejection", ("6", "o", *"broken", "enter"), ("past_the_end",)),
    Scene("exports", ("7",), ("prometheus",)),
)


class Player:
    """The dashboard over the recording."""

    def __init__(self, app: Top, pilot: Pilot[None], feed: RecordedFeed) -> None:
        self.app, self.pilot, self.feed = app, pilot, feed

    async def play(self, steps: int) -> None:
        """Let so many moments out, and have each seen."""
        for _ in range(steps):
            moment = self.feed.step()
            await self._until(lambda taken=moment.taken_ns: self._taken() == taken, "a moment")

    async def go(self, scene: Scene, text: Callable[[], str]) -> None:
        """Press a scene's keys, and wait until its words are there and nothing moves any more."""
        for key in scene.keys:
            await self.pilot.press(key)
            await self.pilot.pause()
        await self._until(lambda: all(word in text() for word in scene.words), f"{scene.words}; it says:\n{text()}")
        await self.play(scene.more)
        same, before = 0, ""
        while same < STILL:
            await self.pilot.pause(0.2)
            same, before = (same + 1, before) if text() == before else (0, text())

    def _taken(self) -> int:
        return self.app.seen.moment.taken_ns if self.app.seen.moment is not None else 0

    async def _until(self, there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not there():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            await self.pilot.pause(0.01)
        await self.pilot.pause()


def played(
    steps: int, then: Callable[[Player], Awaitable[Result]], size: tuple[int, int], theme: str = "tracerd"
) -> Result:
    """Play so many steps, then go on with a player."""
    feed = RecordedFeed()
    app = Top(feed.connect, Remembered(theme=theme))

    async def run(pilot: Pilot[None]) -> Result:
        player = Player(app, pilot, feed)
        await player.play(steps)
        return await then(player)

    with _as_recorded(feed):
        return piloted(app, run, size)


@contextmanager
def _as_recorded(feed: RecordedFeed) -> Iterator[None]:
    """Have nothing come from this machine's clock: looks come with moments, records were read when it was recorded."""
    read_at = feed.first_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.follow.LOOK_EVERY", 0.0)
        patch.setattr("tui.screens.events.Events.NOW", staticmethod(lambda: read_at))
        patch.setenv("TZ", "UTC")
        time.tzset()
        patch.setattr("tracerd.views.format.today", lambda: time.localtime(read_at // 10**9)[:3])
        yield
    time.tzset()


def keys_of(scenes: Sequence[Scene]) -> list[str]:
    """Return the scenes' names."""
    return [scene.name for scene in scenes]
