"""Maps and records as OTLP: mapped, encoded and given to the sender, which gets them there."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from exporters.mapping.machine import Machine
from exporters.mapping.mapper import Mapper
from exporters.mapping.records import RecordMapper
from exporters.otlp import resource
from exporters.otlp.encode_metrics import MetricsEncoder
from exporters.otlp.encode_records import encode_logs, encode_spans
from exporters.otlp.sender import Sender
from exporters.otlp.target import Settings
from exporters.own import OwnTelemetry
from tracerd.snapshot import Moment, RecordBatch

CLOSE_SECONDS = 0.8
"""Of the second that a daemon's stop gives."""


class OtlpExporter:
    """Metrics at every interval; log records and spans as records come. Whatever fails is in `statistics`."""

    def __init__(self, settings: Settings, sender: Sender | None = None) -> None:
        self.interval = settings.interval
        self._signals = frozenset(target.signal for target in settings.targets)
        self._sender = sender or Sender(settings)
        self._resource = resource.encode(resource.attributes(settings.resource))
        machine = Machine()
        self._mapper = Mapper(settings.temporality, machine)
        self._records = RecordMapper(machine)
        self._encoder = MetricsEncoder(self._resource)
        self._own: OwnTelemetry | None = None
        self._closing = threading.Lock()

    def ready(self) -> None:
        """Open the spool.

        Raises:
            ExportError: it cannot be used.
        """
        self._sender.start()

    def export(self, moment: Moment) -> None:
        """Send the metrics of a moment, and tracerd's own."""
        if "metrics" not in self._signals:
            return
        if self._own is None:
            self._own = OwnTelemetry()
        for request in self._encoder.encode([*self._mapper.collect(moment), self._own.collect(moment)]):
            self._sender.put(request)

    def records(self, batch: RecordBatch) -> None:
        """Send the log records and spans that a batch's records are."""
        logs, spans = self._records.map(batch)
        for request in (*encode_logs(self._resource, logs), *encode_spans(self._resource, spans)):
            self._sender.put(request)

    def statistics(self) -> Mapping[str, int]:
        """Return what became of items, by signal, and of series and records."""
        counted = dict(self._mapper.statistics()) | dict(self._records.counted)
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
        """Return why a signal does not get through now, "" if all do."""
        failing = [each for each in self._sender.statistics().values() if each.failing]
        return "; ".join(dict.fromkeys(each.last_error for each in failing))

    def close(self) -> None:
        """Send what is left, or keep it in the spool. May be called twice."""
        with self._closing:
            self._sender.close(CLOSE_SECONDS)
            if self._own is not None:
                self._own.close()
                self._own = None
