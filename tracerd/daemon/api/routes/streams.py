"""Streams. Nothing waits for a client: there is one moment, or one batch of records or lines, on its way to each.

While a client does not read, moments pass it by (the next one it gets is the newest) and records stay in its own
follower, which is bounded and drops; printed lines are kept for all together. What is missed is counted and told in the
stream. Who reads nothing for long is closed by the gate.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from tracerd.daemon import columns
from tracerd.daemon.api.host import Follower, Service
from tracerd.daemon.api.models import MomentsQuery
from tracerd.daemon.api.moments import Encoded
from tracerd.daemon.api.route import COLUMNS, EVENTS, Call, Route
from tracerd.daemon.api.workers import Workers

QUEUE_BYTES = 1 << 20
"""What one follower of a ring buffer may be behind."""

TURN_SECONDS = 0.5
"""How long a stream waits before it looks whether anybody still listens."""

HEARTBEAT_TURNS = 10
"""After so many empty turns a comment is sent: it finds out clients that are gone."""

_ENCODED = Encoded()

Turn = tuple[bytes, int]
"""Events on their way, and how many were lost so far."""


async def _moments(service: Service, call: Call, request: web.Request, media: str) -> web.StreamResponse:
    workers, interval = service.workers, call.query.interval
    response = await _opened(request, media)

    def take() -> bytes:
        return _ENCODED.of(service.host.moment(interval / 2), media)

    due = time.monotonic()
    stopping = False
    while not stopping and _connected(request):
        data = await workers.run(workers.reading, take)
        before = time.monotonic()
        await response.write(data)
        service.counters.moments_skipped += int((time.monotonic() - before) / interval)
        due = max(due + interval, time.monotonic())
        stopping = await _waited(workers, request, due)
    return response


async def _waited(workers: Workers, request: web.Request, due: float) -> bool:
    """Wait until it is time, or the client has left: its place is another's then. True if the API is about to stop."""
    while (rest := due - time.monotonic()) > 0 and _connected(request):
        if await workers.pause(min(rest, TURN_SECONDS)):
            return True
    return workers.stopping.is_set()


async def _records(service: Service, call: Call, request: web.Request, media: str) -> web.StreamResponse:
    workers = service.workers
    follower = await workers.run(workers.streaming, lambda: service.host.follow(call.id, QUEUE_BYTES))

    def turn() -> Turn:
        records, lost = follower.take(TURN_SECONDS)
        return b"".join(_event("record", {"record": follower.decode(record)}) for record in records), lost

    def missed(number: int) -> None:
        service.counters.records_lost += number

    return await _followed(service, request, media, follower, turn, missed)


async def _printed(service: Service, _: Call, request: web.Request, media: str) -> web.StreamResponse:
    workers = service.workers
    follower = await workers.run(workers.streaming, service.host.follow_printed)

    def turn() -> Turn:
        lines, lost = follower.take(TURN_SECONDS)
        return b"".join(_event("printed", {"line": line}) for line in lines), lost

    def missed(number: int) -> None:
        service.counters.lines_lost += number

    return await _followed(service, request, media, follower, turn, missed)


async def _followed(
    service: Service,
    request: web.Request,
    media: str,
    follower: Follower,
    turn: Callable[[], Turn],
    missed: Callable[[int], None],
) -> web.StreamResponse:
    """Send what comes to a follower until there is no more, or nobody who listens; close it then.

    What it was too slow for was older than what it has, so that is told first.
    """
    workers = service.workers
    try:
        response = await _opened(request, media)
        told_lost = idle = 0
        while not workers.stopping.is_set() and _connected(request) and not follower.ended:
            events, lost = await workers.run(workers.streaming, turn)
            if lost > told_lost:
                missed(lost - told_lost)
                events = _event("lost", {"lost": lost}) + events
                told_lost = lost
            idle = 0 if events else idle + 1
            if events or idle % HEARTBEAT_TURNS == 0:
                await response.write(events or b": nothing yet\n\n")
        return response
    finally:
        follower.close()


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(data, enc_hook=columns.plain) + b"\n\n"


async def _opened(request: web.Request, media: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-store"})
    response.force_close()                # the connection ends with the stream
    await response.prepare(request)
    return response


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


ROUTES = (
    Route(
        method="GET",
        path="/v1/stream/moments",
        summary="Everything collected, again and again",
        query=MomentsQuery,
        media=(EVENTS, COLUMNS),
        answer=bytes,
        stream=_moments,
    ),
    Route(
        method="GET",
        path="/v1/stream/rings/{id}",
        summary="A ring buffer's records from now on",
        media=(EVENTS,),
        answer=bytes,
        stream=_records,
    ),
    Route(
        method="GET",
        path="/v1/stream/printed",
        summary="What programs print: the last lines, then what comes",
        media=(EVENTS,),
        answer=bytes,
        stream=_printed,
    ),
)
