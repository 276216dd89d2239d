"""Hand moments to exporters, each at its own pace in a thread of its own: one that hangs holds nobody else up.

An export that fails is tried again with growing pauses; what it would have told is told by the next that succeeds,
since moments are totals. A thread that hangs in an exporter cannot be ended: it is left behind when the daemon stops.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from tracerd.daemon.logs import fields
from tracerd.errors import TracerdError
from tracerd.snapshot import Moment

LOG = logging.getLogger("tracerd.export")

LONGEST_PAUSE = 300.0
"""Seconds after a failure, if the exporter's own interval is not longer."""


class Exporter(Protocol):
    """What an entry point of the group `tracerd.exporters` makes. Called from one thread at a time."""

    interval: float                                  # seconds

    def export(self, moment: Moment) -> None:
        """Hand over a moment, or raise ExportError with nothing half written: it is tried again."""

    def close(self) -> None:
        """Release what `export` opened."""


@runtime_checkable
class Preparing(Protocol):
    """What an exporter may have besides."""

    def ready(self) -> None:
        """Raise ExportError if an export would fail now. Asked before a moment is taken, which costs time."""


@dataclass(frozen=True, slots=True)
class ExporterInfo:
    """How one exporter does. A moment that was due is one of exports, failures and skipped."""

    name: str
    interval: float              # seconds
    exports: int = 0
    failures: int = 0
    skipped: int = 0             # due while another export was under way, or in the pause after a failure
    failing: int = 0             # failures since the last success
    last_error: str = ""         # of the last failure; stays when it works again
    last_ns: int = 0             # unix time of the last success; 0: none yet
    last_seconds: float = 0.0    # how long that took
    busy_seconds: float = 0.0    # how long the export under way takes so far
    abandoned: bool = False      # did not end in time when the daemon stopped


class Exporting:
    """All exporters of a daemon. `moment` is called in their threads and may raise."""

    def __init__(self, exporters: Mapping[str, Exporter], moment: Callable[[], Moment]) -> None:
        self._moment = moment
        self._runners = {name: _Runner(name, each, moment) for name, each in exporters.items()}
        self._started = False

    def start(self) -> None:
        """Begin. The first export is made one interval from now."""
        self._started = True
        for runner in self._runners.values():
            runner.start()

    def replace(self, exporters: Mapping[str, Exporter], seconds: float = 1.0) -> None:
        """Go on with other exporters: the very same objects keep running, others are stopped with a last export."""
        gone = [run for name, run in self._runners.items() if exporters.get(name) is not run.exporter]
        _stop(gone, last_export=True, seconds=seconds)
        kept = {run.name: run for run in self._runners.values() if run not in gone}
        self._runners = {n: kept.get(n) or _Runner(n, each, self._moment) for n, each in exporters.items()}
        if self._started:
            for runner in self._runners.values():
                if runner.name not in kept:
                    runner.start()

    def stop(self, last_export: bool = True, seconds: float = 1.0) -> None:
        """End all of them within `seconds`, each with a last export unless told otherwise. May be called twice."""
        _stop(list(self._runners.values()), last_export=last_export, seconds=seconds)

    def statistics(self) -> list[ExporterInfo]:
        """Return how each does, in the configuration's order. Never waits."""
        return [runner.info() for runner in self._runners.values()]


class _Runner:
    """One exporter and its thread."""

    def __init__(self, name: str, exporter: Exporter, moment: Callable[[], Moment]) -> None:
        self.name = name
        self.exporter = exporter
        self.thread = threading.Thread(target=self._run, name=f"export-{name}", daemon=True)
        self.ending = threading.Event()
        self.last_export = True
        self._moment = moment
        self._info = ExporterInfo(name, exporter.interval)
        self._busy_since = 0.0

    def start(self) -> None:
        self.thread.start()

    def info(self) -> ExporterInfo:
        since = self._busy_since
        return replace(self._info, busy_seconds=time.monotonic() - since if since else 0.0)

    def abandon(self) -> None:
        self._info = replace(self._info, abandoned=True)

    def _run(self) -> None:
        due = time.monotonic() + self.exporter.interval
        while not self.ending.wait(max(due - time.monotonic(), 0)):
            self._export()
            due = self._next(due)
        if self.last_export:
            self._export()
        try:
            self.exporter.close()
        except Exception:
            LOG.exception("exporter did not close", extra=fields(exporter=self.name))

    def _next(self, due: float) -> float:
        """Return when the next export is due: on the beat of the interval, later after failures."""
        interval = self.exporter.interval
        beats = min(2 ** min(self._info.failing, 20), max(LONGEST_PAUSE // interval, 1)) if self._info.failing else 1
        missed = max(int((time.monotonic() - due) // interval), 0)
        skipped = missed + int(beats) - 1
        self._info = replace(self._info, skipped=self._info.skipped + skipped)
        return due + (skipped + 1) * interval

    def _export(self) -> None:
        begun = self._busy_since = time.monotonic()
        try:
            if isinstance(self.exporter, Preparing):
                self.exporter.ready()    # a target that is refused must not use up a stop's time with a moment for it
            self.exporter.export(self._moment())
        except (TracerdError, OSError) as error:
            self._failed(str(error), bug=False)
        except Exception as error:  # noqa: BLE001  an exporter of others may have any bug: it costs this export only
            self._failed(f"{type(error).__name__}: {error}", bug=True)
        else:
            self._succeeded(time.monotonic() - begun)
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
        self._info = replace(info, failures=info.failures + 1, failing=info.failing + 1, last_error=why)
        if not info.failing or info.last_error != why:
            LOG.warning("export failed: %s", why, exc_info=bug, extra=fields(exporter=self.name))


def _stop(runners: list[_Runner], *, last_export: bool, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for runner in runners:
        runner.last_export = last_export
        runner.ending.set()
    for runner in runners:
        if runner.thread.ident is None:
            runner.exporter.close()
            continue
        runner.thread.join(max(deadline - time.monotonic(), 0))
        if runner.thread.is_alive():
            runner.abandon()
            said = fields(exporter=runner.name, waited=seconds)
            LOG.warning("exporter was not done in time and is left behind", extra=said)


