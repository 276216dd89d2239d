"""The real server on a real socket, in a thread of this process."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.daemon.api.fake import FakeHost
from tracerd.daemon.api.listen import ControlServer
from tracerd.daemon.api.settings import ControlSettings
from tracerd.daemon.client import Client, connect

STATUS: dict[str, object] = {
    "version": "0.1.0", "pid": 7, "config": "/etc/tracerd/tracerd.toml",
    "state_dir": "/var/lib/tracerd", "uptime_s": 5.0,
    "ready": False, "reasons": ["map 'counts' is full"], "notes": ["one"],
    "probes": [{"name": "calls", "origin": "config", "description": "", "programs": [1]}],
    "programs": [], "maps": [], "links": [], "sources": [],
    "pumps": [
        {"name": "system", "events": ["process:sample"], "links": 1, "buffers": 0, "buffer_bytes": 0, "cpu_ns": 0,
         "failure": "it broke"},
        {"name": "perf", "events": ["syscall:read:enter"], "links": 1, "buffers": 4, "buffer_bytes": 8 << 20,
         "cpu_ns": 1_500_000, "failure": ""},
    ],
    "exporters": [
        {"name": "otlp", "interval": 10.0, "failures": 2, "last_error": "refused", "counts": {"otlp.sent": 3}},
    ],
    "ledger": {
        "syscall:read:enter": {"produced": 10, "delivered": 8, "lost": 0, "dropped": 0, "filtered": 2, "failed": 0},
    },
}


@dataclass
class Serving:
    """A server that serves."""

    server: ControlServer
    host: FakeHost
    path: Path
    health: tuple[bool, bool, list[str]]

    def client(self) -> Client:
        """Return a client of it."""
        return connect(self.path)

    def statistics(self) -> dict[str, Any]:
        """Return what the API counted."""
        return self.server.statistics()

    def raw(self) -> socket.socket:
        """Return a bare connection, for what no client would send."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.connect(str(self.path))          # with a time-out it would not wait for room in the backlog
        opened.settimeout(10)
        return opened


@contextmanager
def serving(folder: Path, host: FakeHost | None = None, **changes: Any) -> Iterator[Serving]:
    """Serve a fake host from a folder until the end of the block."""
    settings = ControlSettings(**{"socket": folder / "control.sock", **changes})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def health() -> tuple[bool, bool, list[str]]:
        return served.health

    async def make() -> ControlServer:
        return ControlServer(served.host, lambda: dict(STATUS), health, settings)

    async def start() -> None:
        served.server = await make()
        await served.server.start()

    served = Serving(None, host or FakeHost(), settings.socket, (True, True, []))   # type: ignore[arg-type]
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(20)
        yield served
    finally:
        if served.server is not None:
            asyncio.run_coroutine_threadsafe(served.server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that happens in another thread."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


class Records(logging.Handler):
    """Keeps the audit records."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)

    @property
    def fields(self) -> list[dict[str, Any]]:
        """What each record says, field by field."""
        return [record.fields for record in self.kept]      # type: ignore[attr-defined]


@contextmanager
def audit() -> Iterator[Records]:
    """Keep what the audit log is told within the block."""
    records = Records()
    log = logging.getLogger("tracerd.audit")
    before = log.level
    log.addHandler(records)
    log.setLevel(logging.INFO)
    try:
        yield records
    finally:
        log.removeHandler(records)
        log.setLevel(before)
