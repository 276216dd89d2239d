"""What the transports' tests share."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.otlp import certificates
from tests.exporters.otlp.collectors import GrpcCollector, HttpCollector, until


@pytest.fixture
def http() -> Iterator[HttpCollector]:
    with HttpCollector().running() as collector:
        yield collector


@pytest.fixture
def grpcs() -> Iterator[GrpcCollector]:
    with GrpcCollector().running() as collector:
        yield collector


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def away() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def spool(tmp_path: Path) -> dict[str, Any]:
    return {"path": str(tmp_path / "spool")}


@pytest.fixture
def threads_end() -> Iterator[None]:
    """No thread of ours is left behind, except where a test lets a collector hang for a moment."""
    yield
    until(lambda: not [each for each in threading.enumerate() if each.name.startswith("otlp-")])
