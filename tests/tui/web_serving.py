"""A server of the dashboard in a browser, and what a browser sees of it without one."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from yarl import URL

from tui.web import WebServer, listen

ROOT = Path(__file__).parents[2]
APP = [sys.executable, "-m", "tests.tui.web_app"]
PATIENCE = 60.0                  # seconds for what takes one or two on an idle machine


class Tab:
    """What a page shows, as far as it is looked for in what was drawn."""

    def __init__(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        self.stream = stream
        self.drawn = ""
        self.told: list[Any] = []

    async def find(self, pattern: str) -> str:
        """Wait until something is drawn that was not looked at yet; returns the pattern's group."""
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(pattern, self.drawn)):
                assert await self._take(), f"no {pattern!r} in {self.drawn!r}"
        self.drawn = self.drawn[found.end() :]
        return found[found.lastindex or 0]

    async def until_told(self, what: str) -> Any:
        """Wait until the page's script is told something; returns what comes with it."""
        async with asyncio.timeout(PATIENCE):
            while not (found := [each[1] for each in self.told if each[0] == what]):
                assert await self._take(), f"no {what!r} in {self.told}"
        return found[0]

    async def until_closed(self) -> int | None:
        """Wait for the end of the stream; returns the code it was closed with."""
        async with asyncio.timeout(PATIENCE):
            while await self._take():
                pass
        return self.stream.close_code

    async def pid(self) -> int:
        """Return the process that draws, once it does."""
        return int(await self.find(r"pid (\d+)"))

    async def send(self, *message: object) -> None:
        """Say something that the page's script says."""
        await self.stream.send_json(list(message))

    async def _take(self) -> bool:
        message = await self.stream.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            self.told.append(json.loads(message.data))
        elif message.type is aiohttp.WSMsgType.BINARY:
            self.drawn += message.data.decode()
        return message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class Browser:
    """A browser, and the server of its machine."""

    def __init__(self, server: WebServer, told: list[str], client: aiohttp.ClientSession) -> None:
        self.server = server
        self.client = client
        self.told = told

    async def enter(self) -> None:
        """Open the address that was printed."""
        async with self.client.get(self.told[1]) as answer:
            assert answer.status == 200
            assert str(answer.url) == f"{self.server.origin}/"

    async def tab(self, query: str = "?width=100&height=30", origin: str | None = None) -> Tab:
        """Open a page's stream."""
        origin = self.server.origin if origin is None else origin
        address = f"{self.server.origin}/ws{query}"
        return Tab(await self.client.ws_connect(address, headers={"Origin": origin} if origin else {}, max_msg_size=0))


@asynccontextmanager
async def browser(
    *options: str, command: Sequence[str] = APP, most_tabs: int = 4, enter: bool = True
) -> AsyncIterator[Browser]:
    """Serve the application, and give a browser that has opened its address."""
    told: list[str] = []
    with listen("127.0.0.1", 0) as listening:
        server = WebServer([*command, *options], listening, told.append, most_tabs)
        await server.start()
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
                made = Browser(server, told, client)
                if enter:
                    await made.enter()
                yield made
        finally:
            await server.stop()


def scenario(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in a loop of its own."""

    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def until_gone(pid: int, *, ours: bool = True) -> None:
    """Wait until a process is no more. A zombie still is, but one that is not `ours` to wait for."""
    async with asyncio.timeout(PATIENCE):
        while psutil.pid_exists(pid):
            with suppress(psutil.NoSuchProcess):
                if not ours and psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[subprocess.Popen[str], Tab]]:
    """Serve as a user does, with a tab that shows something; what it prints is in its stdout."""
    code = f"from tui.web import serve_web; serve_web({APP!r}, announce=lambda line: print(line, flush=True))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            process.stdout.readline()
            address = URL(process.stdout.readline().strip())
            async with client.get(address) as answer:
                assert answer.status == 200
            origin = str(address.origin())
            yield process, Tab(await client.ws_connect(f"{origin}/ws", headers={"Origin": origin}, max_msg_size=0))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
