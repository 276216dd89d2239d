"""What is said over and over is said a few times, and then counted."""

from __future__ import annotations

import logging
from collections.abc import Iterator

BURST = 5
"""How many identical records are told within a window."""

WINDOW_SECONDS = 10.0
REMEMBERED = 512
"""Different records that are told apart; a hostile client cannot make it more."""


class Repeats:
    """Which records to hold back. Not thread-safe: a log handler has a lock of its own."""

    def __init__(self) -> None:
        self.held = 0
        self._seen: dict[tuple[str, int, str], list[float]] = {}    # -> [first at, told, held back]

    def hold(self, record: logging.LogRecord, now: float) -> bool:
        """Count a record; True if it is one too many."""
        key = (record.name, record.levelno, record.getMessage())
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) < REMEMBERED:
                self._seen[key] = [now, 1, 0]
            return False
        if found[1] < BURST:
            found[1] += 1
            return False
        found[2] += 1
        self.held += 1
        return True

    def due(self, now: float) -> Iterator[tuple[str, int, str, int]]:
        """Forget what was first said a window ago, and yield (logger, level, message, how often it was held back)."""
        # In order of insertion, so the oldest are first.
        while self._seen:
            key, (first, _, held) = next(iter(self._seen.items()))
            if now - first < WINDOW_SECONDS:
                return
            del self._seen[key]
            if held:
                yield (*key, int(held))
