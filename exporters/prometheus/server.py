"""A small HTTP server in a thread of its own: one path, answered with what the daemon has collected by now."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from exporters.mapping.mapper import Mapper
from exporters.mapping.series import ProbeMetrics
from exporters.prometheus.connections import Connection, Reception, listen
from exporters.prometheus.negotiate import CONTENT_TYPES, choose_format, takes_gzip
from exporters.prometheus.pages import Pages
from exporters.prometheus.render import Document, Renderer
from exporters.prometheus.settings import Section, Tokens, read_tokens, tls_context
from tracerd.config.units import split_listen
from tracerd.errors import TracerdError
from tracerd.snapshot import Moment

LOG = logging.getLogger("tracerd.export")

COLLECT_SECONDS = 20.0
"""How long a scrape waits for its document."""

_QUIET = logging.getLogger("tracerd.export.http")
_QUIET.setLevel(logging.CRITICAL + 1)        # what clients send that is no HTTP is theirs to know: they are told

_HTTP: dict[str, Any] = {
    "max_line_size": 4096,
    "max_field_size": 4096,
    "max_headers": 64,
    "lingering_time": 0.0,               # nobody has a body to send here
    "auto_decompress": False,
    "access_log": None,
    "logger": _QUIET,
}

Collect = Callable[[Moment], list[ProbeMetrics]]


def _everything(mapper: Mapper, own_metrics: bool) -> Collect:
    """Return what collects a moment's metrics: tracerd's own first, so no probe can take their names."""
    if not own_metrics:
        return mapper.collect
    from exporters.own import OwnTelemetry  # it takes the OpenTelemetry SDK with it

    own = OwnTelemetry()
    return lambda moment: [own.collect(moment), *mapper.collect(moment)]


def _local_names(listen: str) -> frozenset[str]:
    """Return what a loopback address may be called: none if it is another one, which may be called anything.

    A page of a stranger, open in a browser here, can have its own name resolve to this port.
    """
    host, _ = split_listen(listen)
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return frozenset({host, "localhost", "127.0.0.1", "::1"}) if loopback else frozenset()


class Prometheus:
    """The exporter: it waits to be asked."""

    interval = math.inf

    def __init__(self, section: Section, collect: Collect | None = None) -> None:
        """`collect` is called in one thread only; without it, all that `Mapper` finds is told."""
        self._section = section
        self._mapper = Mapper()
        self._collect = collect
        self._counts: Counter[str] = Counter()
        self._serving: _Serving | None = None
        self.port = 0                        # where it listens, while it does

    @property
    def where(self) -> str:
        """The address that is scraped; port 0 becomes the one it has."""
        host, port = split_listen(self._section.listen)
        scheme = "https" if self._section.certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port or port}{self._section.path}"

    def export(self, moment: Moment) -> None:
        """Do nothing: moments are taken when somebody asks."""

    def serve(self, moment: Callable[[], Moment]) -> None:
        """Open the port and return once it listens; `moment` is called for scrapes, in a thread of ours.

        Raises:
            ExportError: the port is taken or not ours, or certificate, key or token file cannot be used. It may be
                called again then.
        """
        if self._serving is not None:
            return
        tokens, context = read_tokens(self._section.token_file), tls_context(self._section)
        collect = self._collect or _everything(self._mapper, self._section.own_metrics)
        sockets = listen(self._section.listen)
        self.port = sockets[0].getsockname()[1]
        pages = Pages(lambda: collect(moment()), Renderer(self._section.labels()))
        names = frozenset() if tokens.secrets else _local_names(self._section.listen)
        handler = _Handler(self._section.path, tokens, names, pages, self._counts)
        self._serving = _Serving(handler, sockets, context, self._counts)

    def close(self) -> None:
        """Close the port within a second. May be called twice."""
        serving, self._serving, self.port = self._serving, None, 0
        if serving is not None:
            serving.close()

    def statistics(self) -> Mapping[str, int]:
        """Return totals, how many are connected now, and of the last document its lines and what it lacks."""
        names = (
            "scrapes", "failed", "refused_requests", "refused_connections", "timed_out", "failed_handshakes",
            "connections", "series", "conflicting_families", "unfit_series",
        )  # fmt: skip
        series = {name: count for name, count in self._mapper.statistics().items() if name != "series"}
        return {name: self._counts[name] for name in names} | series

    def problem(self) -> str:
        """Return why the last scrape failed, or lacked something; "" if it did not."""
        serving = self._serving
        return (serving.handler.failing if serving is not None else "") or self._mapper.problem()


class _Handler:
    """Answers requests, on the server's event loop."""

    def __init__(
        self, path: str, tokens: Tokens, names: frozenset[str], pages: Pages, counts: Counter[str]
    ) -> None:
        """`names` is what the port may be called; none: anything."""
        self.pages = pages
        self.failing = ""                    # why the last scrape failed
        self._path = path
        self._tokens = tokens
        self._names = names
        self._counts = counts
        self._told: frozenset[str] = frozenset()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Answer one request, and close its connection."""
        if isinstance(request.protocol, Connection):
            request.protocol.requested()
        try:
            answer = await self._answer(request)
        except (TracerdError, OSError) as error:
            answer = self._failed(500, str(error))
        except Exception as error:  # noqa: BLE001  a bug costs this scrape only
            answer = self._failed(500, f"{type(error).__name__}: {error}", error)
        answer.headers["Server"] = "tracerd"
        answer.force_close()
        if 400 <= answer.status < 500:
            self._counts["refused_requests"] += 1
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if self._names and _name_in(request.host) not in self._names:
            return _said(403, "this port answers to local names only: ask 127.0.0.1, or give it a token_file")
        if not self._tokens.admit(request.headers.get("Authorization", "")):
            return _said(401, "no token or a wrong one", {"WWW-Authenticate": 'Bearer realm="tracerd"'})
        if request.path != self._path:
            return _said(404, f"metrics are at {self._path}")
        if request.method not in ("GET", "HEAD"):
            return _said(405, "only GET and HEAD", {"Allow": "GET, HEAD"})
        form = choose_format(",".join(request.headers.getall("Accept", [])))
        if form is None:
            return _said(406, f"there are {' and '.join(CONTENT_TYPES.values())}")
        zipped = takes_gzip(",".join(request.headers.getall("Accept-Encoding", [])))
        try:
            async with asyncio.timeout(COLLECT_SECONDS):
                document, body = await asyncio.wrap_future(self.pages.ask(form, zipped=zipped))
        except TimeoutError:
            return self._failed(503, f"not collected within {COLLECT_SECONDS:g} s")
        self._succeeded(document)
        headers = {"Content-Type": CONTENT_TYPES[form], "Vary": "Accept, Accept-Encoding"}
        return web.Response(body=body, headers=headers | ({"Content-Encoding": "gzip"} if zipped else {}))

    def _succeeded(self, document: Document) -> None:
        self._counts["scrapes"] += 1
        self._counts["series"] = document.samples
        self._counts["conflicting_families"] = len(document.conflicting)
        self._counts["unfit_series"] = document.unfit
        self.failing = ""
        conflicting = frozenset(document.conflicting)
        if new := conflicting - self._told:
            LOG.warning("left out of Prometheus' metrics, since another has the name: %s", ", ".join(sorted(new)))
        self._told = conflicting

    def _failed(self, status: int, why: str, bug: Exception | None = None) -> web.Response:
        """Count it, and tell it unless the last failure was the same."""
        self._counts["failed"] += 1
        if why != self.failing:
            LOG.warning("scrape failed: %s", why, exc_info=bug)
        self.failing = why
        return _said(status, why)


class _Serving:
    """The server while it runs, in its thread."""

    def __init__(
        self, handler: _Handler, sockets: list[socket.socket], context: ssl.SSLContext | None, counts: Counter[str]
    ) -> None:
        self.handler = handler
        self._sockets = sockets
        self._context = context
        self._counts = counts
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="prometheus-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):          # the loop is closed: its thread ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(0.8)
        for each in self._sockets:
            each.close()
        self.handler.pages.close(0.1)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        http = web.Server(self.handler, access_log=None)
        reception = Reception(lambda limit: Connection(http, limit, **_HTTP), self._context, self._counts)
        reception.accept(self._sockets)
        await self._stop.wait()
        await reception.close()
        await http.shutdown(0.1)


def _name_in(host: str) -> str:
    """Return the name in a Host header, without its port and an IPv6 address's brackets."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    return name.strip("[]").lower()


def _said(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n", headers=headers)
