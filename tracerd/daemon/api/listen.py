"""Where the API listens: a Unix socket, TCP if asked for, a named pipe on Windows."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from tracerd.daemon.api.access import AccessList, Peer, Tokens, credentials_of
from tracerd.daemon.api.app import Api
from tracerd.daemon.api.gate import Gates
from tracerd.daemon.api.host import Health, Host, Service
from tracerd.daemon.api.settings import ControlSettings
from tracerd.daemon.api.tls_gate import TlsGate
from tracerd.daemon.api.tokens import make_token, read_tokens
from tracerd.daemon.api.workers import Workers
from tracerd.errors import ConfigError, RunError

if TYPE_CHECKING:
    from tracerd.daemon.api.unix_socket import UnixSocket

WINDOWS = os.name == "nt"
"""There it is a named pipe, and every request needs a token: asyncio gives a pipe no access list. Not run there yet."""

STOP_SECONDS = 1.0
"""How long a stop waits for answers that are on their way."""

LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read, so that the client sees the refusal instead of a reset."""


class _LocalSocket(Protocol):
    @property
    def reachable(self) -> bool: ...
    def remove(self) -> None: ...


class ControlServer:
    """The API while it serves. Start and stop it on the event loop that runs it."""

    def __init__(
        self,
        host: Host,
        status: Callable[[], dict[str, object]],
        health: Callable[[], Health],
        settings: ControlSettings,
        local: UnixSocket | None = None,
    ) -> None:
        """`local` is the Unix socket if it was made already, as by who may make it and then drops privileges."""
        self._settings = settings
        self._local = local
        self._service = Service(host, status, health, settings, Workers(settings.streams))
        self._runner: web.AppRunner | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._unix: _LocalSocket | None = None
        self._listen_again: Callable[[], Awaitable[None]] | None = None
        self.tcp_port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: a name, a token file or a certificate is wrong, or TCP lacks one of them.
            NotPermitted: the socket may not be made there.
            RunError: another daemon answers there, or the address is taken.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self._settings
        tokens = _tokens(settings)
        api = Api(self._service, tokens)
        self._runner = web.AppRunner(
            api.app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=settings.wait_seconds,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,           # a few bytes must not become many
            shutdown_timeout=STOP_SECONDS,
        )
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        self._listen_again = partial(self._listen_locally, api.gates, server)
        await self._listen_again()
        if settings.tcp_listen:
            await self._listen_tcp(api.gates, server)

    async def _listen_locally(self, gates: Gates, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        if WINDOWS:
            factory = gates.protocol(server, lambda _: Peer("pipe"))
            self._servers += await loop.start_serving_pipe(factory, str(self._settings.socket))   # type: ignore
            return
        from tracerd.daemon.api import unix_socket  # needs fcntl, which Windows has not

        access = AccessList(self._settings)

        def peer_of(transport: asyncio.Transport) -> Peer:
            return access.peer(credentials_of(transport.get_extra_info("socket")))

        made = self._unix = self._local or unix_socket.UnixSocket.bind(self._settings)
        self._servers.append(await loop.create_unix_server(gates.protocol(server, peer_of), sock=made.socket))

    async def _listen_tcp(self, gates: Gates, server: web.Server) -> None:
        host, port = _address(self._settings.tcp_listen)
        context = tls_context(self._settings)

        def gate() -> asyncio.Protocol:
            return TlsGate(gates, server, _tcp_peer, context)

        try:
            listening = await asyncio.get_running_loop().create_server(gate, host, port)
        except OSError as error:
            raise RunError(self._settings.tcp_listen, f"cannot listen there: {error.strerror}") from error
        self._servers.append(listening)
        self.tcp_port = listening.sockets[0].getsockname()[1]

    async def renew(self) -> bool:
        """Listen anew if somebody removed the socket's file; who is connected stays so. True if it was necessary.

        Raises:
            ConfigError, NotPermitted, RunError: as `start`; it is tried again at the next call.
        """
        gone = self._unix
        if gone is None or gone.reachable or self._listen_again is None:
            return False
        self._local, before = None, self._servers[0]
        await self._listen_again()
        self._servers.remove(before)
        before.close()
        gone.remove()
        return True

    async def stop(self) -> None:
        """Answer what is on its way, end the streams, remove the socket."""
        self._service.workers.stopping.set()
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._unix is not None:
            self._unix.remove()
            self._unix = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._service.workers.close()

    def statistics(self) -> dict[str, object]:
        """Return what the API counted of itself."""
        return self._service.counters.plain()


def _tokens(settings: ControlSettings) -> Tokens | None:
    if WINDOWS:
        return make_token(settings.tcp_token_file or Path(os.environ["PROGRAMDATA"], "tracerd", "control.token"))
    return read_tokens(settings.tcp_token_file) if settings.tcp_listen and settings.tcp_token_file else None


def _tcp_peer(transport: asyncio.Transport) -> Peer:
    return replace(Peer("tcp"), address=str(transport.get_extra_info("peername")[0]))


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigError("[control.tcp] listen", f"{listen!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def tls_context(settings: ControlSettings) -> ssl.SSLContext:
    """Return what TCP is served with: TLS 1.2 or later.

    Raises:
        ConfigError: certificate, key or token file is missing or wrong.
    """
    certificate, key = settings.tcp_certificate, settings.tcp_key
    if certificate is None or key is None or settings.tcp_token_file is None:
        raise ConfigError("[control.tcp]", "TCP is served only with token_file, certificate and key; name all three")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("[control.tcp]", f"certificate or key cannot be used: {error}") from error
    return context
