"""One exporter and its thread: moments on the beat of its interval, records as they come, pauses after failures."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from tracerd.daemon.exporter import (
    Exporter,
    ExporterInfo,
    Feed,
    Feeds,
    Placed,
    Preparing,
    Prompt,
    Recording,
    Serving,
    Telling,
)
from tracerd.daemon.logs import fields
from tracerd.errors import TracerdError
from tracerd.snapshot import Moment

LOG = logging.getLogger("tracerd.export")

LONGEST_PAUSE = 300.0
"""Seconds after a failure, if the exporter's own interval is not longer."""

RECORDS_EVERY = 0.25
"""Seconds between looks for records."""

SERVE_AGAIN = 5.0
"""Seconds until an exporter that could not begin to answer is asked to again."""


class Runner:
    """One exporter and its thread."""

    def __init__(self, name: str, exporter: Exporter, moment: Callable[[], Moment], feeds: Feeds | None) -> None:
        self.name = name
        self.exporter = exporter
        self.thread = threading.Thread(target=self._run, name=f"export-{name}", daemon=True)
        self.ending = threading.Event()
        self.last_export = True
        self._moment = moment
        self._feeds = feeds
        self._feed: Feed | None = None
        self._info = ExporterInfo(name, exporter.interval if math.isfinite(exporter.interval) else 0.0)
        self._busy_since = 0.0

    def start(self) -> None:
        """Begin; records are the exporter's from now on."""
        if self._feeds is not None and isinstance(self.exporter, Recording):
            self._feed = self._feeds.open()
        self.thread.start()

    def info(self) -> ExporterInfo:
        """Return how it does. Never waits."""
        since, feed, exporter = self._busy_since, self._feed, self.exporter
        info = replace(
            self._info,
            busy_seconds=time.monotonic() - since if since else 0.0,
            records_lost=feed.lost if feed else 0,
            where=exporter.where if isinstance(exporter, Placed) else "",
        )
        if isinstance(exporter, Telling):
            try:
                info = replace(info, counts=dict(exporter.statistics()), problem=exporter.problem())
            except Exception as error:  # noqa: BLE001  whoever asks how all exporters do must not fail by one of them
                info = replace(info, problem=f"cannot say how it does: {type(error).__name__}: {error}")
        return info

    def abandon(self) -> None:
        """It did not end in time."""
        self._info = replace(self._info, abandoned=True)

    def _run(self) -> None:
        if isinstance(self.exporter, Serving):
            self._serve(self.exporter)
        else:
            self._export_on_the_beat()
        try:
            self.exporter.close()
        except Exception:
            LOG.exception("exporter did not close", extra=fields(exporter=self.name))

    def _export_on_the_beat(self) -> None:
        due = time.monotonic() + self.exporter.interval
        if isinstance(self.exporter, Prompt) and self.exporter.at_once:
            self._export()
        while not self.ending.wait(self._pause(due)):
            self._hand_over()
            if time.monotonic() >= due:
                self._export()
                due = self._next(due)
        if self._feed is not None:
            self._feed.close()
        if self.last_export:
            self._hand_over()
            self._export()

    def _pause(self, due: float) -> float:
        pause = max(due - time.monotonic(), 0)
        return min(pause, RECORDS_EVERY) if self._feed is not None else pause

    def _serve(self, exporter: Serving) -> None:
        """Have it answer until the end; a port that is taken may be free later."""
        serving = False
        while not self.ending.wait(None if serving else SERVE_AGAIN if self._info.failing else 0):
            serving = self._try(lambda: exporter.serve(self._moment))

    def _next(self, due: float) -> float:
        """Return when the next export is due: on the beat of the interval, later after failures."""
        interval = self.exporter.interval
        beats = min(2 ** min(self._info.failing, 20), max(LONGEST_PAUSE // interval, 1)) if self._info.failing else 1
        missed = max(int((time.monotonic() - due) // interval), 0)
        skipped = missed + int(beats) - 1
        self._info = replace(self._info, skipped=self._info.skipped + skipped)
        return due + (skipped + 1) * interval

    def _hand_over(self) -> None:
        """Give it the records that wait. A defect of its own costs it those, counted."""
        if self._feed is None or not isinstance(self.exporter, Recording):
            return
        for batch in self._feed.take():
            many = len(batch.records)
            self._info = replace(self._info, records=self._info.records + many)
            try:
                self.exporter.records(batch)
            except Exception as error:  # noqa: BLE001  an exporter of others may have any bug
                self._info = replace(self._info, records_failed=self._info.records_failed + many)
                self._note(f"{type(error).__name__}: {error}", bug=not isinstance(error, TracerdError))

    def _export(self) -> None:
        def export() -> None:
            if isinstance(self.exporter, Preparing):
                self.exporter.ready()    # a target that is refused must not use up a stop's time with a moment for it
            self.exporter.export(self._moment())

        self._try(export)

    def _try(self, do: Callable[[], None]) -> bool:
        begun = self._busy_since = time.monotonic()
        try:
            do()
        except (TracerdError, OSError) as error:
            self._failed(str(error), bug=False)
            return False
        except Exception as error:  # noqa: BLE001  an exporter of others may have any bug: it costs this export only
            self._failed(f"{type(error).__name__}: {error}", bug=True)
            return False
        else:
            self._succeeded(time.monotonic() - begun)
            return True
        finally:
            self._busy_since = 0.0

    def _succeeded(self, seconds: float) -> None:
        info = self._info
        if info.failing:
            LOG.info("exporter works again", extra=fields(exporter=self.name, failed=info.failing))
        self._info = replace(
            info, exports=info.exports + 1, failing=0, last_ns=time.time_ns(), last_seconds=seconds
        )

    def _failed(self, why: str, *, bug: bool) -> None:
        """Count it, and tell it unless the last failure was the same."""
        info = self._info
        self._info = replace(info, failures=info.failures + 1, failing=info.failing + 1)
        self._note(why, bug=bug, again=bool(info.failing))

    def _note(self, why: str, *, bug: bool, again: bool = True) -> None:
        if not again or self._info.last_error != why:
            LOG.warning("export failed: %s", why, exc_info=bug, extra=fields(exporter=self.name))
        self._info = replace(self._info, last_error=why)
