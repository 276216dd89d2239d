"""The application: every request goes the same way, in the order that costs a stranger the least.

Who is it, is it within its rate, has it the role, is it well-formed; only then the body is read, the daemon asked, the
audit record written and the answer sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NoReturn

import msgspec
from aiohttp import HttpVersion10, web

from tracerd import __version__
from tracerd.daemon import columns
from tracerd.daemon.api import audit
from tracerd.daemon.api.access import Peer, Tokens
from tracerd.daemon.api.errors import Refused, told
from tracerd.daemon.api.gate import Gates
from tracerd.daemon.api.host import Service
from tracerd.daemon.api.limits import RateLimit, Slots
from tracerd.daemon.api.openapi import all_routes
from tracerd.daemon.api.requests import body_of, media_of, path_of, query_of
from tracerd.daemon.api.route import JSON, Binary, Call, Route

LOG = logging.getLogger("tracerd.api")

UPLOADS = 2
"""Uploads whose bodies are in memory at once; the next ones wait."""

LARGE_ANSWERS = 8
"""Dumps of maps and tables that are in memory at once, sent ones that nobody reads included."""

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": f"tracerd/{__version__}"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The routes over one service. `app` is what a server serves, `gates` what its connections pass."""

    def __init__(self, service: Service, tokens: Tokens | None = None) -> None:
        settings = service.settings
        self.service = service
        self.gates = Gates(settings.connections, settings.write_seconds, service.counters)
        self._tokens = tokens or Tokens(())
        self._rate = RateLimit(settings.requests_per_second)
        self._streams = Slots("streams", settings.streams)
        self._large = Slots("large answers", LARGE_ANSWERS)
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._proofs = asyncio.Semaphore(1)      # its body is one more that is in memory
        self.app = web.Application(middlewares=[self._unmatched])
        for route in all_routes():
            self.app.router.add_route(route.method, route.path, self._handler(route))

    def _handler(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(route, request)

        return handle

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        self.service.counters.requests += 1
        exchange = _Exchange(route, Peer("tcp"), audit.Change(route.action, dict(request.match_info)))
        try:
            exchange.peer = self._connected(request)
            exchange.peer = self._with_role(exchange.peer, request)
            response = await self._answer(exchange, request)
            status, cause = response.status, ""
        except (ConnectionError, asyncio.CancelledError):
            self._record(exchange, audit.UNFINISHED, "the client or the daemon ended the connection first", began)
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer and the daemon goes on
            response = self._refusal(error, request)
            status, cause = response.status, str(error)
        self._record(exchange, status, cause, began)
        return response

    def _record(self, exchange: _Exchange, status: int, cause: str, began: float) -> None:
        if exchange.route.action:
            audit.record(exchange.peer, exchange.change, status, cause, time.monotonic() - began)

    async def _answer(self, exchange: _Exchange, request: web.Request) -> web.StreamResponse:
        route, peer = exchange.route, exchange.peer
        self._rate.admit(peer.key)
        if request.version < HttpVersion10:
            raise Refused(400, "ConfigError", "HTTP 1.0 or 1.1 is spoken here")
        if route.role is not None and not peer.may(route.role):
            raise Refused(403, "NotPermitted", _forbidden(route, peer))
        path, query, media = path_of(request.match_info, route), query_of(request, route), media_of(request, route)
        if route.stream is not None:
            await body_of(request, route, self.service)
            return await self._stream(Call(peer, path, query, None), route, request, media)
        async with self._proofs if route.proof else self._uploads if route.upload else nullcontext():
            call = Call(peer, path, query, await body_of(request, route, self.service))
            if route.large:
                return await self._run_large(exchange, call, request, media)
            return await self._run(exchange, call, media)

    async def _run(self, exchange: _Exchange, call: Call, media: str) -> web.Response:
        route, service = exchange.route, self.service
        exchange.change = audit.Change(route.action, route.target(call) if route.action else {})
        run = route.runner(media)

        def work() -> tuple[int, Binary]:
            answer: Any = run(service, call)
            status = 503 if route.health and not answer.ok else route.status
            return status, answer if isinstance(answer, Binary) else Binary(JSON, _json(answer))

        status, made = await service.workers.run(self._pool(route), work)
        return web.Response(status=status, body=made.data, content_type=made.media, headers=_HEADERS)

    def _pool(self, route: Route) -> ThreadPoolExecutor:
        workers = self.service.workers
        if route.proof:
            return workers.proving
        return workers.health if route.health else workers.changing if route.action else workers.reading

    async def _run_large(self, exchange: _Exchange, call: Call, request: web.Request, media: str) -> web.Response:
        """Make an answer and send it: while a client does not read it, it counts as one of the few there may be."""
        place = self._large.take(call.peer)
        try:
            response = await self._run(exchange, call, media)
            await response.prepare(request)
            await response.write_eof()
            return response
        finally:
            self._large.give(place)

    async def _stream(self, call: Call, route: Route, request: web.Request, media: str) -> web.StreamResponse:
        assert route.stream is not None
        place = self._streams.take(call.peer)
        counters = self.service.counters
        counters.streams = self._streams.held
        try:
            return await route.stream(self.service, call, request, media)
        except ConnectionError:
            return web.Response()            # the client left, as most do: no fault to be logged, and nobody to answer
        finally:
            self._streams.give(place)
            counters.streams = self._streams.held

    def _connected(self, request: web.Request) -> Peer:
        peer = self.gates.peer(request.transport)
        if peer is None:
            raise ConnectionResetError("gone before it was served")
        return peer

    def _with_role(self, peer: Peer, request: web.Request) -> Peer:
        """Return who asks; over TCP and on a pipe each request says it with a token.

        Raises:
            Refused: there is no token, or it is none of ours.
        """
        if peer.transport == "unix":
            return peer
        role = self._tokens.role(request.headers.get("Authorization", ""))
        if role is None:
            self._rate.admit(peer.key)
            raise Refused(401, "NotPermitted", "no token or a wrong one; send `Authorization: Bearer TOKEN`")
        return replace(peer, role=role)

    def _refusal(self, error: Exception, request: web.Request) -> web.Response:
        status, answer = told(error)
        if isinstance(error, Refused):
            self.service.counters.refused[f"{status} {error.kind}"] += 1
        elif status == 500:
            LOG.error("%s %s failed", request.method, repr(request.path[:200]), exc_info=error)
        response = web.Response(status=status, body=_json(answer), content_type=JSON, headers=_HEADERS)
        if isinstance(error, Refused) and error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if status in (408, 413):
            response.force_close()          # the rest of the body is not read
        return response

    @web.middleware
    async def _unmatched(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what no route knows in the API's own words, within the same limits."""
        if request.match_info.http_exception is None:
            return await handler(request)
        self.service.counters.requests += 1
        try:
            self._rate.admit(self._with_role(self._connected(request), request).key)
            _raise(request.match_info.http_exception)
        except Refused as error:
            return self._refusal(error, request)


class _Exchange:
    """What is known of a request so far: the audit record tells it however far it came."""

    def __init__(self, route: Route, peer: Peer, change: audit.Change) -> None:
        self.route = route
        self.peer = peer
        self.change = change


def _forbidden(route: Route, peer: Peer) -> str:
    who = f"uid {peer.uid}" if peer.uid is not None else "this token"
    return f"{route.method} {route.path} takes the role {route.role!r}, which {who} has not; [access] in tracerd.toml"


def _raise(refusal: web.HTTPException) -> NoReturn:
    if refusal.status == 405:
        raise Refused(405, "ConfigError", "this path does not know that method; GET /v1/openapi.json has all")
    raise Refused(404, "NotFound", "no such path; GET /v1/openapi.json has all")


def _json(answer: object) -> bytes:
    return msgspec.json.encode(answer, enc_hook=columns.plain)
