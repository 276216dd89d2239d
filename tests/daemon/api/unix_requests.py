"""`requests` over a Unix socket: what schemathesis sends its cases with."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _Connection(HTTPConnection):
    path: Path

    def _new_conn(self) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.connect(str(self.path))
        opened.settimeout(20)
        return opened


class _Adapter(HTTPAdapter):
    def __init__(self, path: Path) -> None:
        super().__init__()
        connection = type("Connection", (_Connection,), {"path": path})
        pool = type("Pool", (HTTPConnectionPool,), {"ConnectionCls": connection})
        self._pool = pool("localhost", maxsize=2)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def close(self) -> None:
        self._pool.close()


def session(path: Path) -> requests.Session:
    """Return a session whose http:// is that socket."""
    made = requests.Session()
    made.trust_env = False
    made.mount("http://", _Adapter(path))
    return made
