"""The thread that follows a feed: moments as they come, a look at the daemon beside, and patience when it is away.

The dashboard takes the newest whenever it is ready: a terminal that is slow skips moments, and nothing piles up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from tracerd.daemon.feed import Feed, Look
from tracerd.errors import TracerdError
from tracerd.snapshot import Moment

LOOK_EVERY = 0.9
"""Least seconds between two looks: what a daemon says of itself changes slowly, and costs it more than a moment."""

AGAIN_SECONDS = 1.0
"""Between two tries to reach a daemon that is away."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A moment, and what the daemon says of itself about then."""

    moment: Moment
    look: Look


@dataclass(frozen=True, slots=True)
class Away:
    """Nobody answers: why."""

    reason: str


Told = Sight | Away


class Follower:
    """Follows one feed after the other, as `connect` gives them. From the dashboard's thread, but for its own."""

    def __init__(self, connect: Callable[[], Feed], interval: float, told: Callable[[], None]) -> None:
        """`told` is called in another thread when `take` has something new."""
        self._connect = connect
        self._told = told
        self._lock = threading.Lock()
        self._newest: Told | None = None
        self._turn = 0                   # of the thread that counts; an older one ends
        self._feed: Feed | None = None   # what that thread reads
        self._ended = threading.Event()
        self.interval = interval

    def start(self, interval: float | None = None) -> None:
        """Follow from now on; called again, with another interval."""
        self.interval = interval or self.interval
        turn = self._next_turn()
        threading.Thread(target=self._run, args=(turn,), name="follow", daemon=True).start()

    def stop(self) -> None:
        """Follow no more."""
        self._next_turn()
        self._ended.set()

    def take(self) -> Told | None:
        """Return what is new since the last call, the newest only."""
        with self._lock:
            newest, self._newest = self._newest, None
            return newest

    def _next_turn(self) -> int:
        """End the thread that counted so far, however long the next moment would take to come: streams are few."""
        with self._lock:
            self._turn += 1
            before, self._feed = self._feed, None
            turn = self._turn
        if before is not None:
            before.close()
        return turn

    def _run(self, turn: int) -> None:
        while turn == self._turn:
            reason = self._follow(turn)
            if turn == self._turn:
                self._tell(Away(reason))
                self._ended.wait(AGAIN_SECONDS)

    def _follow(self, turn: int) -> str:
        """Follow a feed to its end; returns why it ended."""
        try:
            with closing(self._connect()) as feed:
                with self._lock:
                    if turn != self._turn:
                        return ""
                    self._feed = feed
                for sight in self._sights(feed):
                    if turn != self._turn:
                        return ""
                    self._tell(sight)
            return "the daemon has ended"
        except TracerdError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  a thread that ended unseen would leave the last picture as if live
            return f"a mistake of the dashboard's own, please report it: {type(error).__name__}: {error}"

    def _sights(self, feed: Feed) -> Iterator[Sight]:
        look, looked = feed.look(), time.monotonic()
        for moment in feed.moments(self.interval):
            if time.monotonic() - looked >= LOOK_EVERY:
                look, looked = feed.look(), time.monotonic()
            yield Sight(moment, look)

    def _tell(self, told: Told) -> None:
        with self._lock:
            waiting, self._newest = self._newest, told
        if waiting is None:
            self._told()
