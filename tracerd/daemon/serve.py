"""The daemon's event loop: signals, the control API, and a look at everything once a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from tracerd.daemon import health
from tracerd.daemon.api.listen import ControlServer
from tracerd.daemon.api.settings import ControlSettings
from tracerd.daemon.control import Control
from tracerd.daemon.core import Daemon
from tracerd.daemon.logs import Handler, fields
from tracerd.daemon.notify import Notifier
from tracerd.daemon.settings import verify_options
from tracerd.daemon.watch import FileWatch
from tracerd.errors import TracerdError
from tracerd.runtime.objects import Changes

if TYPE_CHECKING:
    from tracerd.daemon.api.unix_socket import UnixSocket

LOG = logging.getLogger("tracerd.daemon")
PRINTED = logging.getLogger("tracerd.printed")
"""What programs print with bpf_trace_printk."""

LOOK_SECONDS = 1.0
FOLLOWED_SECONDS = 0.25          # between two looks at what programs print, while somebody follows it
WATCH_EVERY = 2                  # looks between two at the files
EXPIRE_EVERY = 10                # looks between two at maps that fill up with ended processes
TELL_EVERY = 10                  # looks between two words on log records that were held back
SYNC_EVERY = 30                  # looks between two syncs of pinned maps
REVIVE_EVERY = 10                # looks between two tries to open failed sources anew
RETRY_EVERY = 60                 # looks between two tries to load failed probes
STALLED_SECONDS = 20.0           # a pump that has not turned for so long is stuck: the watchdog may restart us
LAST_CHANGE_SECONDS = 0.5        # for a reload that is under way when we are told to stop
LAST_EXPORT_SECONDS = 1.0


class Service:
    """Runs one daemon until it is told to stop."""

    def __init__(
        self,
        daemon: Daemon,
        settings: ControlSettings,
        notifier: Notifier,
        log: Handler,
        local: UnixSocket | None = None,
    ) -> None:
        self._daemon = daemon
        self._notifier = notifier
        self._log = log
        options = verify_options(daemon.config)
        control = Control(daemon.host, daemon.inspector, self._reload_told, daemon.verifier, options)
        self._server = ControlServer(
            control, partial(health.status, daemon), partial(health.health, daemon), settings, local
        )
        daemon.more_counts = {"api": self._api_counts, "log": self._log_counts}
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reload_waits = False
        self._watch = FileWatch(())

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; then stop everything and export a last time.

        Raises:
            TracerdError: the control socket cannot be had.
        """
        self._take_signals()
        await self._server.start()
        try:
            before = FileWatch(self._daemon.named())
            await asyncio.to_thread(self._daemon.begin)
            self._watch = FileWatch(self._daemon.watched(), missed=before.differs(self._daemon.named()))
            self._notifier.ready(self._summary())
            await asyncio.gather(self._look_after(), self._print_on())
        finally:
            self._notifier.stopping()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LAST_CHANGE_SECONDS)
            await asyncio.to_thread(self._daemon.stop, LAST_EXPORT_SECONDS)
            await self._server.stop()
            self._tell_printed()             # what was printed to the end, as by end programs

    def stop(self) -> None:
        """End `run`. From the event loop. A proof under way is broken off, and whatever waits for it is refused."""
        self._stopping.set()
        self._beside(self._daemon.verifier.close)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        stop, reload = self.stop, self._reload_soon
        handlers: dict[str, Callable[[], None]] = {"SIGTERM": stop, "SIGINT": stop, "SIGBREAK": stop, "SIGHUP": reload}
        for name, handler in handlers.items():
            number = getattr(signal, name, None)
            if number is not None:
                _handle(loop, number, handler)

    async def _look_after(self) -> None:
        looks = 0
        while not self._stopping.is_set():
            await self._rest(LOOK_SECONDS)
            looks += 1
            try:
                await self._look(looks)
            except Exception:  # one look is less than the daemon: the next one is a second away
                LOG.exception("a look at the daemon's health failed")

    async def _look(self, looks: int) -> None:
        daemon = self._daemon
        if not daemon.host.sources.stalled(STALLED_SECONDS):
            self._notifier.alive()
        await self._look_at_socket()
        if looks % WATCH_EVERY == 0:
            await asyncio.to_thread(self._look_at_files)
        if looks % TELL_EVERY == 0:
            self._log.tell()
        if looks % EXPIRE_EVERY == 0:
            await asyncio.to_thread(daemon.host.expire)
        if looks % SYNC_EVERY == 0:
            await asyncio.to_thread(self._sync)
        if looks % RETRY_EVERY == 0 and daemon.host.failed:
            await asyncio.to_thread(daemon.retry)
        if looks % REVIVE_EVERY == 0 and daemon.host.sources.failed():
            await asyncio.to_thread(self._revive)

    async def _print_on(self) -> None:
        """Take what programs print: as often as anything is looked at, and more often while somebody follows."""
        while not self._stopping.is_set():
            await self._rest(FOLLOWED_SECONDS if self._daemon.host.sources.printed.followed else LOOK_SECONDS)
            try:
                await asyncio.to_thread(self._tell_printed)      # it waits while links are exchanged
            except Exception:  # as with a look: the next time is soon
                LOG.exception("what programs print cannot be told")

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _tell_printed(self) -> None:
        """Log what programs have printed; who follows it gets it too."""
        lines, lost = self._daemon.host.sources.take_printed()
        for line in lines:
            PRINTED.info("%s", line)
        if lost:
            PRINTED.warning("%d more lines found no room to wait", lost)

    async def _look_at_socket(self) -> None:
        try:
            if await self._server.renew():
                LOG.warning("the control socket was gone; it is made again")
        except TracerdError as error:
            LOG.error("the control socket is gone and cannot be made again: %s", error)

    def _look_at_files(self) -> None:
        if self._watch.changed(self._daemon.watched()):
            LOG.info("files of the configuration have changed")
            with contextlib.suppress(TracerdError):      # logged, and told by `status`
                self._reload_told()

    def _sync(self) -> None:
        try:
            self._daemon.host.maps.sync()
        except TracerdError as error:
            LOG.error("pinned maps are not on the disk: %s", error)

    def _revive(self) -> None:
        try:
            self._daemon.revive()
        except TracerdError as error:
            LOG.error("a source cannot be opened anew: %s", error)

    def _reload_soon(self) -> None:
        """Reload in a thread, unless one waits that has not begun: it will read what is there now."""
        if not self._reload_waits and not self._stopping.is_set():
            self._reload_waits = True
            self._beside(self._reload_asked)

    def _reload_asked(self) -> None:
        self._reload_waits = False
        with contextlib.suppress(TracerdError):          # logged, and told by `status`
            self._reload_told()

    def _beside(self, work: Callable[[], None]) -> None:
        """Have a thread do something while the loop goes on."""
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reload_told(self) -> Changes:
        self._notifier.reloading()
        try:
            changes = self._daemon.reload()
            self._watch = FileWatch(self._daemon.watched())
            return changes
        finally:
            self._notifier.ready(self._summary())

    def _summary(self) -> str:
        host = self._daemon.host
        links = sum(len(each.links) for each in host.loaded)
        failed = f", {len(host.failed)} failed" if host.failed else ""
        return f"{len(host.loaded)} probes{failed}, {links} links"

    def _api_counts(self) -> Mapping[str, float]:
        plain = self._server.statistics()
        refused = plain.pop("refused")
        assert isinstance(refused, dict)
        counts = {name: float(count) for name, count in plain.items() if isinstance(count, int)}
        return counts | {"refused": float(sum(refused.values()))}

    def _log_counts(self) -> Mapping[str, float]:
        return {"dropped": float(self._log.dropped), "held": float(self._log.held)}


def _handle(loop: asyncio.AbstractEventLoop, number: int, handler: Callable[[], None]) -> None:
    """Have the loop call a handler at a signal. Windows (not run there) has no other way than the interpreter's: a
    console that is closed comes as SIGBREAK."""
    try:
        loop.add_signal_handler(number, handler)
    except NotImplementedError:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(handler))


async def serve(
    daemon: Daemon, settings: ControlSettings, notifier: Notifier, log: Handler, local: UnixSocket | None = None
) -> None:
    """Run a daemon to its end; `local` is its control socket, if that was made already.

    Raises:
        TracerdError: the control socket cannot be had.
    """
    began = time.monotonic()
    await Service(daemon, settings, notifier, log, local).run()
    LOG.info("stopped", extra=fields(seconds=round(time.monotonic() - began, 1)))
