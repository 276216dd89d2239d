"""The dashboard of one browser tab: a process that draws, the stream to its page, and the end of both together.

What is spoken with the process and with the page is textual-serve's. Its own way of running them is not used: it goes
through a shell, waits for ever for a process that does not end, and leaves one behind that has more to draw when its
page goes away.
"""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web
from rich.text import Text
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from tracerd.text import printable
from tui import web_driver

log = logging.getLogger("tracerd.top.web")

LARGEST = (1000, 500)
"""Columns and rows of a page: two numbers within these are all that a browser gets into the environment."""

READY = b"__GANGLION__\n"
MOST_PRELUDE = 10                            # lines before that
HEAD_BYTES = 5
INPUT_SECONDS = 10.0
"""A process that takes no key so long has stopped."""

QUIT_SECONDS, TERMINATE_SECONDS, KILL_SECONDS = 3.0, 2.0, 5.0
LEAST_PICTURE = 100                          # bytes; what it draws before sets its terminal up
KEPT_BYTES, KEPT_LINES = 16384, 12           # of what it complains


class Tab(AppService):
    """Runs `command` for the page at the other end of `websocket`, which has so many columns and rows."""

    def __init__(
        self,
        command: Sequence[str],
        websocket: web.WebSocketResponse,
        size: tuple[int, int],
        downloads: DownloadManager,
    ) -> None:
        super().__init__(
            "",
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=self._hang_up,
            download_manager=downloads,
        )
        self._argv = tuple(command)
        self._websocket = websocket
        self._size = _within(size)
        self._draws = False
        self._complaints = b""

    async def show(self) -> None:
        """Serve the page until it is closed or the dashboard ends; then neither is left."""
        try:
            process = await self._open_app_process(*self._size)
        except OSError as error:                 # too many processes, say
            await say(self._websocket, f"The dashboard cannot be started: {error.strerror}")
            await self._hang_up()
            return
        drawing = asyncio.create_task(self.run())
        complaining = asyncio.create_task(self._hear(process))
        typing = asyncio.create_task(self._take_input())
        tasks = (drawing, complaining, typing)
        try:
            await asyncio.wait((drawing, typing), return_when=asyncio.FIRST_COMPLETED)
            if drawing.done():
                await asyncio.wait((complaining,), timeout=QUIT_SECONDS)
                await self._explain(process)
        finally:
            await self._end(process)             # while what it draws is still taken: it may wait for that
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            await self._hang_up()
        for each in found:
            if isinstance(each, Exception):
                raise each

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Start it, away from this terminal's Ctrl-C: it is told to end, and gets the time for it."""
        environment = {**self._build_environment(width, height), "TEXTUAL_DRIVER": web_driver.NAME}
        process = await asyncio.create_subprocess_exec(
            *self._argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
        )
        self._process, self._stdin = process, process.stdin
        return process

    # ---- from the process to the page

    async def run(self) -> None:
        """Hand on what it draws until it ends. Once the page is gone, what it draws goes nowhere."""
        assert self._process is not None
        stdout = self._process.stdout
        assert stdout is not None
        if not await _begins(stdout):
            return
        takers = {b"D": self.on_data, b"M": self.on_meta, b"P": self.on_packed}
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await stdout.readexactly(HEAD_BYTES)
                payload = await stdout.readexactly(int.from_bytes(head[1:], "big"))
                with suppress(ConnectionError):
                    await takers[head[:1]](payload)

    async def on_data(self, payload: bytes) -> None:
        """Hand on a piece of a picture.

        A size that the process hears of before its first picture, it takes for older than the one it was started with.
        """
        if not self._draws and len(payload) >= LEAST_PICTURE:
            self._draws = True
            await self.set_terminal_size(*self._size)
        await super().on_data(payload)

    async def on_meta(self, data: bytes) -> None:
        """Do what it asks of the page. That it leaves is seen by its end, which may have a reason to be told."""
        if json.loads(data).get("type") != "exit":
            await super().on_meta(data)

    async def _hear(self, process: Process) -> None:
        """Keep the last of what it complains."""
        assert process.stderr is not None
        while heard := await process.stderr.read(KEPT_BYTES):
            self._complaints = (self._complaints + heard)[-KEPT_BYTES:]

    async def _explain(self, process: Process) -> None:
        """Say on the page why the dashboard ended by itself; a user who left it knows."""
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), QUIT_SECONDS)
        complaints = Text.from_ansi(self._complaints.decode("utf-8", "replace")).plain.splitlines()
        said = [printable(line) for line in complaints if line.strip()][-KEPT_LINES:]
        if process.returncode or said:
            await say(self._websocket, "The dashboard ended by itself:", *(said or [f"exit code {process.returncode}"]))

    # ---- from the page to the process

    async def _take_input(self) -> None:
        async for message in self._websocket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                async with asyncio.timeout(INPUT_SECONDS):
                    known = await self._obey(json.loads(message.data))
            except (ValueError, RecursionError):
                known = False
            except TimeoutError:
                log.warning("a dashboard takes no keys any more; it is ended")
                return
            if not known:
                await self._websocket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"not understood")
                return

    async def _obey(self, message: object) -> bool:
        """Do what the page's script says; False if that is not something it says."""
        match message:
            case ["stdin", str(typed)]:
                await self.send_bytes(typed.encode("utf-8", "replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                self._size = _within((width, height))
                if self._draws:
                    await self.set_terminal_size(*self._size)
            case ["ping", str(sent)]:
                await self._websocket.send_json(["pong", sent])
            case ["focus"]:
                await self.focus()
            case ["blur"]:
                await self.blur()
            case _:
                return False
        return True

    # ---- the end

    async def _end(self, process: Process) -> None:
        """See that the process ends: it is asked, told, and killed."""
        await self._download_manager.cancel_app_downloads(self.app_service_id)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIT_SECONDS):
                    await self.send_meta({"type": "quit"})
                    await process.wait()
            for tell, seconds in ((process.terminate, TERMINATE_SECONDS), (process.kill, KILL_SECONDS)):
                if process.returncode is None:
                    tell()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), seconds)
        finally:
            if process.returncode is None:       # we are to end at once ourselves
                with suppress(ProcessLookupError):
                    process.kill()

    async def _hang_up(self) -> None:
        await self._websocket.close()


async def say(websocket: web.WebSocketResponse, *lines: str) -> None:
    """Show text instead of the dashboard: on an empty screen, its own one left."""
    text = "\r\n".join(lines)
    with suppress(ConnectionError):
        await websocket.send_bytes(f"\x1b[?1049l\x1b[0m\x1b[2J\x1b[H\r\n{text}\r\n".encode())


async def _begins(stdout: asyncio.StreamReader) -> bool:
    """Wait until it draws. What it prints before that is no drawing."""
    for _ in range(MOST_PRELUDE):
        line = await stdout.readline()
        if line in (READY, b""):
            return line == READY
    return False


def _within(size: tuple[int, int]) -> tuple[int, int]:
    columns, rows = (max(1, min(asked, most)) for asked, most in zip(size, LARGEST, strict=True))
    return columns, rows
