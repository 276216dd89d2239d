"""Requests that wait in memory: as many as fit, and what does not fit any more is counted by who puts it in."""

from __future__ import annotations

from collections import deque

from exporters.otlp.request import Request


class Queue:
    """Oldest first, bounded by the bytes of the bodies. Not thread-safe.

    One request at a time may be taken out to be sent: it counts until it is `done`, and makes no room for others.
    """

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self.items = 0
        self.taken: Request | None = None
        self._max_bytes = max_bytes
        self._waiting: deque[Request] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + (self.taken is not None)

    def put(self, request: Request) -> list[Request]:
        """Append a request; return those that had to go for it, oldest first. It may be among them."""
        self._waiting.append(request)
        self._count(request, 1)
        dropped = []
        while self.bytes > self._max_bytes and self._waiting:
            dropped.append(self._waiting.popleft())
            self._count(dropped[-1], -1)
        return dropped

    def take(self) -> Request | None:
        """Return the one that is taken, else take the oldest; None if there is none."""
        if self.taken is None and self._waiting:
            self.taken = self._waiting.popleft()
        return self.taken

    def back(self) -> None:
        """Put the one that is taken back to the front."""
        if self.taken is not None:
            self._waiting.appendleft(self.taken)
            self.taken = None

    def done(self) -> None:
        """Forget the one that is taken."""
        if self.taken is not None:
            self._count(self.taken, -1)
            self.taken = None

    def _count(self, request: Request, sign: int) -> None:
        self.bytes += sign * len(request.body)
        self.items += sign * request.items
