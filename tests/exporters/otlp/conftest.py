"""What the transports' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exporters.otlp import certificates
from tests.exporters.otlp.collectors import GrpcCollector, HttpCollector


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
