"""A route, declared once: what it takes, what it gives, who may, and what does it.

The server validates by it, the OpenAPI document is written from it, the audit log takes the change's name from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from tracerd.daemon.api.access import Peer, Role
from tracerd.daemon.api.host import Service
from tracerd.daemon.api.models import NAME_PATTERN, Nothing, Request

JSON = "application/json"
COLUMNS = "application/vnd.tracerd.columns"
EVENTS = "text/event-stream"

SMALL_BODY = 1 << 20
"""Bytes of a body that is no upload."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, validated."""

    peer: Peer
    path: Mapping[str, str | int]
    query: Any                         # of the route's `query` type
    body: Any                          # of the route's `body` type; None if it has none

    @property
    def id(self) -> int:
        """The {id} of the path."""
        return int(self.path["id"])

    @property
    def name(self) -> str:
        """The {name} of the path."""
        return str(self.path["name"])


@dataclass(frozen=True, slots=True)
class Binary:
    """An answer that is no JSON."""

    media: str
    data: bytes


Run = Callable[[Service, Call], object]
Stream = Callable[[Service, Call, web.Request, str], Awaitable[web.StreamResponse]]
Target = Callable[[Call], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`run` blocks and is called in a thread; it returns what `answer` says, for the media type that was chosen.

    A route with an `action` changes something: every call is an audit record, of `target` once the call is understood.
    One with a `proof` changes nothing and takes as long as proofs do.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    answer: Any                                    # a type, as msgspec has it
    role: Role | None = "read"                     # None: whoever can connect
    names: str = NAME_PATTERN                      # what the path's names are like
    body: type[Request] | None = None
    query: type[Request] = Nothing
    media: tuple[str, ...] = (JSON,)               # first: where the client does not care
    status: int = 200
    run: Mapping[str, Run] | Run | None = None     # by media type, where there are several
    stream: Stream | None = None
    action: str = ""
    target: Target = lambda call: dict(call.path)
    upload: bool = False
    proof: bool = False                            # one at a time, so that it holds up neither readers nor changes
    large: bool = False                            # an answer that may be: few of them are in memory at once
    health: bool = False                           # answers 503 where the answer is not `ok`

    def runner(self, media: str) -> Run:
        """Return what makes the answer of a media type."""
        found = self.run[media] if isinstance(self.run, Mapping) else self.run
        assert found is not None
        return found
