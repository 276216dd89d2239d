"""Where requests go and how, resolved: what the sending side reads, with every secret kept out of `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from exporters.otlp.request import Signal

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip"]
Temporality = Literal["cumulative", "delta", "lowmemory"]
Attribute = str | bool | int | float


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files. None of a certificate: what the system trusts; of a client's: none is shown."""

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where one signal goes. `shown` is what messages call it: no user, no password, no query."""

    signal: Signal
    protocol: Protocol
    address: str = field(repr=False)     # http/protobuf: the whole URL; grpc: HOST:PORT or what else gRPC resolves
    shown: str = ""
    secure: bool = False                 # TLS
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)     # names in lower case
    compression: Compression = "gzip"
    timeout: float = 10.0                # seconds, for one try
    tls: Tls = Tls()
    proxy: str | None = field(default=None, repr=False)                      # http/protobuf only; a URL


@dataclass(frozen=True, slots=True)
class Spooling:
    """Where requests wait on disk."""

    path: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All of [exporters.otlp] after the OTEL_* variables had their say."""

    targets: tuple[Target, ...]          # one a signal in use; none where OpenTelemetry is disabled
    interval: float = 60.0               # seconds
    temporality: Temporality = "cumulative"
    resource: Mapping[str, Attribute] = field(default_factory=dict)          # "service.name" among them if it is set
    queue_bytes: int = 16 << 20          # a signal
    retry_seconds: float = 300.0
    spool: Spooling | None = None
    own_spans: bool = False
