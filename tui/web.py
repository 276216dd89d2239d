"""The dashboard in a browser of this machine, `tracerd top --web`: the server around textual-serve's parts.

Every tab gets a process of its own that draws (`web_tab`); who may open one is `web_gate`'s, the page `web_page`'s.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from aiohttp import WSCloseCode, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.download_manager import DownloadManager

from tracerd.errors import ConfigError, NotPermitted, RunError
from tui.web_door import Doors
from tui.web_gate import STREAM, Gate, add_headers
from tui.web_page import CSS, HTML, JS
from tui.web_tab import Tab, say

log = logging.getLogger("tracerd.top.web")

LOOPBACK = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
MOST_TABS = 4
TAB_SECONDS = 3.0
"""How long a tab waits for the end of another: one that is loaded anew comes before it has gone."""

DEFAULT_SIZE = (80, 24)
HEARTBEAT_SECONDS = 15.0
GOODBYE_SECONDS = 2.0
MOST_INPUT = 1 << 18                 # bytes of one message: what somebody pastes
IDLE_SECONDS = 15.0                  # of a connection on which nothing is asked: others hold none for long
STOP_SECONDS = 12.0                  # longer than a process can take to be ended


def serve_web(
    command: Sequence[str], port: int = 0, host: str = "127.0.0.1", *, announce: Callable[[str], None]
) -> None:
    """Serve what `command` shows in a terminal to one browser of this machine, until Ctrl-C or SIGTERM.

    `announce` is given the lines for the user, the address among them. Port 0 is a free one.

    Raises:
        ConfigError: the host is not this machine's loopback, or the port is no port.
        NotPermitted: this user may not listen at the port.
        RunError: somebody else listens there.
    """
    listening = listen(host, port)
    try:
        with suppress(KeyboardInterrupt):    # where the loop takes no signals, as on Windows
            asyncio.run(_serve(command, listening, announce))
    finally:
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a loopback address, and at no other."""
    if host not in LOOPBACK:
        raise ConfigError("top --web", f"{host!r} is not a loopback address; it listens at 127.0.0.1 or ::1 only")
    if not 0 <= port <= 65535:
        raise ConfigError("top --web", f"{port} is not a port: they are 0 to 65535, 0 for any free one")
    made = socket.socket(LOOPBACK[host], socket.SOCK_STREAM)
    try:
        # On Windows SO_REUSEADDR would let others listen beside us, and this one keeps them out.
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
        made.bind((host, port))
        made.listen()
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise RunError("top --web", f"port {port} is taken; name another, or 0 for any free one") from error
        if error.errno == errno.EACCES:
            raise NotPermitted(f"port {port}", "name one above 1023, or 0 for any free one") from error
        raise RunError("top --web", f"cannot listen at {host} port {port}: {error.strerror}") from error
    return made


async def _serve(command: Sequence[str], listening: socket.socket, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):
            loop.add_signal_handler(getattr(signal, name), stop.set)
    server = WebServer(command, listening, announce)
    try:
        await server.start()
        await stop.wait()
    finally:
        await server.stop()


class WebServer:
    """Serves on a socket that listens, in the running loop."""

    def __init__(
        self,
        command: Sequence[str],
        listening: socket.socket,
        announce: Callable[[str], None],
        most_tabs: int = MOST_TABS,
    ) -> None:
        host, port = listening.getsockname()[:2]
        self.origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._doors = Doors(self._protocol)
        self.gate = Gate(port, announce, know=self._doors.know)
        self._command = tuple(command)
        self._listening = listening
        self._announce = announce
        self._most_tabs = most_tabs
        self._places = asyncio.Semaphore(most_tabs)
        self._downloads = DownloadManager()
        self._websockets: set[web.WebSocketResponse] = set()
        self._serving: asyncio.Server | None = None
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            logger=log,
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
        )

    async def start(self) -> None:
        """Serve, and say where."""
        await self._runner.setup()
        self._serving = await asyncio.get_running_loop().create_server(self._doors, sock=self._listening)
        self._announce("The dashboard, read-only, for one browser of this machine. Ctrl-C ends it.")
        self._announce(f"{self.origin}/{self.gate.query}")

    async def stop(self) -> None:
        """Close all pages; no process of theirs is left."""
        if self._serving is not None:
            self._serving.close()
        await self._runner.cleanup()

    def _protocol(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        return self._runner.server()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self.gate.guard])
        static = Path(str(files("textual_serve"))) / "static"
        application.add_routes([
            web.get("/", _document(HTML, "text/html")),
            web.get("/page.css", _document(CSS, "text/css")),
            web.get("/page.js", _document(JS, "text/javascript")),
            web.get(STREAM, self._stream),
            web.get("/download/{key}", self._download),
            web.static("/static", static),
        ])  # fmt: skip
        application.on_response_prepare.append(add_headers)
        application.on_shutdown.append(self._close_pages)
        return application

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Show the dashboard to a page."""
        websocket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, timeout=GOODBYE_SECONDS, max_msg_size=MOST_INPUT, compress=False
        )
        await websocket.prepare(request)
        self._websockets.add(websocket)
        try:
            if await self._place():
                try:
                    await Tab(self._command, websocket, _size(request), self._downloads).show()
                finally:
                    self._places.release()
            else:
                await say(websocket, f"{self._most_tabs} tabs show the dashboard, and that is the limit. Close one.")
                await websocket.close(code=WSCloseCode.TRY_AGAIN_LATER)
        finally:
            self._websockets.discard(websocket)
        return websocket

    async def _place(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(TAB_SECONDS):
                return await self._places.acquire()
        return False

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """Hand on a file that a dashboard exports: always to be saved, never shown as a page of ours."""
        key = request.match_info["key"]
        try:
            download = await self._downloads.get_download_metadata(key)
        except KeyError:
            raise web.HTTPNotFound(text="No such file, or it has been fetched.\n") from None
        response = web.StreamResponse()
        response.content_type = "application/octet-stream"
        response.headers[hdrs.CONTENT_DISPOSITION] = f"attachment; filename*=UTF-8''{quote(download.file_name)}"
        await response.prepare(request)
        async for chunk in self._downloads.download(key):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _close_pages(self, _: web.Application) -> None:
        await asyncio.gather(*(each.close(code=WSCloseCode.GOING_AWAY) for each in tuple(self._websockets)))


def _size(request: web.Request) -> tuple[int, int]:
    """Return the columns and rows that a page says it has."""
    asked = (request.query.get("width", ""), request.query.get("height", ""))
    if all(each.isascii() and each.isdecimal() and len(each) < 6 for each in asked):
        return int(asked[0]), int(asked[1])
    return DEFAULT_SIZE


def _document(text: str, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type=content_type)

    return answer


def _worth_logging(record: logging.LogRecord) -> bool:
    """Leave out what is no HTTP: it is the sender's fault, and what it sent is repeated in there."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


log.addFilter(_worth_logging)
