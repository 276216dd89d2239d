"""Who may come in from a browser: one of this machine, with the address that was printed, to no page but ours.

Whoever else runs on this machine can connect to a loopback address, and every page that a browser shows can have
requests sent there. So a request needs three things. Its Host is our own address: a name that somebody points to
127.0.0.1 is refused. It brings the cookie that the first browser got for the token, which works once. And what opens
the stream, or is no GET, has our own Origin: cookies know no ports, so the browser adds ours to what the page of
another port asks.

For the same reason another server of this machine that the browser is sent to sees the cookie; only a user of this
machine can have one, and what the cookie opens is read-only.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape

from aiohttp import hdrs, web

MOST_REFUSALS = 20
"""So many in `REFUSAL_SECONDS` are told why; the next ones only that it is too many."""

REFUSAL_SECONDS = 60.0
STREAM = "/ws"
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "tracerd",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
    "connect-src {stream}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""xterm.js makes style elements as it runs, hence 'unsafe-inline'; for styles only."""

STRANGER = "This is for the browser that opened the address `tracerd top --web` printed. Open that address."
USED = (
    "This address has been used: it opens one browser, once. For a new address end `tracerd top --web` with Ctrl-C and "
    "start it again."
)
FOREIGN_HOST = "This is answered at its own address only, not under another name."
FOREIGN_ORIGIN = "Another page than the dashboard's own asked for this."
FROM_ELSEWHERE = "A link on another site brought you here, so your browser did not say who it is."
TOO_MANY = "Too many refused requests. Wait a minute."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered. `again`: the user may try by a link on our own page."""

    why: str
    status: int = 403
    again: bool = False

    def response(self) -> web.Response:
        """Return it as a page."""
        link = ' <a href="/">Open the dashboard.</a>' if self.again else ""
        page = f"<!DOCTYPE html><title>tracerd</title><p>{escape(self.why)}{link}</p>\n"
        return web.Response(status=self.status, text=page, content_type="text/html")


class Gate:
    """Lets one browser in.

    `tell` is given a sentence when it came, and when too many others tried; `know` each connection that is its own.
    """

    def __init__(
        self,
        port: int,
        tell: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
        know: Callable[[asyncio.BaseTransport | None], None] = lambda _: None,
    ) -> None:
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if port == 80:                                   # browsers leave it out
            self._hosts |= {"127.0.0.1", "localhost", "[::1]"}
        self._token = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._name = f"tracerd_top_{port}"               # several may run: cookies know no ports
        self._spent = False
        self._tell = tell
        self._know = know
        self._now = now
        self._refusals: deque[float] = deque()

    @property
    def query(self) -> str:
        """What the address that is printed ends with."""
        return f"?token={self._token}"

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what is allowed; count what is not."""
        if (refusal := self._foreign(request)) is not None:
            return self._refuse(refusal)
        brings_token = request.method == hdrs.METH_GET and request.path == "/" and "token" in request.query
        if _same(request.cookies.get(self._name, ""), self._cookie):
            self._know(request.transport)
            return _to_the_page() if brings_token else await handler(request)
        if brings_token:
            return self._exchange(request.query["token"])
        elsewhere = request.path == "/" and request.headers.get("Sec-Fetch-Site") == "cross-site"
        return self._refuse(Refusal(FROM_ELSEWHERE, again=True) if elsewhere else Refusal(STRANGER))

    def _foreign(self, request: web.Request) -> Refusal | None:
        """Return why a request is not one of our own page."""
        hosts = [each.lower() for each in request.headers.getall(hdrs.HOST, [])]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return Refusal(FOREIGN_HOST)
        origins = request.headers.getall(hdrs.ORIGIN, [])
        needed = request.method != hdrs.METH_GET or request.path == STREAM or hdrs.UPGRADE in request.headers
        if (needed and not origins) or any(each != f"http://{hosts[0]}" for each in origins):
            return Refusal(FOREIGN_ORIGIN)
        return None

    def _exchange(self, token: str) -> web.Response:
        """Give the cookie for the token, once.

        The right one is taken however many wrong ones came: nobody guesses 256 bits, and a limit would only let others
        keep its owner out.
        """
        if not _same(token, self._token):
            return self._refuse(Refusal(STRANGER))
        if self._spent:
            return self._refuse(Refusal(USED))
        self._spent = True
        self._tell("A browser has opened it; the address opens no other.")
        response = _to_the_page()
        response.set_cookie(self._name, self._cookie, path="/", httponly=True, samesite="Strict")
        return response

    def _refuse(self, refusal: Refusal) -> web.Response:
        now = self._now()
        while self._refusals and self._refusals[0] <= now - REFUSAL_SECONDS:
            self._refusals.popleft()
        if len(self._refusals) < MOST_REFUSALS:
            self._refusals.append(now)
            if len(self._refusals) == MOST_REFUSALS:
                self._tell(f"{MOST_REFUSALS} requests within a minute were refused: somebody tries this address.")
            return refusal.response()
        response = Refusal(TOO_MANY, status=429).response()
        response.headers["Retry-After"] = str(int(REFUSAL_SECONDS))
        return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer what keeps other pages out of ours, and ours from loading anything from elsewhere."""
    response.headers.update(HEADERS)
    # 'self' has the stream's scheme for most browsers. There are no sources with an address like [::1].
    named = response.status < 400 and not request.host.startswith("[")
    stream = f"'self' ws://{request.host}" if named else "'self'"
    response.headers["Content-Security-Policy"] = POLICY.format(stream=stream)


def _to_the_page() -> web.Response:
    return web.Response(status=303, headers={"Location": "/"})


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
