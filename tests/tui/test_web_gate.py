"""Who may come in from a browser, request by request; what it leads to is test_web.py's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http.cookies import SimpleCookie

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from tui.web_gate import MOST_REFUSALS, REFUSAL_SECONDS, Gate

PORT = 8123
HERE = f"127.0.0.1:{PORT}"
BEHIND = 299                 # what is answered behind the gate


class Visit:
    """A gate whose clock stands still, and a browser before it."""

    def __init__(self, port: int = PORT) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.gate = Gate(port, self.told.append, lambda: self.now)
        self.cookie = ""

    def ask(self, path: str = "/", method: str = "GET", *, bare: bool = False, **headers: str) -> web.StreamResponse:
        """Send a request from our own page, but for these headers; `bare` is without the cookie."""
        fields = {"Host": HERE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self._send(method, path, {**fields, **({"Cookie": self.cookie} if self.cookie and not bare else {})})

    def enter(self) -> None:
        """Come in with the token."""
        given: SimpleCookie = self.ask(f"/{self.gate.query}").cookies
        self.cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in given.items())
        assert self.cookie

    def _send(self, method: str, path: str, headers: Mapping[str, str]) -> web.StreamResponse:
        async def behind(_: web.Request) -> web.StreamResponse:
            return web.Response(status=BEHIND)

        request = make_mocked_request(method, path, headers=CIMultiDict({k: v for k, v in headers.items() if v}))
        return asyncio.run(self.gate.guard(request, behind))


@pytest.fixture
def visit() -> Visit:
    """One that has not come in."""
    return Visit()


@pytest.fixture
def inside() -> Visit:
    """One that has."""
    made = Visit()
    made.enter()
    return made


def text(response: web.StreamResponse) -> str:
    """Return what a page says."""
    assert isinstance(response, web.Response)
    return response.text or ""


@pytest.mark.parametrize("path", ["/", "/page.js", "/static/js/textual.js", "/ws", "/download/1", "/no", "/?other=1"])
def test_nothing_is_answered_without_token_or_cookie(visit: Visit, path: str) -> None:
    """Not the page, nor its parts, nor whether there is such a thing; and it is said what to do."""
    response = visit.ask(path, Origin=f"http://{HERE}")
    assert response.status == 403
    assert "Open that address" in text(response)


def test_the_token_becomes_a_cookie_and_leaves_the_address(visit: Visit) -> None:
    """The cookie is another secret, for this host's own pages only, and no script reads it."""
    response = visit.ask(f"/{visit.gate.query}")
    assert (response.status, response.headers["Location"]) == (303, "/")
    (morsel,) = response.cookies.values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/")
    assert len(morsel.value) >= 43
    assert morsel.value not in visit.gate.query
    assert visit.told == ["A browser has opened it; the address opens no other."]


def test_a_token_opens_one_browser(inside: Visit) -> None:
    """Whoever reads it later comes too late, and is told how its owner gets another."""
    response = inside.ask(f"/{inside.gate.query}", bare=True)
    assert response.status == 403
    assert "start it again" in text(response)
    assert not response.cookies


def test_the_browser_that_is_in_may_open_the_address_again(inside: Visit) -> None:
    """From its history, say: it is sent to the page, without the token."""
    response = inside.ask(f"/{inside.gate.query}")
    assert (response.status, response.headers["Location"]) == (303, "/")


def test_with_the_cookie_everything_is_answered(inside: Visit) -> None:
    """Any number of times: tabs, reloads, downloads."""
    assert {inside.ask(path).status for path in ("/", "/page.js", "/download/1", "/") * 20} == {BEHIND}


@pytest.mark.parametrize("token", ["wrong", "", "%00", "%F0%9F%90%9D", "%ED%A0%80"])
def test_a_wrong_token_is_refused_and_spends_nothing(visit: Visit, token: str) -> None:
    """Whatever it is made of."""
    assert visit.ask(f"/?token={token}").status == 403
    visit.enter()


def test_another_cookie_is_refused(inside: Visit) -> None:
    """One that was made up, and one without a value."""
    name = inside.cookie.partition("=")[0]
    for value in ("", "wrong", "é"):
        inside.cookie = f"{name}={value}"
        assert inside.ask().status == 403


def test_only_a_get_of_the_page_spends_the_token(visit: Visit) -> None:
    """Something that looks at addresses before it shows them asks with HEAD."""
    assert visit.ask(f"/{visit.gate.query}", "HEAD", Origin=f"http://{HERE}").status == 403
    assert visit.ask(f"/page.js{visit.gate.query}").status == 403
    visit.enter()


@pytest.mark.parametrize("host", [HERE, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_own_names_are_answered(inside: Visit, host: str) -> None:
    """Those of this machine, with our port."""
    assert inside.ask(Host=host).status == BEHIND


@pytest.mark.parametrize(
    "host",
    ["", "127.0.0.1", "localhost", f"evil.example:{PORT}", "127.0.0.1:8124", f"127.0.0.1.evil.example:{PORT}",
     f"localhost.:{PORT}", f"127.0.0.2:{PORT}", f"127.0.0.1:0{PORT}", f" {HERE}", f"{HERE},{HERE}"],
)  # fmt: skip
def test_other_names_are_refused_even_with_the_cookie(inside: Visit, host: str) -> None:
    """A name that its owner points to 127.0.0.1 makes his page one of the same origin as ours."""
    response = inside.ask(Host=host)
    assert response.status == 403
    assert "own address" in text(response)


def test_the_token_is_not_taken_under_another_name(visit: Visit) -> None:
    """Nor spent."""
    assert visit.ask(f"/{visit.gate.query}", Host=f"evil.example:{PORT}").status == 403
    visit.enter()


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://127.0.0.1", "http://127.0.0.1:8124", f"https://{HERE}", f"http://localhost:{PORT}",
     f"http://evil.example:{PORT}", f"http://{HERE}/", f"http://{HERE}, http://{HERE}"],
)  # fmt: skip
def test_a_stream_for_another_origin_is_refused_even_with_the_cookie(inside: Visit, origin: str) -> None:
    """The browser adds the cookie to what pages of other ports ask; and whoever says nothing is no browser."""
    response = inside.ask("/ws", Origin=origin, Upgrade="websocket", Connection="Upgrade")
    assert response.status == 403
    assert "Another page" in text(response)


def test_a_stream_for_our_own_page_is_opened(inside: Visit) -> None:
    """Under the name that it was opened by."""
    assert inside.ask("/ws", Origin=f"http://{HERE}").status == BEHIND
    assert inside.ask("/ws", Origin=f"http://localhost:{PORT}", Host=f"localhost:{PORT}").status == BEHIND


def test_an_upgrade_of_any_path_needs_our_origin(inside: Visit) -> None:
    """However a path is written that leads to the stream."""
    assert inside.ask("/%77s", Upgrade="websocket", Connection="Upgrade").status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_what_is_no_get_needs_our_origin(inside: Visit, method: str) -> None:
    """A form of another page could send it."""
    assert inside.ask(method=method).status == 403
    assert inside.ask(method=method, Origin="http://evil.example").status == 403
    assert inside.ask(method=method, Origin=f"http://{HERE}").status == BEHIND


def test_a_get_that_names_another_origin_is_refused(inside: Visit) -> None:
    """A script of another page asks that way."""
    assert inside.ask("/page.js", Origin="http://127.0.0.1:8124").status == 403


def test_who_comes_by_a_link_of_another_site_gets_one_of_ours(inside: Visit) -> None:
    """Browsers keep the cookie back then; from our own page they send it."""
    response = inside.ask(bare=True, Sec_Fetch_Site="cross-site")
    assert response.status == 403
    assert '<a href="/">' in text(response)


def test_those_who_try_on_are_told_only_that_it_is_too_many(visit: Visit) -> None:
    """And the user is told once that somebody does."""
    tries = [visit.ask("/?token=wrong").status for _ in range(MOST_REFUSALS + 5)]
    assert tries == [403] * MOST_REFUSALS + [429] * 5
    (told,) = visit.told
    assert "somebody tries this address" in told
    visit.now = REFUSAL_SECONDS
    assert visit.ask("/?token=wrong").status == 403


def test_nobody_keeps_the_owner_out_by_trying(visit: Visit) -> None:
    """The right token is taken after any number of wrong ones, and the cookie too."""
    for _ in range(MOST_REFUSALS + 5):
        visit.ask("/?token=wrong")
    visit.enter()
    assert visit.ask("/page.js").status == BEHIND


def test_at_port_80_names_need_none() -> None:
    """Browsers leave it out."""
    visit = Visit(port=80)
    assert visit.ask(f"/{visit.gate.query}", Host="127.0.0.1").status == 303
