"""A connection before and beside HTTP: who is it, is there room for it, does it read what it asked for.

It wraps aiohttp's protocol: connections that find no room never reach a parser.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from weakref import WeakKeyDictionary

from tracerd.daemon.api.access import Peer
from tracerd.daemon.api.counters import Counters
from tracerd.daemon.api.errors import Refused
from tracerd.daemon.api.limits import Slots

PeerOf = Callable[[asyncio.Transport], Peer]


class Gates:
    """All connections of one API: their peers, and the number of them."""

    def __init__(self, limit: int, write_seconds: float, counters: Counters) -> None:
        self.slots = Slots("connections", limit)
        self.write_seconds = write_seconds
        self.counters = counters
        self._peers: WeakKeyDictionary[asyncio.Transport, Peer] = WeakKeyDictionary()

    def protocol(self, inner: Callable[[], asyncio.Protocol], peer_of: PeerOf) -> Callable[[], asyncio.Protocol]:
        """Return the factory to listen with."""
        return lambda: Gate(self, inner, peer_of)

    def peer(self, transport: asyncio.BaseTransport | None) -> Peer | None:
        """Return who is at the other end; None once the connection is gone."""
        return self._peers.get(cast(asyncio.Transport, transport)) if transport is not None else None

    def admit(self, transport: asyncio.Transport, peer: Peer) -> str:
        """Give a new connection its place, and remember whose it is."""
        key = self.slots.take(peer)
        self._peers[transport] = peer
        self.counters.connections = self.slots.held
        return key

    def remember(self, transport: asyncio.Transport, plain: asyncio.Transport) -> None:
        """TLS was put over a connection: it is the same peer's."""
        self._peers[transport] = self._peers[plain]

    def leave(self, key: str) -> None:
        """A connection is gone."""
        self.slots.give(key)
        self.counters.connections = self.slots.held


class Gate(asyncio.Protocol):
    """One connection. A peer that leaves its answer unread for `write_seconds` is closed."""

    def __init__(self, gates: Gates, inner: Callable[[], asyncio.Protocol], peer_of: PeerOf) -> None:
        self._gates = gates
        self._make_inner = inner
        self._peer_of = peer_of
        self._inner: asyncio.Protocol | None = None
        self._place: str | None = None
        self._transport: asyncio.Transport | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, or tell it in one answer why not."""
        opened = self._transport = cast(asyncio.Transport, transport)
        try:
            self._place = self._gates.admit(opened, self._peer_of(opened))
        except OSError:                      # it is gone before we could ask who it was
            opened.abort()
            return
        except Refused as refusal:
            self._gates.counters.refused["connections"] += 1
            opened.write(_no_room(refusal))
            opened.close()
            return
        self._inner = self._make_inner()
        self._inner.connection_made(opened)

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """A client that will send no more is gone (aiohttp's answer is None): a stream to it ends here."""
        return self._inner.eof_received() if self._inner is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the place."""
        self._cancel()
        if self._place is not None:
            self._gates.leave(self._place)
            self._place = None
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer reads more slowly than is written: from now on its time runs."""
        if self._inner is not None:
            self._inner.pause_writing()
        if self._stalled is None:
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(self._gates.write_seconds, self._give_up)

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._cancel()
        if self._inner is not None:
            self._inner.resume_writing()

    def _give_up(self) -> None:
        self._gates.counters.closed_stalled += 1
        if self._transport is not None:
            self._transport.abort()

    def _cancel(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _no_room(refusal: Refused) -> bytes:
    """Return the whole answer for a connection that is refused; the sentence is ours, so it needs no escapes."""
    body = f'{{"error":{{"kind":"{refusal.kind}","message":"{refusal.message}","data":{{}}}}}}'.encode()
    head = (
        f"HTTP/1.1 {refusal.status} Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: {refusal.retry_after}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
