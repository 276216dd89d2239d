"""Hand moments and records to exporters, each at its own pace: one that hangs holds nobody else up.

An export that fails is tried again with growing pauses; what it would have told is told by the next that succeeds,
since moments are totals. A thread that hangs in an exporter cannot be ended: it is left behind when the daemon stops.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of

from tracerd.daemon.export_runner import Runner
from tracerd.daemon.exporter import Exporter, ExporterInfo, Feeds
from tracerd.daemon.logs import fields
from tracerd.snapshot import ExporterStatistics, Moment

LOG = logging.getLogger("tracerd.export")


class Exporting:
    """All exporters of a daemon. `moment` is called in their threads and may raise."""

    def __init__(
        self, exporters: Mapping[str, Exporter], moment: Callable[[], Moment], feeds: Feeds | None = None
    ) -> None:
        """`feeds` give a feed to each that takes records."""
        self._moment = moment
        self._feeds = feeds
        self._runners = {name: self._runner(name, each) for name, each in exporters.items()}
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
        self._runners = {name: kept.get(name) or self._runner(name, each) for name, each in exporters.items()}
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

    def totals(self) -> tuple[ExporterStatistics, ...]:
        """Return the totals of each, as exporters get them."""
        names = [field.name for field in fields_of(ExporterStatistics)]
        return tuple(ExporterStatistics(*(getattr(info, name) for name in names)) for info in self.statistics())

    def _runner(self, name: str, exporter: Exporter) -> Runner:
        return Runner(name, exporter, self._moment, self._feeds)


def _stop(runners: list[Runner], *, last_export: bool, seconds: float) -> None:
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
