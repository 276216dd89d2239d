"""A Prometheus exporter at a free port, and who asks it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import numpy as np

from exporters.mapping.series import ProbeMetrics
from exporters.prometheus.server import Prometheus
from exporters.prometheus.settings import Section
from tests.daemon.moments import moment
from tests.exporters.prometheus.metrics import metric, numbers, probe
from tracerd.snapshot import Moment

POINTS = numbers(np.array([7], np.uint64))


def collect(moment: Moment) -> list[ProbeMetrics]:
    assert moment.probes
    return [probe(metric("calls", "counter", POINTS))]


@contextmanager
def serving(
    collect: Callable[[Moment], list[ProbeMetrics]] = collect,
    moment: Callable[[], Moment] = moment,
    **section: Any,
) -> Iterator[Prometheus]:
    """An exporter that listens at a free port."""
    free = Section(**section).model_copy(update={"listen": "127.0.0.1:0"})
    exporter = Prometheus(free, collect)
    exporter.serve(moment)
    try:
        yield exporter
    finally:
        exporter.close()


def ask(
    exporter: Prometheus, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[HTTPResponse, bytes]:
    """Return a response and its body; header names have "_" for "-"."""
    connection = HTTPConnection("127.0.0.1", exporter.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def plain(exporter: Prometheus, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
    made.sendall(sent)
    return made


def read(client: socket.socket) -> bytes:
    """Return what comes until the other end closes."""
    found = b""
    try:
        while got := client.recv(1 << 16):
            found += got
    except ConnectionError:
        return found
    return found
