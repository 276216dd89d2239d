"""OTLP over HTTP: one POST a request, one connection kept for the next. (OTLP specification, "OTLP/HTTP")

Redirects are not followed: the headers may be credentials, and they are for the endpoint that was configured.
"""

from __future__ import annotations

import contextlib
import gzip
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from exporters.otlp.answers import accepted, page_text, status_message, told
from exporters.otlp.outcome import Outcome, Refused, Retry
from exporters.otlp.target import Target, Tls
from tracerd import __version__

LARGEST_ANSWER = 64 << 10
"""Bytes of an answer that are read."""

RETRYABLE = frozenset({429, 502, 503, 504})

_CHUNK = 16 << 10


class HttpTransport:
    """One target. Opened by the first request, in the thread that sends. Not thread-safe."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._manager: urllib3.PoolManager | None = None
        self._headers = {
            "user-agent": f"tracerd/{__version__}",
            **target.headers,
            "content-type": "application/x-protobuf",
            "accept-encoding": "identity",
        }
        if target.compression == "gzip":
            self._headers["content-encoding"] = "gzip"

    def send(self, body: bytes) -> Outcome:
        """Send a request and read the answer. All that is wrong is in what it returns.

        A connection that was kept and that the collector closes under us is no failure: a new one is tried at once.
        """
        data = gzip.compress(body, 6, mtime=0) if self._target.compression == "gzip" else body
        kept = self._manager is not None
        try:
            return self._tried(data)
        except (HTTPError, OSError) as error:
            self.close()                 # certificates may have been renewed: they are read again
            if not (kept and isinstance(error, ProtocolError)):
                return Retry(self._reason(error))
        return self.send(body)

    def close(self) -> None:
        """Close the connection. May be called twice, and is opened again by a request."""
        if self._manager is not None:
            self._manager.clear()
            self._manager = None

    def _tried(self, data: bytes) -> Outcome:
        deadline = time.monotonic() + self._target.timeout
        self._manager = self._manager or self._opened()
        answer = self._manager.request(
            "POST", self._target.address, body=data, headers=self._headers, retries=False, redirect=False,
            preload_content=False, decode_content=False, timeout=urllib3.Timeout(total=self._target.timeout),
        )  # fmt: skip
        return self._outcome(answer, _whole(answer, deadline))

    def _opened(self) -> urllib3.PoolManager:
        context = _context(self._target.tls) if self._target.secure else None
        proxy = self._target.proxy
        if proxy is None:
            return urllib3.PoolManager(num_pools=1, maxsize=1, ssl_context=context)
        parts = urlsplit(proxy)
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        headers = urllib3.make_headers(proxy_basic_auth=user)
        return urllib3.ProxyManager(proxy, num_pools=1, maxsize=1, ssl_context=context, proxy_headers=headers)

    def _outcome(self, answer: BaseHTTPResponse, body: bytes) -> Outcome:
        status = answer.status
        if 200 <= status < 300:
            return accepted(self._target.signal, body)
        if 300 <= status < 400:
            return Refused(f"HTTP {status}, redirected{_to(answer.headers)}; set the endpoint to where it shall go")
        said = _said(answer.headers, body)
        why = f"HTTP {status}{f': {said}' if said else ''}"
        if status in RETRYABLE:
            return Retry(why, retry_after(answer.headers.get("retry-after")))
        return Refused(why)

    def _reason(self, error: HTTPError | OSError) -> str:
        if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):    # its subclass
            return f"no connection within {self._target.timeout:g} s"
        if isinstance(error, ReadTimeoutError | TimeoutError):
            return f"no answer within {self._target.timeout:g} s"
        cause: BaseException | None = error
        while cause is not None:         # urllib3 wraps what the system said; that is the part to read
            if isinstance(cause, ssl.SSLError):
                return told(f"TLS: {getattr(cause, 'verify_message', '') or cause.reason or cause}")
            if isinstance(cause, OSError) and cause.strerror:
                return told(f"{cause.strerror}{f': {cause.filename}' if cause.filename else ''}")
            cause = cause.__cause__ or cause.__context__
        return told(f"{type(error).__name__}: {error}")


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as a date; None if it says nothing."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    with contextlib.suppress(ValueError):
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max((at - datetime.now(UTC)).total_seconds(), 0.0)
    return None


def _context(tls: Tls) -> ssl.SSLContext:
    """Read the certificates. OSError (ssl.SSLError is one): a file is missing or is not what it should be."""
    context = ssl.create_default_context(cafile=tls.certificate)
    if tls.client_certificate:
        # Without a password, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(tls.client_certificate, tls.client_key, password="")
    return context


def _whole(answer: BaseHTTPResponse, deadline: float) -> bytes:
    """Return an answer's body, no more than the largest; the connection is kept if that was all."""
    parts, length = [], 0
    while length <= LARGEST_ANSWER and (part := answer.read1(_CHUNK)):
        parts.append(part)
        length += len(part)
        if time.monotonic() > deadline:
            answer.close()
            raise TimeoutError
    if length > LARGEST_ANSWER:
        answer.close()
    answer.release_conn()
    return b"".join(parts)


def _said(headers: Mapping[str, str], body: bytes) -> str:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return page_text(body) if kind.startswith("text/") else status_message(body)


def _to(headers: Mapping[str, str]) -> str:
    """Return where a redirect points, without what may be secret in it."""
    try:
        url = urlsplit(headers.get("location", ""))
    except ValueError:
        return ""
    return told(f" to {url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}") if url.netloc else ""
