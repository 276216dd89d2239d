"""Documents, collected and rendered in one thread, one after the other; scrapes close to each other share one."""

from __future__ import annotations

import gzip
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from exporters.mapping.series import ProbeMetrics
from exporters.prometheus.lines import Format
from exporters.prometheus.render import Document, Renderer

SHARED_SECONDS = 0.25
"""How old a document may be that a scrape gets."""

GZIP_LEVEL = 1
"""The text repeats itself so much that more would only cost time."""


@dataclass(slots=True)
class _Page:
    begun: float                         # monotonic seconds: nothing in it is older
    document: Document
    zipped: bytes = b""


class Pages:
    """What scrapes get. All but `ask` and `close` is done in the worker thread."""

    def __init__(self, collect: Callable[[], list[ProbeMetrics]], renderer: Renderer) -> None:
        self._collect = collect
        self._renderer = renderer
        self._pages: dict[Format, _Page] = {}
        self._asked: queue.SimpleQueue[tuple[Future[tuple[Document, bytes]], Format, bool, float] | None]
        self._asked = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="prometheus-render", daemon=True)
        self._thread.start()

    def ask(self, form: Format, *, zipped: bool) -> Future[tuple[Document, bytes]]:
        """Return, some time later, a document and its body as it is to be sent, or what prevented it."""
        future: Future[tuple[Document, bytes]] = Future()
        self._asked.put((future, form, zipped, time.monotonic()))
        return future

    def close(self, seconds: float) -> None:
        """End the thread. One that hangs while it collects is left behind."""
        self._asked.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            future, form, zipped, since = asked
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._answer(form, zipped, since))
            except Exception as error:  # noqa: BLE001  whoever asked gets it
                future.set_exception(error)

    def _answer(self, form: Format, zipped: bool, since: float) -> tuple[Document, bytes]:
        page = self._pages.get(form)
        if page is None or page.begun < since - SHARED_SECONDS:
            begun = time.monotonic()
            page = self._pages[form] = _Page(begun, self._renderer.render(self._collect(), form))
        if zipped and not page.zipped:
            page.zipped = gzip.compress(page.document.body, GZIP_LEVEL, mtime=0)
        return page.document, page.zipped if zipped else page.document.body
