"""The dashboard in a browser: a real server and real processes that draw. The gates are test_web_gate.py's."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
from contextlib import suppress

import aiohttp
import psutil
import pytest
from yarl import URL

from tests.tui.web_app import EXPORTED
from tests.tui.web_serving import APP, PATIENCE, browser, scenario, served, until_gone
from tracerd.errors import ConfigError, RunError
from tui import web_tab
from tui.web import WebServer, listen
from tui.web_gate import HEADERS
from tui.web_page import CSS, HTML


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nobody for long."""
    for name in ("INPUT_SECONDS", "QUIT_SECONDS", "TERMINATE_SECONDS"):
        monkeypatch.setattr(web_tab, name, 0.5)


@scenario
async def test_a_tab_shows_numbers_as_they_change() -> None:
    """In its own size, from the first picture on."""
    async with browser() as user:
        tab = await user.tab()
        first = int(await tab.find(r"number (\d+)"))
        assert await tab.find(r"size (\d+x\d+)") == "100x30"
        await tab.find(f"number {first + 3}")


@scenario
async def test_keys_and_sizes_reach_the_dashboard() -> None:
    """A size that comes before the first picture too, and one that is too large is made smaller."""
    async with browser() as user:
        tab = await user.tab()
        await tab.send("resize", {"width": 90, "height": 20})
        await tab.find("size 90x20")
        await tab.send("stdin", "xyz")
        await tab.find(r"keys xyz\.")
        await tab.send("resize", {"width": 10**12, "height": 10})
        await tab.find(f"size {web_tab.LARGEST[0]}x10")


@scenario
async def test_a_ping_is_answered() -> None:
    """The page's script measures with it."""
    async with browser() as user:
        tab = await user.tab()
        await tab.send("ping", "17")
        assert await tab.until_told("pong") == "17"


@scenario
async def test_a_stream_is_refused_without_cookie_or_from_another_origin() -> None:
    """And no process is started for it."""
    async with browser(enter=False) as user:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await user.tab()
        await user.enter()
        for origin in ("", "http://127.0.0.1:1", "null"):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await user.tab(origin=origin)
        assert not psutil.Process().children()


@scenario
async def test_what_a_page_says_of_its_size_is_two_numbers_or_nothing() -> None:
    """Nothing else that a browser sends is in the command or the environment of what draws."""
    async with browser() as user:
        tab = await user.tab("?width=$(touch%20marked)&height=30&TEXTUAL=marked&title=marked")
        process = psutil.Process(await tab.pid())
        await tab.find("size 80x24")
        assert process.cmdline() == APP
        assert "marked" not in str(process.environ())
        await (await user.tab("?width=99999&height=10")).find(f"size {web_tab.LARGEST[0]}x10")


@scenario
async def test_a_dashboard_ends_with_its_tab() -> None:
    """And no other with it."""
    async with browser() as user:
        one, other = await user.tab(), await user.tab()
        gone, stays = await one.pid(), await other.pid()
        await one.stream.close()
        await until_gone(gone)
        assert psutil.pid_exists(stays)
        await other.find(r"number \d+")


@pytest.mark.parametrize("option", ["--torrent", "--deaf"])
def test_a_dashboard_ends_with_its_tab_whatever_it_does(option: str, hasty: None) -> None:  # noqa: ARG001
    """One that has more to draw for a page that went away without a word, and one that does not end when told to."""

    async def run() -> None:
        async with browser(option) as user:
            tab = await user.tab()
            pid = await tab.pid()
            connection = tab.stream._response.connection                 # an end without closing
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()
            await until_gone(pid)
            await tab.stream.close()

    asyncio.run(run())


@scenario
async def test_dashboards_end_with_the_server() -> None:
    """Their pages are told that it goes."""
    async with browser() as user:
        tab = await user.tab()
        pid = await tab.pid()
        closed = asyncio.create_task(tab.until_closed())
        await user.server.stop()
        assert not psutil.pid_exists(pid)
        assert await closed == aiohttp.WSCloseCode.GOING_AWAY


@scenario
async def test_only_so_many_tabs_are_served() -> None:
    """The next one is told so; when one is closed there is room, also for one that is loaded anew."""
    async with browser(most_tabs=2) as user:
        one, other = await user.tab(), await user.tab()
        await one.pid()
        await other.pid()
        third = await user.tab()
        assert await third.until_closed() == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        assert "2 tabs show the dashboard, and that is the limit. Close one." in third.drawn
        closing = asyncio.create_task(one.stream.close())
        await (await user.tab()).pid()
        await closing


@scenario
async def test_a_user_who_leaves_is_shown_the_end() -> None:
    """Without an explanation."""
    async with browser() as user:
        tab = await user.tab()
        pid = await tab.pid()
        await tab.send("stdin", "q")
        await tab.until_closed()
        assert "ended" not in tab.drawn
        await until_gone(pid)


@pytest.mark.parametrize(
    ("option", "key", "why"),
    [("--fails", "", "no daemon answers"), ("--loud", "b", "RuntimeError: it .*broke")],
)
def test_why_a_dashboard_ended_by_itself_is_on_the_page(option: str, key: str, why: str) -> None:
    """As text that a terminal does not obey."""

    async def run() -> None:
        async with browser(option) as user:
            tab = await user.tab()
            if key:
                await tab.pid()
                await tab.send("stdin", key)
            await tab.until_closed()
            said = tab.drawn.rpartition("The dashboard ended by itself:")[2]
            assert re.search(why, said), tab.drawn
            assert "\x1b" not in said
            assert "\x07" not in said

    asyncio.run(run())


@pytest.mark.parametrize("message", ["no JSON", "[" * 50_000, '["stdin", 5]', '["resize", {"width": "1"}]', "{}", "7"])
def test_a_page_that_says_something_else_is_not_served(message: str) -> None:
    """It is not ours, or broken."""

    async def run() -> None:
        async with browser() as user:
            tab = await user.tab()
            pid = await tab.pid()
            await tab.stream.send_str(message)
            assert await tab.until_closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
            await until_gone(pid)

    asyncio.run(run())


@scenario
async def test_one_that_cannot_be_started_says_so_on_the_page() -> None:
    """And takes no place from the next."""
    async with browser(command=["/nonexistent"], most_tabs=1) as user:
        for _ in range(2):
            tab = await user.tab()
            await tab.until_closed()
            assert "The dashboard cannot be started: No such file or directory" in tab.drawn


@scenario
async def test_keys_that_are_no_text_break_nothing() -> None:
    """JSON can hold half of a character."""
    async with browser() as user:
        tab = await user.tab()
        await tab.stream.send_str('["stdin", "x\\ud800y"]')
        await tab.find(r"keys x\?y\.")


@scenario
async def test_an_exported_file_is_downloaded_once() -> None:
    """Whole, to be saved under its name, and with the cookie only."""
    async with browser() as user:
        tab = await user.tab()
        await tab.pid()
        await tab.send("stdin", "d")
        address = f"{user.server.origin}/download/{await tab.until_told('deliver_file_start')}"
        watching = asyncio.create_task(tab.until_closed())       # a page that takes nothing stops what draws
        async with aiohttp.ClientSession() as stranger, stranger.get(address) as answer:
            assert answer.status == 403
        async with user.client.get(address) as answer:
            assert await answer.text() == EXPORTED
            assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''numbers%20%C3%BC.csv"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with user.client.get(address) as answer:
            assert answer.status == 404
        await tab.stream.close()
        await watching


@scenario
async def test_every_answer_keeps_other_pages_out() -> None:
    """Refusals, parts of the page and what is not there have the headers as well, and all methods but GET end here."""
    async with browser() as user:
        ours = {"Origin": user.server.origin}
        for method, path, status in [
            ("GET", "/", 200), ("GET", "/static/js/textual.js", 200), ("GET", "/nothing", 404), ("POST", "/", 403),
            ("GET", "/static/../server.py", 404), ("GET", "/static/", 403),
        ]:  # fmt: skip
            async with user.client.request(method, f"{user.server.origin}{path}") as answer:
                assert (answer.status, path) == (status, path)
                assert {name: answer.headers[name] for name in HEADERS} == HEADERS
                policy = answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in policy
                assert "default-src 'none'" in policy
        async with user.client.post(f"{user.server.origin}/", headers=ours) as answer:
            assert answer.status == 405


@scenario
async def test_the_page_loads_nothing_from_elsewhere() -> None:
    """All that it names is ours, and there. No script stands in it, so its policy need not allow any."""
    named = re.findall(r'(?:href|src)="([^"]+)"', HTML) + re.findall(r'url\("([^"]+)"\)', CSS)
    async with browser() as user:
        for path in {*named} - {"data:,"}:
            assert path.startswith("/")
            async with user.client.get(f"{user.server.origin}{path}") as answer:
                assert answer.status == 200, path
        async with user.client.get(f"{user.server.origin}/") as answer:
            policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert not re.search(r"<script>|<style>|\son\w+=|style=", HTML)
    assert re.findall(r"\w+://\S+", policy) == [user.server.origin.replace("http", "ws", 1) + ";"]


def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is sent with it, and however much is logged."""
    caplog.set_level(logging.DEBUG)
    token = asyncio.run(_send_it())
    said = capfd.readouterr()
    assert token not in caplog.text + said.out + said.err


async def _send_it() -> str:
    async with browser() as user:
        token = user.told[1].rpartition("=")[2]
        port = URL(user.server.origin).port
        for line in (f"GET /?token={token} HTTP/9", f"GE\x00T /?token={token} HTTP/1.1\r\nHost: x", f"?token={token}"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{line}\r\n\r\n".encode())
            await reader.read()
            writer.close()
        async with user.client.get(user.told[1]) as answer:
            assert answer.status == 200
    return token


@scenario
async def test_it_says_where_it_is_and_that_it_was_opened() -> None:
    """The address alone on its line, so that a terminal makes a link of it."""
    async with browser() as user:
        _, address, opened = user.told
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        assert opened == "A browser has opened it; the address opens no other."


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "localhost", "192.0.2.1", "127.0.0.2"])
def test_it_listens_at_a_loopback_address_only(host: str) -> None:
    """A name could be anybody's."""
    with pytest.raises(ConfigError, match="not a loopback address"):
        listen(host, 0)


def test_ipv6_has_its_own_address() -> None:
    """In brackets."""
    try:
        listening = listen("::1", 0)
    except RunError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")

    async def origin() -> str:
        return WebServer(APP, listening, lambda _: None).origin

    with listening:
        assert re.fullmatch(r"http://\[::1\]:\d+", asyncio.run(origin()))


def test_a_port_that_cannot_be_had_is_one_sentence() -> None:
    """Taken, or none."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RunError) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == f"top --web: port {port} is taken; name another, or 0 for any free one"
    with pytest.raises(ConfigError, match="not a port"):
        listen("127.0.0.1", 65536)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_well_and_all_dashboards_with_it(number: int) -> None:
    """Exit code 0, nothing printed but what it said, no process left, and the port is free."""

    async def run() -> None:
        async with served() as (process, tab):
            pid = await tab.pid()
            process.send_signal(number)
            await tab.until_closed()
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0
            assert not psutil.pid_exists(pid)
            assert process.stdout is not None
            assert process.stdout.read() == "A browser has opened it; the address opens no other.\n"

    asyncio.run(run())


@scenario
async def test_a_server_that_is_killed_leaves_no_dashboard_behind() -> None:
    """Nobody takes what it draws any more."""
    async with served() as (process, tab):
        pid = await tab.pid()
        process.kill()
        await until_gone(pid, ours=False)


def test_a_dashboard_that_takes_no_keys_any_more_is_ended(hasty: None) -> None:  # noqa: ARG001
    """One that has stopped; its tab is closed."""

    async def run() -> None:
        async with browser() as user:
            tab = await user.tab()
            pid = await tab.pid()
            os.kill(pid, signal.SIGSTOP)
            with suppress(ConnectionError):
                for _ in range(100):
                    await tab.send("stdin", "x" * 10_000)
            await until_gone(pid)

    asyncio.run(run())
