"""Get requests to a collector, each signal in a thread of its own, and lose none without counting it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from exporters.otlp.http import HttpTransport
from exporters.otlp.request import SIGNALS, Request, Signal
from exporters.otlp.retry import Backoff
from exporters.otlp.spool import Spool
from exporters.otlp.statistics import SignalStatistics
from exporters.otlp.target import Settings, Target
from exporters.otlp.worker import Transport, Worker


def transport_for(target: Target) -> Transport:
    """Return what sends to a target; nothing is opened yet."""
    if target.protocol == "grpc":
        from exporters.otlp.grpc import GrpcTransport  # takes its time: only who uses gRPC imports it

        return GrpcTransport(target)
    return HttpTransport(target)


class Sender:
    """All signals. Nothing is opened and no thread runs before the first `put`, or `start`."""

    def __init__(
        self,
        settings: Settings,
        *,
        backoff: Callable[[], Backoff] = Backoff,
        clock: Callable[[], float] = time.monotonic,
        transport: Callable[[Target], Transport] = transport_for,
    ) -> None:
        self._clock = clock
        self._spool = Spool(settings.spool) if settings.spool else None
        self._workers: dict[Signal, Worker] = {
            target.signal: Worker(target, transport(target), settings, self._spool, backoff(), clock)
            for target in settings.targets
        }
        self._off: Counter[Signal] = Counter()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to send what an earlier process left on disk. Needed only to learn early that the spool is refused.

        Raises:
            ExportError: the spool cannot be used.
        """
        if self._spool is not None:
            self._spool.open()
        self._start_all()

    def put(self, request: Request) -> None:
        """Send a request as soon as it may be. Never waits, never raises; what is lost is in the statistics."""
        worker = self._workers.get(request.signal)
        if worker is None:
            with self._lock:
                self._off[request.signal] += request.items
            return
        worker.put(request)
        self._start_all()

    def flush(self, seconds: float) -> bool:
        """Wait until every request is accepted, refused or dropped; return False if that takes longer."""
        until = self._clock() + seconds
        for worker in self._workers.values():
            worker.hurry()
        return all(worker.wait(until) for worker in self._workers.values())

    def close(self, seconds: float) -> None:
        """Send what can be sent in that time; the rest is on disk then, or counted as dropped. May be called twice.

        A thread that waits for a collector's answer is left behind; should the answer come, it is not counted.
        """
        until = self._clock() + seconds
        for worker in self._workers.values():
            worker.begin_close(until)
        for worker in self._workers.values():
            worker.finish_close()
        if self._spool is not None:
            self._spool.close()

    def statistics(self) -> Mapping[str, SignalStatistics]:
        """Return how each signal does: those that are sent, and others that something was put or left for."""
        found: dict[str, SignalStatistics] = {signal: worker.statistics() for signal, worker in self._workers.items()}
        for signal in SIGNALS:
            if signal not in found and (rest := self._rest(signal)):
                found[signal] = rest
        return found

    def _rest(self, signal: Signal) -> SignalStatistics | None:
        """Return the numbers of a signal that is off, or None if there are none."""
        with self._lock:
            dropped = Counter({"off": self._off[signal]} if self._off[signal] else {})
        numbers = self._spool.numbers[signal] if self._spool else None
        if numbers is not None:
            dropped += numbers.dropped
        if not dropped and not (numbers and numbers.found):
            return None
        return SignalStatistics(
            items_dropped=dict(dropped),
            items_found=numbers.found if numbers else 0,
            spooled_items=numbers.items if numbers else 0,
            spooled_bytes=numbers.bytes if numbers else 0,
        )

    def _start_all(self) -> None:
        """With a spool every signal has a thread: an earlier process may have left something for it."""
        if self._spool is not None:
            for worker in self._workers.values():
                worker.start()
