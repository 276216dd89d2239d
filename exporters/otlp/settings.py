"""[exporters.otlp] and the OTEL_* variables, which win over it: together they say where each signal goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field

from exporters.otlp.endpoints import Endpoint, grpc_endpoint, headers_for, http_endpoint, proxy_for
from exporters.otlp.environment import Environment, choice, flag, milliseconds, pairs
from exporters.otlp.request import SIGNALS, Signal
from exporters.otlp.target import Attribute, Compression, Protocol, Settings, Spooling, Target, Temporality, Tls
from tracerd.config.strict import StrictTable
from tracerd.config.units import seconds_from, size_from
from tracerd.errors import ConfigError

_DEFAULTS: dict[Protocol, str] = {"http/protobuf": "http://localhost:4318", "grpc": "http://localhost:4317"}
_NO_LIMIT = 24 * 3600.0                  # what a time-out of 0 means: as good as none
_PEM = {"certificate": "CERTIFICATE", "client_certificate": "CLIENT_CERTIFICATE", "client_key": "CLIENT_KEY"}


def _absolute(path: str) -> str:
    if not Path(path).is_absolute() or "\0" in path:
        raise ValueError(f"{path!r} must be an absolute path")
    return path


def _texts(table: object) -> object:
    if not isinstance(table, dict) or not all(isinstance(each, str) for each in table.values()):
        raise ValueError("must be a table of texts in quotes")           # no value is told: they are secrets
    return table


def _attribute(value: Any) -> Attribute:
    if not isinstance(value, str | bool | int | float):
        raise ValueError("must be text, a number, true or false")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("must be a number of 64 bits")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class SpoolSection(StrictTable):
    """[exporters.otlp.spool]"""

    path: AbsolutePath
    max_bytes: Annotated[int, size_from("64KiB", "1024GiB")] = 256 << 20


class Section(StrictTable):
    """[exporters.otlp]"""

    endpoint: Annotated[str, Field(repr=False)] = ""                     # may have a password in it
    protocol: Protocol = "http/protobuf"
    interval: Annotated[float, seconds_from("100ms", "1d")] = 60.0
    headers: Annotated[dict[str, str], BeforeValidator(_texts), Field(repr=False, default_factory=dict)]
    compression: Compression = "gzip"
    timeout: Annotated[float, seconds_from("10ms", "1h")] = 10.0
    certificate: AbsolutePath | None = None
    client_certificate: AbsolutePath | None = None
    client_key: AbsolutePath | None = None
    insecure: Annotated[bool, Field(strict=True)] = False                # grpc and an endpoint without a scheme
    temporality: Temporality = "cumulative"
    signals: tuple[Signal, ...] = SIGNALS
    resource: Annotated[dict[str, Annotated[Any, AfterValidator(_attribute)]], Field(default_factory=dict)]
    service_name: Annotated[str, Field(min_length=1)] | None = None
    queue_bytes: Annotated[int, size_from("64KiB", "16GiB")] = 16 << 20  # for each signal
    retry_seconds: Annotated[float, seconds_from("0s", "1d")] = 300.0
    spool: SpoolSection | None = None
    own_spans: Annotated[bool, Field(strict=True)] = False               # of the exporter's own work


def resolve(section: Section, environ: Mapping[str, str], where: str) -> Settings:
    """Return what holds, with `environ` before the section; `where` is what the user calls the section.

    Raises:
        ConfigError: a variable or an endpoint is wrong; it names the variable or the key and the way out.
    """
    env = Environment(environ)
    used = [each for each in SIGNALS if each in section.signals and env.wants(each)]
    if env.disabled():
        used = []
    interval = env.get("OTEL_METRIC_EXPORT_INTERVAL")
    temporality = env.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
    words = ("cumulative", "delta", "lowmemory")
    return Settings(
        targets=tuple(_Resolving(each, section, env, environ, where).target() for each in used),
        interval=milliseconds(interval) if interval else section.interval,
        temporality=cast(Temporality, choice(temporality, *words)) if temporality else section.temporality,
        resource=_resource(section, env),
        queue_bytes=section.queue_bytes,
        retry_seconds=section.retry_seconds,
        spool=Spooling(section.spool.path, section.spool.max_bytes) if section.spool else None,
        own_spans=section.own_spans,
    )


class _Resolving:
    """One signal: each option is its own variable, else the variable for all signals, else the section's key."""

    def __init__(
        self, signal: Signal, section: Section, env: Environment, environ: Mapping[str, str], where: str
    ) -> None:
        self.signal = signal
        self.section = section
        self.env = env
        self.environ = environ
        self.where = where

    def target(self) -> Target:
        protocol = self._protocol()
        endpoint = self._endpoint(protocol)
        compression = self.env.option(self.signal, "COMPRESSION")
        timeout = self.env.option(self.signal, "TIMEOUT")
        return Target(
            signal=self.signal,
            protocol=protocol,
            address=endpoint.address,
            shown=endpoint.shown,
            secure=endpoint.secure,
            headers=self._headers(protocol, endpoint),
            compression=cast(Compression, choice(compression, "gzip", "none")) if compression
            else self.section.compression,
            timeout=milliseconds(timeout, zero=_NO_LIMIT) if timeout else self.section.timeout,
            tls=self._tls(),
            proxy=proxy_for(endpoint.address, self.environ) if protocol == "http/protobuf" else None,
        )

    def _protocol(self) -> Protocol:
        given = self.env.option(self.signal, "PROTOCOL")
        if given is None:
            return self.section.protocol
        if given.text.lower() == "http/json":
            raise ConfigError(given.name, "http/json is not spoken; set it to http/protobuf or grpc")
        return cast(Protocol, choice(given, "http/protobuf", "grpc"))

    def _endpoint(self, protocol: Protocol) -> Endpoint:
        given = self.env.option(self.signal, "ENDPOINT")
        text = given.text if given else self.section.endpoint or _DEFAULTS[protocol]
        where = given.name if given else f"{self.where}: endpoint"
        if protocol == "grpc":
            insecure = self.env.option(self.signal, "INSECURE")
            return grpc_endpoint(text, where, flag(insecure) if insecure else self.section.insecure)
        return http_endpoint(text, where, None if given and given.own else self.signal)

    def _headers(self, protocol: Protocol, endpoint: Endpoint) -> dict[str, str]:
        given = self.env.option(self.signal, "HEADERS")
        headers = pairs(given, strict=True) if given else self.section.headers
        sent = headers_for(headers, protocol, given.name if given else f"{self.where}: headers")
        if endpoint.authorization:
            sent.setdefault("authorization", endpoint.authorization)
        return sent

    def _tls(self) -> Tls:
        paths: dict[str, str | None] = {}
        for key, option in _PEM.items():
            given = self.env.option(self.signal, option)
            paths[key] = str(Path(given.text).absolute()) if given else getattr(self.section, key)
        if bool(paths["client_certificate"]) != bool(paths["client_key"]):
            raise ConfigError(
                f"{self.where}: client_key", "a client's certificate and its key go together; give both or none"
            )
        return Tls(**paths)


def _resource(section: Section, env: Environment) -> dict[str, Attribute]:
    """Return the resource's attributes; of service.name the variable of its own comes before all."""
    found: dict[str, Attribute] = dict(section.resource)
    if section.service_name:
        found["service.name"] = section.service_name
    if given := env.get("OTEL_RESOURCE_ATTRIBUTES"):
        found |= pairs(given)
    if name := env.get("OTEL_SERVICE_NAME"):
        found["service.name"] = name.text
    return found
