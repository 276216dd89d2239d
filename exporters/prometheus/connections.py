"""Connections before and beside HTTP: so many at a time, each for so long. One connection is one request.

A place is taken before TLS, so half-open handshakes are limited too. Who finds none is closed without a word.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from tracerd.config.units import split_listen
from tracerd.errors import ExportError

MOST_CONNECTIONS = 16
REQUEST_SECONDS = 5.0
"""From the connection to the end of the request's header, TLS handshake and all."""

ANSWER_SECONDS = 30.0
"""From there to the last byte of the answer."""

LAST_SECONDS = 0.5
"""What answers under way have when the server stops."""

_PAUSE_SECONDS = 0.5


class Connection(web.RequestHandler):
    """One connection of aiohttp's, that tells when it is lost."""

    __slots__ = ("_limit", "answering", "lost")

    def __init__(self, http: web.Server, limit: asyncio.Timeout, **settings: Any) -> None:
        super().__init__(http, loop=asyncio.get_running_loop(), **settings)
        self.lost = asyncio.Event()
        self.answering = False
        self._limit = limit

    def connection_lost(self, exc: BaseException | None) -> None:
        """The other end is gone, or the answer is sent."""
        super().connection_lost(exc)
        self.lost.set()

    def requested(self) -> None:
        """The header is there: from now on the time for the answer runs."""
        self.answering = True
        self._limit.reschedule(asyncio.get_running_loop().time() + ANSWER_SECONDS)


def listen(address: str) -> list[socket.socket]:
    """Return sockets that listen at all addresses of HOST:PORT that this machine has.

    Raises:
        ExportError: the host is unknown, or an address is taken or not ours to listen at.
    """
    host, port = split_listen(address)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, where in dict.fromkeys((each[0], each[4]) for each in found):
            try:
                sockets.append(_listening(family, where))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error              # as ::1 of "localhost" where there is no IPv6
        if missing is not None and not sockets:
            raise missing
    except (OSError, UnicodeError) as error:         # UnicodeError: no name of a host
        for made in sockets:
            made.close()
        why = error.strerror if isinstance(error, OSError) else error
        raise ExportError(address, f"cannot listen there: {why}") from error
    return sockets


def _listening(family: int, where: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # On Windows SO_REUSEADDR would let others listen beside us, and this one keeps them out.
        option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        made.setsockopt(socket.SOL_SOCKET, option, 1)
        made.bind(where)
        made.listen(MOST_CONNECTIONS)
    except OSError:
        made.close()
        raise
    return made


class Reception:
    """Accepts connections on the event loop that made it, until it is closed."""

    def __init__(
        self, make: Callable[[asyncio.Timeout], Connection], context: ssl.SSLContext | None, counts: Counter[str]
    ) -> None:
        self._make = make
        self._context = context
        self._counts = counts
        self._accepting: list[asyncio.Task[None]] = []
        self._served: dict[asyncio.Task[None], Connection | None] = {}

    def accept(self, sockets: list[socket.socket]) -> None:
        """Begin."""
        self._accepting = [asyncio.create_task(self._accept(each)) for each in sockets]

    async def close(self) -> None:
        """Take no more, let answers that are under way end within `LAST_SECONDS`, cut the others off."""
        await _cancel(self._accepting)
        answering = [task for task, connection in self._served.items() if connection and connection.answering]
        if answering:
            await asyncio.wait(answering, timeout=LAST_SECONDS)
        await _cancel(list(self._served))

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                plain, _ = await loop.sock_accept(listening)
            except OSError:                      # no descriptors left, or it was gone before we had it
                self._counts["refused_connections"] += 1
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if len(self._served) >= MOST_CONNECTIONS:
                self._counts["refused_connections"] += 1
                plain.close()
                continue
            task = loop.create_task(self._serve(plain))
            self._served[task] = None
            self._counts["connections"] = len(self._served)
            task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        del self._served[task]
        self._counts["connections"] = len(self._served)

    async def _serve(self, plain: socket.socket) -> None:
        """Serve one connection to its end."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(REQUEST_SECONDS) as limit:
                transport, connection = await loop.connect_accepted_socket(
                    lambda: self._make(limit),
                    plain,
                    ssl=self._context,
                    ssl_handshake_timeout=REQUEST_SECONDS if self._context else None,
                )
                self._served[task] = connection
                await connection.lost.wait()
        except TimeoutError:
            self._counts["timed_out"] += 1
        except OSError:                          # ssl.SSLError is one
            self._counts["failed_handshakes"] += 1
        finally:
            if transport is not None:
                transport.abort()


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
