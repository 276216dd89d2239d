"""A rate limit: so many a second, and as many at once as a second gives."""

from __future__ import annotations

from collections.abc import Callable


class Bucket:
    """A token bucket. Not thread-safe."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = max(per_second, 1.0)
        self._clock = clock
        self._there = self._most
        self._then = clock()

    def take(self, wanted: int) -> int:
        """Return how many of those wanted may pass now."""
        now = self._clock()
        self._there = min(self._there + (now - self._then) * self._per_second, self._most)
        self._then = now
        passed = min(wanted, int(self._there))
        self._there -= passed
        return passed
