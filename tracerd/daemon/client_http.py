"""HTTP to a daemon, over a Unix socket or TLS, with the standard library. What fails is one sentence."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tracerd.errors import ConfigError, NotPermitted, RunError, TracerdError

SOCKET = Path("/run/tracerd/control.sock")
"""Where a daemon listens that was told nothing else."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
"""The longest is a load: fifteen seconds a program for its proof."""


IDLE_SECONDS = 5.0
"""The daemon closes what is idle for longer than it likes; what was idle for so long here is opened anew."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a daemon listens: a path, or a host with port and token."""

    path: Path | None = None
    host: str = "localhost"
    port: int = 0
    token: str = field(default="", repr=False)
    certificate: Path | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path) if self.path else f"{self.host}:{self.port}"


def local(path: Path | None) -> Endpoint:
    """Return the endpoint of this machine's daemon."""
    return Endpoint(path or SOCKET)


def over_tls(address: str, token: str, certificate: Path | None) -> Endpoint:
    """Return the endpoint at HOST:PORT.

    Raises:
        ConfigError: that is no address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError("address", f"{address!r} is no HOST:PORT")
    return Endpoint(None, host.strip("[]"), int(port), token, certificate)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("localhost", timeout=CONNECT_SECONDS)
        self._path = path
        self._patience = patience

    def connect(self) -> None:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._knock(opened)
            opened.settimeout(self._patience)
        except BaseException:
            opened.close()
            raise
        self.sock = opened

    def _knock(self, opened: socket.socket) -> None:
        """Connect; where many do at once, wait for room: a socket that must not block says EAGAIN instead."""
        opened.setblocking(False)
        end = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return opened.connect(os.fspath(self._path))
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError from None
                time.sleep(0.01)


def _tls(endpoint: Endpoint, patience: float) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=endpoint.certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=patience, context=context)


class Connection:
    """One kept-alive connection, opened when it is needed and again when the daemon has closed it meanwhile."""

    def __init__(self, endpoint: Endpoint, patience: float = ANSWER_SECONDS) -> None:
        """`patience`: seconds that nothing may come in; of a stream, longer than it is silent."""
        self._endpoint = endpoint
        self._patience = patience
        self._http: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None        # its own, of the last request: a stream takes it over
        self._used = 0.0
        self.broken_off = False

    def close(self) -> None:
        """Close it; a later request opens it again."""
        if self._http is not None:
            self._http.close()
            self._http = self._socket = None

    def break_off(self) -> None:
        """End what it waits for: a thread that reads an answer gets its end."""
        self.broken_off, opened = True, self._socket
        if opened is not None:
            with suppress(OSError):                      # it has ended already
                opened.shutdown(socket.SHUT_RDWR)

    def request(
        self, method: str, path: str, body: bytes | None = None, accept: str = "application/json"
    ) -> http.client.HTTPResponse:
        """Send a request and return the answer, whatever its status.

        Raises:
            RunError: no daemon answers, or it went away.
            NotPermitted: this user may not connect to it.
        """
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._endpoint.token:
            headers["Authorization"] = f"Bearer {self._endpoint.token}"
        if time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        reused = self._http is not None
        try:
            return self._sent(method, path, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not reused or method != "GET":        # a change may have been made before the answer was lost
                raise self._gone(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._told(error) from error
        try:
            return self._sent(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._told(error) from error

    def read(self, answer: http.client.HTTPResponse) -> bytes:
        """Return the whole body of an answer.

        Raises:
            RunError: the daemon went away in the middle of it.
        """
        try:
            return answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._gone(error) from error

    def _sent(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        if self._http is None:
            path_of, patience = self._endpoint.path, self._patience
            self._http = _Unix(path_of, patience) if path_of else _tls(self._endpoint, patience)
        opened = self._http                              # another thread may close us meanwhile
        try:
            opened.request(method, path, body, dict(headers))
        except BrokenPipeError:
            # It may have answered before it closed: "too many connections" is said at once.
            if opened.sock is None:
                raise
        self._socket = opened.sock
        if self.broken_off:
            raise ConnectionAbortedError("it was broken off")
        answer = opened.getresponse()
        self._used = time.monotonic()
        return answer

    def _told(self, error: Exception) -> TracerdError:
        name = self._endpoint.name
        if isinstance(error, PermissionError):
            return NotPermitted(name, "ask as root, or have your group named in [control] and [access] of tracerd.toml")
        if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
            return NoDaemon(name)
        if isinstance(error, TimeoutError):
            return RunError(name, f"the daemon does not answer within {self._patience:g} s")
        return self._gone(error)

    def _gone(self, error: Exception) -> TracerdError:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return RunError(self._endpoint.name, f"the daemon went away before it answered: {cause}")


class NoDaemon(RunError):
    """Nobody listens there."""

    def __init__(self, where: str) -> None:
        super().__init__(where, "no daemon answers there")

    def __str__(self) -> str:
        return f"no tracerd daemon answers at {self.what}; start one with `tracerd serve`"
