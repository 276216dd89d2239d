"""An endpoint as somebody wrote it, made into an address; and the headers that go there."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from exporters.otlp.request import Signal
from exporters.otlp.target import Protocol
from tracerd.errors import ConfigError

_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_GRPC_KEY = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset({"content-type", "content-encoding", "content-length", "transfer-encoding", "connection", "te"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, its name in messages, and what its user and password become."""

    address: str = field(repr=False)
    shown: str
    secure: bool
    authorization: str | None = field(default=None, repr=False)


def http_endpoint(text: str, where: str, appended: Signal | None) -> Endpoint:
    """Return the URL of a signal: a base that gets /v1/SIGNAL, or with None the URL as it is.

    Raises:
        ConfigError: it is no URL with http or https.
    """
    url = _split(text, where)
    path = f"{url.path.rstrip('/')}/v1/{appended}" if appended else url.path or "/"
    return _of_url(url, urlunsplit((url.scheme, _host(url), path, url.query, "")), path)


def grpc_endpoint(text: str, where: str, insecure: bool) -> Endpoint:
    """Return what gRPC connects to. A scheme of http or https decides on TLS, for anything else `insecure` does.

    Raises:
        ConfigError: it is neither a URL without a path nor an address.
    """
    if not text.lower().startswith(("http://", "https://")):
        if not re.fullmatch(r"[\x21-\x7e]+", text) or "@" in text:
            raise ConfigError(where, f"{_harmless(text)} is not HOST:PORT; credentials go into the headers")
        return Endpoint(text, text, not insecure)
    url = _split(text, where)
    if url.path not in ("", "/") or url.query:
        raise ConfigError(where, "gRPC has no paths: leave it away, or use protocol \"http/protobuf\"")
    host = _host(url)
    return _of_url(url, host if url.port else f"{host}:{_PORTS[url.scheme]}", "")


def headers_for(headers: Mapping[str, str], protocol: Protocol, where: str) -> dict[str, str]:
    """Return headers with their names in lower case. No error shows a value.

    Raises:
        ConfigError: a name or a value cannot be sent, or is ours to set.
    """
    for name, value in headers.items():
        small = name.lower()
        if not (_GRPC_KEY.fullmatch(small) if protocol == "grpc" else _TOKEN.fullmatch(name)):
            raise ConfigError(where, f"{name!r} is no name of a header")
        if small in _OURS or (protocol == "grpc" and (small.startswith("grpc-") or small.endswith("-bin"))):
            raise ConfigError(where, f"{name!r} cannot be set here; remove it")
        if not _VALUE.fullmatch(value):
            raise ConfigError(where, f"the value of {name!r} has characters other than printable ASCII")
    return {name.lower(): value for name, value in headers.items()}


def proxy_for(address: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in either case, ask for.

    Raises:
        ConfigError: it is no HTTP proxy.
    """
    url = urlsplit(address)
    found = _either_case(environ, f"{url.scheme}_proxy")
    without = _either_case(environ, "no_proxy")
    if found is None or (without and _excepted(url, without[1])):
        return None
    name, text = found
    return urlunsplit(_split(text if "://" in text else f"http://{text}", name))


def _either_case(environ: Mapping[str, str], name: str) -> tuple[str, str] | None:
    for each in (name, name.upper()):
        if environ.get(each):
            return each, environ[each]
    return None


def _excepted(url: SplitResult, no_proxy: str) -> bool:
    """Return whether NO_PROXY names the host, a domain it is in, or all."""
    host = (url.hostname or "").lower()
    for each in no_proxy.lower().split(","):
        name = each.strip().lstrip(".")
        if name and (name in ("*", host, _host(url).lower()) or host.endswith(f".{name}")):
            return True
    return False


def _split(text: str, where: str) -> SplitResult:
    try:
        url = urlsplit(text)
        known = url.scheme in _PORTS and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:                   # a port or an IPv6 address that is none
        known = False
    if not known or url.fragment or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ConfigError(where, f"{_harmless(text)} is not a URL such as http://localhost:4318")
    return url


def _of_url(url: SplitResult, address: str, path: str) -> Endpoint:
    shown = urlunsplit((url.scheme, _host(url), path, "", ""))
    return Endpoint(address, shown, url.scheme == "https", _authorization(url))


def _host(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _authorization(url: SplitResult) -> str | None:
    if url.username is None:
        return None
    user = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return "Basic " + base64.b64encode(user.encode()).decode()


def _harmless(text: str) -> str:
    """Return it for a message unless there may be a password or a key in it."""
    return "what is given" if "@" in text or "?" in text else repr(text[:80])
