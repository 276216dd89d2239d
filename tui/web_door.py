"""How many connections there are: whoever else runs on this machine can open as many as he likes, and say nothing.

Those that have not shown the cookie are few. The oldest of them gives way to the next one, so that a browser that has
it finds room at any time: it shows it with its first request, and whoever holds places is put out instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

MOST_STRANGERS = 32


class Doors:
    """The factory to listen with. `make` makes the protocol behind each door."""

    def __init__(self, make: Callable[[], asyncio.Protocol], most: int = MOST_STRANGERS) -> None:
        self._make = make
        self._most = most
        self._strangers: dict[asyncio.BaseTransport, None] = {}      # the oldest first

    def __call__(self) -> Door:
        return Door(self, self._make())

    def come(self, transport: asyncio.Transport) -> None:
        """Take a new connection in; the oldest of those that are strangers may have to go."""
        self._strangers[transport] = None
        if len(self._strangers) > self._most:
            oldest = next(iter(self._strangers))
            self.leave(oldest)
            cast(asyncio.Transport, oldest).abort()

    def know(self, transport: asyncio.BaseTransport | None) -> None:
        """It has shown the cookie: it may stay."""
        if transport is not None:
            self._strangers.pop(transport, None)

    leave = know


class Door(asyncio.Protocol):
    """One connection; all that comes goes to the protocol behind."""

    def __init__(self, doors: Doors, inner: asyncio.Protocol) -> None:
        self._doors = doors
        self._inner = inner
        self._transport: asyncio.BaseTransport | None = None
        self.data_received = inner.data_received             # type: ignore[method-assign]    # by far the most calls
        self.eof_received = inner.eof_received               # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing             # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing           # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in."""
        self._transport = transport
        self._inner.connection_made(transport)
        self._doors.come(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Go."""
        self._doors.leave(self._transport)
        self._inner.connection_lost(exc)
