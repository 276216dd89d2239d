"""From what came over the wire to a `Call`, or a refusal that says what is wrong with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.web_protocol import RequestPayloadError

from tracerd.daemon.api.errors import Refused
from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import LARGEST_ID, NAMES, Request
from tracerd.daemon.api.route import JSON, SMALL_BODY, Route
from tracerd.daemon.api.sentences import sentence

Model = TypeVar("Model", bound=Request)

_ON_THE_LOOP = 64 << 10
"""Bytes of a body that are decoded at once; more would hold up the others."""


def path_of(match: Mapping[str, str], route: Route) -> dict[str, str | int]:
    """Return the path's parameters: ids as numbers, all others as names.

    Raises:
        Refused: one is neither.
    """
    return {what: _id(text) if what == "id" else _checked_name(text, route.names) for what, text in match.items()}


def _id(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or int(text) > LARGEST_ID:
        raise Refused(400, "ConfigError", f"{text[:80]!r} is no id: a number up to {LARGEST_ID}")
    return int(text)


def _checked_name(text: str, pattern: str) -> str:
    if not re.fullmatch(pattern, text):
        raise Refused(400, "ConfigError", f"{text[:80]!r} is no {NAMES[pattern]}")
    return text


def query_of(request: web.Request, route: Route) -> Request:
    """Return the query.

    Raises:
        Refused: a parameter is unknown, given twice, or has an impossible value.
    """
    pairs = request.query
    if len(set(pairs)) != len(pairs):
        raise Refused(400, "ConfigError", "query: a parameter is given twice")
    try:
        return msgspec.convert(dict(pairs), route.query, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, "ConfigError", sentence(error, "query", route.query)) from error


async def body_of(request: web.Request, route: Route, service: Service) -> Request | None:
    """Read and validate the body.

    Raises:
        Refused: it is too large, too slow, of another type, or not what the route takes.
    """
    if route.body is None:
        if request.can_read_body:
            raise Refused(400, "ConfigError", f"{route.method} {route.path} takes no body")
        return None
    if request.content_type != JSON or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(415, "ConfigError", f"the body must be plain {JSON}")
    settings = service.settings
    data = await _read(request, settings.request_bytes if route.upload else SMALL_BODY, settings.body_seconds)
    model = route.body
    if len(data) <= _ON_THE_LOOP:
        return _decoded(data, model)
    return await service.workers.run(service.workers.reading, lambda: _decoded(data, model))


async def _read(request: web.Request, limit: int, seconds: float) -> bytes:
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.content.iter_any():
                data += part
                if len(data) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise Refused(408, "RunError", f"the body did not arrive within {seconds:g} s") from None
    except (ClientPayloadError, RequestPayloadError) as error:
        raise Refused(400, "ConfigError", "the body is damaged or ends early") from error
    return bytes(data)


def _too_large(limit: int) -> Refused:
    return Refused(413, "ConfigError", f"the body is larger than {limit} bytes")


def _decoded(data: bytes, model: type[Model]) -> Model:
    try:
        return msgspec.json.decode(data, type=model)
    except RecursionError:
        raise Refused(400, "ConfigError", "body: nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise Refused(400, "ConfigError", sentence(error, "body", model)) from error


def media_of(request: web.Request, route: Route) -> str:
    """Return the media type to answer with: the client's choice, where the route offers one.

    Raises:
        Refused: it accepts none of them.
    """
    accept = request.headers.get("Accept", "*/*")
    if len(route.media) == 1:
        return route.media[0]
    weights = [_weight(accept, media) for media in route.media]
    best = max(weights)
    if best <= 0:
        raise Refused(406, "ConfigError", f"the answer is one of {', '.join(route.media)}")
    return route.media[weights.index(best)]


def _weight(accept: str, media: str) -> float:
    """Return how much a client wants a media type (RFC 9110 §12.5.1): its most specific range counts."""
    found: dict[int, float] = {}
    for part in accept.split(",")[:32]:
        wanted, *parameters = (word.strip().lower() for word in part.split(";"))
        specific = {media: 2, media.partition("/")[0] + "/*": 1, "*/*": 0}.get(wanted)
        if specific is not None:
            found[specific] = _quality(parameters)
    return found[max(found)] if found else 0.0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if re.fullmatch(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", parameter, re.ASCII):
            return float(parameter[2:])
    return 1.0
