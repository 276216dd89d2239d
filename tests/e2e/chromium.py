"""A browser without a window, spoken to by its DevTools protocol; a page of it, and what xterm.js shows on it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.installed import need

PATIENCE = 60.0                  # seconds for what takes one or two on an idle machine
PACE = 0.05
SIZE = (1200, 800)               # pixels of a page

# Without WebGL xterm.js makes a line of text of each row: what the page shows can be read.
SCREEN = """[...document.querySelectorAll(".xterm-rows > div")].map((row) => row.textContent.trimEnd()).join("\\n")"""


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        return await self._browser.call(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address, and wait until its page is loaded."""
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(PATIENCE):
            while await self.evaluate("document.readyState + location.href") in ("completeabout:blank", "loading"):
                await asyncio.sleep(PACE)

    async def evaluate(self, script: str) -> Any:
        """Return what a script comes to; a promise is waited for."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def screen(self) -> str:
        """Return what its terminal shows; nothing while it has none."""
        return str(await self.evaluate(SCREEN))

    async def until(self, true: Callable[[str], object], what: str) -> str:
        """Wait until a screen is such; returns it."""
        shown = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not true(shown := await self.screen()):
                    await asyncio.sleep(PACE)
                return shown
        raise AssertionError(f"{what} does not come; the screen is:\n{shown}\nand the browser said: {self.said}")

    async def press(self, text: str) -> None:
        """Press keys that write something."""
        for each in text:
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=each, key=each)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=each)

    async def picture(self) -> bytes:
        """Return it as a PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])

    async def close(self) -> None:
        """Close the tab."""
        await self._browser.call("Target.closeTarget", targetId=self._target)

    @property
    def said(self) -> list[str]:
        """What its console and its logs have: refused loads, violations of its policy, errors of its scripts."""
        return [text for session, text in self._browser.said if session == self._session]

    @property
    def asked(self) -> list[str]:
        """The addresses of everything that it has loaded, or tried to."""
        return [url for session, url in self._browser.asked if session == self._session]


class Chromium:
    """A browser that runs. `said` and `asked` are by session."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.said: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str]] = []
        self._socket = socket
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def page(self, url: str, *, apart: bool = False) -> Page:
        """Open a tab, and wait until its page is loaded; one `apart` has no cookies of the others."""
        context = await self.call("Target.createBrowserContext") if apart else {}
        target = (await self.call("Target.createTarget", url="about:blank", **context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.open(url)
        return page

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, of a page or of the browser."""
        number = len(self._calls) + 1
        self._calls[number] = answered = asyncio.get_running_loop().create_future()
        of = {"sessionId": session} if session else {}
        await self._socket.send_json({"id": number, "method": method, "params": parameters, **of})
        return await asyncio.wait_for(answered, PATIENCE)

    async def listen(self) -> None:
        """Take answers and events until it is gone."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                answered = self._calls[told["id"]]
                if "error" in told:
                    answered.set_exception(AssertionError(told["error"]["message"]))
                elif not answered.done():
                    answered.set_result(told["result"])
            else:
                self._note(told.get("sessionId", ""), told["method"], told["params"])

    def _note(self, session: str, event: str, told: dict[str, Any]) -> None:
        match event:
            case "Log.entryAdded":
                self.said.append((session, f"{told['entry']['text']} {told['entry'].get('url', '')}"))
            case "Runtime.consoleAPICalled":
                self.said.append((session, " ".join(str(each.get("value")) for each in told["args"])))
            case "Runtime.exceptionThrown":
                self.said.append((session, json.dumps(told["exceptionDetails"])))
            case "Network.requestWillBeSent":
                self.asked.append((session, told["request"]["url"]))
            case "Network.webSocketCreated":
                self.asked.append((session, told["url"]))


@contextmanager
def _running(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """Run its many processes in a session of their own, with a profile that nothing else has; give log and profile."""
    profile, log = folder / "chromium", folder / "chromium.log"
    options = [
        "--headless=new", "--remote-debugging-port=0", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-3d-apis",
        "--disable-features=LocalNetworkAccessChecks",       # what it refuses itself does not reach our own refusals
        f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}",
    ]  # fmt: skip
    command = [need("chromium"), *options, "about:blank"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process, log, profile
        process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Chromium]:
    """Give a browser; skip the test where none is installed. Its log stays in the folder."""
    with _running(folder) as (process, log, profile):
        found = profile / "DevToolsActivePort"
        async with asyncio.timeout(PATIENCE):
            while not (found.exists() and (lines := found.read_text().splitlines())[1:]):
                assert process.poll() is None, f"it ended: {log.read_text()[-2000:]}"
                await asyncio.sleep(PACE)
        address = f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
            browser = Chromium(socket)
            listening = asyncio.create_task(browser.listen())
            try:
                yield browser
                await browser.call("Browser.close")
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
