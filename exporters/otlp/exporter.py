"""Maps and records as OTLP: mapped, encoded and given to the sender, which gets them there."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress

from exporters.mapping.machine import Machine
from exporters.mapping.mapper import Mapper
from exporters.mapping.records import RecordMapper
from exporters.otlp import resource
from exporters.otlp.encode_metrics import MetricsEncoder
from exporters.otlp.encode_records import encode_logs, encode_spans
from exporters.otlp.own_spans import OwnSpans
from exporters.otlp.sender import Sender
from exporters.otlp.target import Settings
from exporters.own import OwnTelemetry
from tracerd.errors import ExportError
from tracerd.snapshot import Moment, RecordBatch

CLOSE_SECONDS = 0.6
"""Of the second that a daemon's stop gives for the last export and the close."""

SPOOL_SECONDS = 0.2
"""With a spool what is not sent at once waits on disk: there is no reason to wait for a collector that is slow."""


class OtlpExporter:
    """Metrics at every interval; log records and spans as records come. Whatever fails is in `statistics`."""

    def __init__(self, settings: Settings, sender: Sender | None = None) -> None:
        self.interval = settings.interval
        self._deltas = settings.temporality == "delta"
        self.at_once = settings.temporality != "cumulative"      # deltas are told from the first look on
        self._signals = frozenset(target.signal for target in settings.targets)
        self._sender = sender or Sender(settings)
        self._resource = resource.encode(resource.attributes(settings.resource))
        self._machine = Machine()
        self._mapper = Mapper(settings.temporality, self._machine)
        self._records = RecordMapper(self._machine)
        self.where = _where(settings)
        self._encoder = MetricsEncoder(self._resource)
        self._own: OwnTelemetry | None = None
        self._spans = OwnSpans() if settings.own_spans and "traces" in self._signals else None
        self._close_seconds = SPOOL_SECONDS if settings.spool else CLOSE_SECONDS
        self._begun = False
        self._closing = threading.Lock()

    def export(self, moment: Moment) -> None:
        """Send the metrics of a moment, and tracerd's own."""
        self._begin()
        if "metrics" not in self._signals:
            return
        if self._own is None:
            self._own = OwnTelemetry(deltas=self._deltas)
        with self._span("tracerd.export"):
            with self._span("tracerd.export.map"):
                mapped = [*self._mapper.collect(moment), self._own.collect(moment)]
            with self._span("tracerd.export.encode"):
                requests = self._encoder.encode(mapped)
            for request in requests:
                self._sender.put(request)
        for request in encode_spans(self._resource, self._spans.take()) if self._spans else ():
            self._sender.put(request)

    def records(self, batch: RecordBatch) -> None:
        """Send the log records and spans that a batch's records are."""
        logs, spans = self._records.map(batch)
        for request in (*encode_logs(self._resource, logs), *encode_spans(self._resource, spans)):
            self._sender.put(request)

    def statistics(self) -> Mapping[str, int]:
        """Return what became of items, by signal, and of series and records."""
        counted = dict(self._mapper.statistics()) | dict(self._records.counted) | self._machine.statistics()
        for signal, each in self._sender.statistics().items():
            numbers = {
                "sent": each.items_sent,
                "rejected": each.items_rejected,
                "queued": each.queued_items,
                "spooled": each.spooled_items,
                "retries": each.retries,
            }
            numbers |= {f"dropped.{cause}": many for cause, many in each.items_dropped.items()}
            counted |= {f"{signal}.{name}": many for name, many in numbers.items()}
        return counted

    def problem(self) -> str:
        """Return why a signal does not get through or is not kept on disk now, "" if all is well."""
        ailing = [each for each in self._sender.statistics().values() if each.failing or not each.spool_works]
        problems = dict.fromkeys(each.last_error for each in ailing)
        return "; ".join([*problems, *filter(None, [self._mapper.problem()])])

    def _span(self, name: str) -> AbstractContextManager[None]:
        return self._spans.span(name) if self._spans else nullcontext()

    def _begin(self) -> None:
        """Send what an earlier process left on disk. A spool that is refused is told in `problem`: memory serves."""
        if not self._begun:
            self._begun = True
            with suppress(ExportError):
                self._sender.start()

    def close(self) -> None:
        """Send what is left, or keep it in the spool. May be called twice."""
        with self._closing:
            self._sender.close(self._close_seconds)
            if self._own is not None:
                self._own.close()
                self._own = None


def _where(settings: Settings) -> str:
    """Return the targets in words; signals that go to the same place together."""
    places: dict[str, list[str]] = {}
    for target in settings.targets:
        places.setdefault(f"{target.shown} ({target.protocol})", []).append(target.signal)
    return "; ".join(f"{', '.join(signals)} to {place}" for place, signals in places.items())
