"""How much one peer may ask for: requests a second, connections, streams. What is refused is counted."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from tracerd.daemon.api.access import Peer
from tracerd.daemon.api.errors import Refused

MOST_PEERS = 1024
"""Buckets kept: the longest unused goes first. A peer that comes back to a full bucket has gained a second's worth."""

ADMIN_SPARE = 8
"""Connections beyond the limit that only administrators get: others cannot lock them out."""


class RateLimit:
    """A token bucket a peer: a second's worth may come at once."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._most = max(per_second, 1.0)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()     # key -> (tokens, when)

    def admit(self, key: str) -> None:
        """Let one request pass.

        Raises:
            Refused: there were too many.
        """
        now = self._clock()
        tokens, then = self._buckets.pop(key, (self._most, now))
        tokens = min(self._most, tokens + (now - then) * self._rate)
        passes = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if passes else tokens, now)
        if len(self._buckets) > MOST_PEERS:
            self._buckets.popitem(last=False)
        if not passes:
            wait = max(1, math.ceil((1.0 - tokens) / self._rate))
            raise Refused(429, "TooMany", f"more than {self._rate:g} requests a second; try again later", wait)


class Slots:
    """A number of things that are held for a while: connections, streams.

    A reader gets at most half, so that no single one can take them all; who has no role shares an eighth with all the
    others that have none; an administrator may have what is left and some beyond the limit.
    """

    def __init__(self, what: str, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """How many are taken."""
        return self._held.total()

    def take(self, peer: Peer) -> str:
        """Take one; give what is returned back later.

        Raises:
            Refused: there is none left, or none left for this peer.
        """
        key = peer.key if peer.role or peer.transport == "tcp" else "strangers"
        admin = peer.role == "admin"
        total = self._limit + (ADMIN_SPARE if admin else 0)
        share = total if admin else self._limit // 8 if key == "strangers" else self._limit // 2
        if self.held >= total:
            raise Refused(503, "Busy", f"all {self._limit} {self._what} are taken; try again later", 1)
        if self._held[key] >= max(share, 1):
            raise Refused(503, "Busy", f"this user has {self._held[key]} {self._what} already; close some", 1)
        self._held[key] += 1
        return key

    def give(self, key: str) -> None:
        """Give one back."""
        self._held[key] -= 1
        if self._held[key] <= 0:
            del self._held[key]
