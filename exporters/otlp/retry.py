"""How long to wait before the next try: exponential with full jitter, so that many senders do not come at once."""

from __future__ import annotations

import random
from collections.abc import Callable

LONGEST_WISH = 3600.0
"""Seconds: a collector that wants to be left alone for longer is asked again then."""


class Backoff:
    """Pauses of one target. After each failure the next may be twice as long, up to `longest` seconds."""

    def __init__(
        self,
        initial: float = 1.0,
        factor: float = 2.0,
        longest: float = 30.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._initial = initial
        self._factor = factor
        self._longest = longest
        self._chance = chance
        self._bound = initial

    def pause(self, after: float | None = None) -> float:
        """Return seconds to wait: what the collector asked for, and a random part of the bound on top."""
        bound = self._bound
        self._bound = min(bound * self._factor, self._longest)
        return min(after or 0.0, LONGEST_WISH) + bound * self._chance()

    def reset(self) -> None:
        """Begin anew: something was sent."""
        self._bound = self._initial
