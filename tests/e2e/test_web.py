"""`tracerd top --web` in a real browser: what is on the page changes, and only this browser and this page see it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from tests.daemon.running import daemon
from tests.e2e.chromium import PATIENCE, Chromium, Page, chromium
from tests.sources.live import need_live_events
from tests.tui.web_app import EXPORTED

pytestmark = pytest.mark.xdist_group("e2e")

ROOT = Path(__file__).parents[2]
COUNTING = [sys.executable, "-m", "tests.tui.web_app"]
SERVE = f"from tui.web import serve_web; serve_web({COUNTING!r}, announce=lambda line: print(line, flush=True))"
TRY = """
new Promise((done) => {
    const stream = new WebSocket("ws://%s/ws?width=80&height=24");
    stream.onopen = () => done("open");
    stream.onclose = () => done("refused");
})
"""
FRAME = """
new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.src = "%s";
    frame.onload = () => done();
    document.body.append(frame);
})
"""


class Served:
    """A dashboard that is served: where, by which process, and what on it is a number that changes."""

    def __init__(self, address: str, pid: int, number: str) -> None:
        self.address = address
        self.origin, _, self.token = address.partition("/?token=")
        self.host = self.origin.removeprefix("http://")
        self.number = number
        self._process = psutil.Process(pid)

    def dashboards(self) -> list[psutil.Process]:
        """Return the processes that draw."""
        return self._process.children()

    async def until(self, many: int) -> None:
        """Wait until so many processes draw."""
        async with asyncio.timeout(PATIENCE):
            while len(self.dashboards()) != many:
                await asyncio.sleep(0.05)


@contextmanager
def serving(command: list[str], number: str) -> Iterator[Served]:
    """Run a command that serves a dashboard, and says where."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = next(line.strip() for line in process.stdout if "?token=" in line)
        yield Served(address, process.pid, number)
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def counting(_: Path) -> Iterator[Served]:
    """A number that changes, and nothing else."""
    with serving([sys.executable, "-c", SERVE], r"number (\d+)") as served:
        yield served


@contextmanager
def dashboard(folder: Path) -> Iterator[Served]:
    """The real one, of a daemon that counts system calls of this machine."""
    need_live_events()
    (folder / "daemon").mkdir()
    with daemon(folder / "daemon", probes='"syscalls"') as running:
        running.start()
        command = [sys.executable, "-m", "tracerd.cli", "--socket", str(running.socket), "top", "--web"]
        with serving(command, r"([\d,.]+\w?) events/s") as served:
            yield served


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Served]:
    """The small one, served."""
    with counting(tmp_path) as served:
        yield served


@pytest.mark.parametrize("which", [counting, pytest.param(dashboard, marks=pytest.mark.live)])
def test_numbers_change_on_the_page_without_a_reload(which: object, tmp_path: Path) -> None:
    """The address has lost its token by then, and all that was loaded came from there, with nothing to complain of."""
    assert callable(which)

    async def look(served: Served) -> None:
        async with opened(served, tmp_path) as (_, page):
            await page.evaluate("window.since = 'the first look'")
            shown = {found(served, await page.until(lambda text: found(served, text), served.number))}
            for _ in range(2):
                seen = await page.until(lambda text: found(served, text) not in {"", *shown}, "another number")
                shown.add(found(served, seen))
            assert await page.evaluate("window.since") == "the first look"
            assert await page.evaluate("location.href") == f"{served.origin}/"
            (tmp_path / "page.png").write_bytes(await page.picture())
            allowed = (f"{served.origin}/", f"ws://{served.host}/", "data:")
            assert [url for url in page.asked if not url.startswith(allowed)] == []
            assert [said for said in page.said if not said.startswith("ping=")] == []

    with which(tmp_path) as served:
        asyncio.run(look(served))


def test_keys_reach_it_without_a_click(counted: Served, tmp_path: Path) -> None:
    """The page has the keyboard as soon as its stream is open; its size is the window's."""

    async def look() -> None:
        async with opened(counted, tmp_path) as (_, page):
            await page.until(lambda text: "keys ." in text, "the dashboard")
            await page.press("hjkl")
            shown = await page.until(lambda text: "keys hjkl." in text, "what was typed")
            size = re.search(r"size (\d+)x(\d+)", shown)
            assert size
            assert (int(size[1]) > 100, int(size[2]) > 30) == (True, True)

    asyncio.run(look())


def test_pages_of_other_origins_neither_open_nor_frame_it(counted: Served, tmp_path: Path) -> None:
    """Not in the browser that is in either: the cookie goes with what the other port's page asks, and is not enough."""

    async def look() -> None:
        async with opened(counted, tmp_path) as (browser, page), other_site() as other:
            await page.until(lambda text: found(counted, text), "the dashboard")
            assert await page.evaluate(TRY % counted.host) == "open"
            for url in (other, "data:text/html,<body>"):
                elsewhere = await browser.page(url)
                assert await elsewhere.evaluate(TRY % counted.host) == "refused"
                await elsewhere.evaluate(FRAME % counted.origin)
                for refusal in ("Unexpected response code: 403", "frame-ancestors 'none'"):
                    assert any(refusal in said for said in elsewhere.said), elsewhere.said
            await page.close()
            await counted.until(0)

    asyncio.run(look())


def test_another_browser_is_told_that_the_address_was_used(counted: Served, tmp_path: Path) -> None:
    """With the same address it gets a sentence, and without a token too."""

    async def look() -> None:
        async with opened(counted, tmp_path) as (browser, page):
            await page.until(lambda text: found(counted, text), "the dashboard")
            for address, sentence in ((counted.address, "has been used"), (counted.origin, "Open that address")):
                stranger = await browser.page(address, apart=True)
                assert sentence in await stranger.evaluate("document.body.textContent")

    asyncio.run(look())


def test_a_second_tab_has_its_own_dashboard_and_ends_with_it(counted: Served, tmp_path: Path) -> None:
    """A reload too is a new one, and the old one goes."""

    async def look() -> None:
        async with opened(counted, tmp_path) as (browser, page):
            await page.until(lambda text: found(counted, text), "the dashboard")
            second = await browser.page(counted.origin)
            await second.until(lambda text: found(counted, text), "the second dashboard")
            await counted.until(2)
            await second.close()
            await counted.until(1)
            (before,) = counted.dashboards()
            await page.open(counted.origin)
            await page.until(lambda text: f"pid {before.pid}" not in text and found(counted, text), "a new one")
            await counted.until(1)

    asyncio.run(look())


def test_one_that_was_left_is_started_again_with_enter(counted: Served, tmp_path: Path) -> None:
    """The page says that it has ended, and its button has the keyboard."""

    async def look() -> None:
        async with opened(counted, tmp_path) as (_, page):
            before = await page.until(lambda text: "pid" in text, "the dashboard")
            await page.press("q")
            await counted.until(0)
            async with asyncio.timeout(PATIENCE):
                while await page.evaluate("document.activeElement.id") != "again":
                    await asyncio.sleep(0.05)
            assert "has ended" in await page.evaluate("document.querySelector('#ended').innerText")
            await page.press("\r")
            await page.until(lambda text: "pid" in text and pid(text) != pid(before), "a new one")

    asyncio.run(look())


def test_an_exported_file_is_saved_by_the_browser(counted: Served, tmp_path: Path) -> None:
    """Whole, and while numbers are drawn."""

    async def look() -> None:
        async with opened(counted, tmp_path) as (browser, page):
            await browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
            await page.until(lambda text: "pid" in text, "the dashboard")
            await page.press("d")
            saved = tmp_path / "numbers ü.csv"
            async with asyncio.timeout(PATIENCE):
                while not saved.exists():
                    await asyncio.sleep(0.05)
            assert saved.read_text() == EXPORTED

    asyncio.run(look())


def found(served: Served, text: str) -> str:
    """Return the number that a page shows; "" if there is none."""
    numbers = re.search(served.number, text)
    return numbers[1] if numbers else ""


def pid(text: str) -> str:
    """Return who draws."""
    return text.partition("pid ")[2].split()[0]


@asynccontextmanager
async def opened(served: Served, folder: Path) -> AsyncIterator[tuple[Chromium, Page]]:
    """Give a browser in which the address that was printed is open."""
    async with chromium(folder) as browser:
        yield browser, await browser.page(served.address)


@asynccontextmanager
async def other_site() -> AsyncIterator[str]:
    """Give the address of a page that another server of this machine has."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<!DOCTYPE html><body>", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
