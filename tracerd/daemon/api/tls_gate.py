"""The gate in front of TLS: a connection has its place before the handshake, so half-open ones are limited too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from tracerd.daemon.api.errors import Refused
from tracerd.daemon.api.gate import Gate, Gates, PeerOf

HANDSHAKE_SECONDS = 5.0


class TlsGate(Gate):
    """One TCP connection. Who finds no room is closed without a word: there is no TLS yet to say it in."""

    def __init__(
        self, gates: Gates, inner: Callable[[], asyncio.Protocol], peer_of: PeerOf, context: ssl.SSLContext
    ) -> None:
        super().__init__(gates, inner, peer_of)
        self._context = context
        self._early = bytearray()
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, then shake hands."""
        opened = self._transport = cast(asyncio.Transport, transport)
        try:
            self._place = self._gates.admit(opened, self._peer_of(opened))
        except (OSError, Refused):
            self._gates.counters.refused["connections"] += 1
            opened.abort()
            return
        opened.pause_reading()               # what comes is TLS's, from the first byte
        self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(opened))

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            wrapped = await loop.start_tls(
                plain, self, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, asyncio.CancelledError):      # ssl.SSLError and TimeoutError are OSErrors
            self._gates.counters.refused["handshakes"] += 1
            plain.abort()
            self.connection_lost(None)
            return
        if wrapped is None or self._place is None:     # it was closed within the handshake's last step
            plain.abort()
            self.connection_lost(None)
            return
        self._transport = wrapped
        self._gates.remember(wrapped, plain)
        self._inner = self._make_inner()
        self._inner.connection_made(wrapped)
        if self._early:
            self._inner.data_received(bytes(self._early))
            self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Hand on what came; what comes with the end of the handshake waits for the parser."""
        if self._inner is None:
            self._early += data
        else:
            super().data_received(data)
