"""[exporters.prometheus] of tracerd.toml, and the secrets that it names."""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

import tracerd
from exporters.mapping.series import Row
from tracerd.config.strict import StrictTable
from tracerd.config.trust import read_trusted
from tracerd.config.units import Listen
from tracerd.errors import ConfigError, ExportError

LEAST_CHARACTERS = 32
"""Of a token, as those of the control interface."""


def _somewhere(listen: str) -> str:
    if not listen:
        raise ValueError("must be HOST:PORT, such as '127.0.0.1:9464'")
    return listen


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} must be an absolute path")
    return path


File = Annotated[Path, AfterValidator(_absolute)]
Attribute = Annotated[str, Field(strict=True)] | Annotated[bool, Field(strict=True)] | int | float


class Section(StrictTable):
    """[exporters.prometheus]"""

    listen: Annotated[Listen, AfterValidator(_somewhere)] = "127.0.0.1:9464"
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$")] = "/metrics"
    certificate: File | None = None              # PEM; with it, TLS only
    key: File | None = None
    token_file: File | None = None               # one bearer token to a line
    own_metrics: Annotated[bool, Field(strict=True)] = True
    resource: dict[str, Attribute] = Field(default_factory=dict)     # more labels of target_info, or other values

    @model_validator(mode="after")
    def _pair(self) -> Section:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; name both or none")
        return self

    def labels(self) -> Row:
        """Return the resource: who is scraped."""
        own = {"service.name": "tracerd", "service.version": tracerd.__version__, "host.name": socket.gethostname()}
        return tuple({**own, **self.resource}.items())


@dataclass(frozen=True, slots=True)
class Tokens:
    """Who may scrape: who has one of these. With none of them, everybody who reaches the port."""

    secrets: tuple[bytes, ...] = ()

    def admit(self, authorization: str) -> bool:
        """True if an Authorization header has a token, found in a time that does not tell which."""
        if not self.secrets:
            return True
        scheme, _, given = authorization.strip().partition(" ")
        token = given.strip().encode("utf-8", "surrogateescape")
        matches = [hmac.compare_digest(token, secret) for secret in self.secrets]
        return scheme.lower() == "bearer" and any(matches)


def read_tokens(path: Path | None) -> Tokens:
    """Read a token file; lines that begin with "#" are comments.

    Raises:
        ExportError: it cannot be read or trusted, every user may read it, or a token is too short to be secret.
    """
    if path is None:
        return Tokens()
    try:
        text, mode = read_trusted(path), path.stat().st_mode
    except ConfigError as error:
        raise ExportError(error.where, error.cause) from error
    except OSError as error:                    # it was removed in between
        raise ExportError(str(path), f"cannot be read: {error.strerror}") from error
    if os.name == "posix" and mode & stat.S_IROTH:
        raise ExportError(str(path), f"every user may read it; run: chmod o-r {path}")
    lines = (line.strip() for line in text.splitlines())
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        raise ExportError(str(path), "has no token; try `openssl rand -hex 32`")
    if min(map(len, tokens)) < LEAST_CHARACTERS:
        raise ExportError(
            str(path), f"a token of fewer than {LEAST_CHARACTERS} characters; try `openssl rand -hex 32`"
        )
    return Tokens(tuple(token.encode() for token in tokens))


def tls_context(section: Section) -> ssl.SSLContext | None:
    """Return what is served with: TLS 1.2 or later, or None for plain HTTP.

    Raises:
        ExportError: certificate or key cannot be used.
    """
    if section.certificate is None or section.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(section.certificate, section.key, password="")     # never ask the terminal
    except OSError as error:                    # ssl.SSLError is one
        raise ExportError(str(section.certificate), f"certificate or key cannot be used: {error}") from error
    return context
