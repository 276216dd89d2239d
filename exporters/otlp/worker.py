"""One signal on its way to its collector: a thread that sends one request after the other.

Two locks. `_changed` is held for moments only, so that `put` never waits for a disk or a network. `_settling` is held
while the outcome of a try becomes numbers and files: who closes takes over what is left only between two of those.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporters.otlp.outcome import Accepted, Outcome, Refused, Retry
from exporters.otlp.queue import Queue
from exporters.otlp.request import Request
from exporters.otlp.retry import LONGEST_WISH, Backoff
from exporters.otlp.spool import Spool
from exporters.otlp.spoolfile import Entry
from exporters.otlp.statistics import SignalStatistics
from exporters.otlp.tally import Tally
from exporters.otlp.target import Settings, Target
from tracerd.errors import ExportError

LOG = logging.getLogger("tracerd.export")


class Transport(Protocol):
    """How bytes get to a collector."""

    def send(self, body: bytes) -> Outcome: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Task:
    request: Request
    entry: Entry | None                  # where it is on disk; None: in memory


class Worker:
    """The thread is started by the first `put` or by `start`, and again should it ever end by a defect of ours."""

    def __init__(
        self,
        target: Target,
        transport: Transport,
        settings: Settings,
        spool: Spool | None,
        backoff: Backoff,
        clock: Callable[[], float],
    ) -> None:
        self._signal = target.signal
        self._transport = transport
        self._spool = spool
        self._retry_seconds = settings.retry_seconds
        self._backoff = backoff
        self._clock = clock
        self._queue = Queue(settings.queue_bytes)
        self._tally = Tally(target)
        self._changed = threading.Condition()
        self._settling = threading.Lock()
        self._thread: threading.Thread | None = None
        self._news = False               # something happened since the thread last looked
        self._failing = False            # the last try failed and is made again
        self._paused_until = 0.0         # by our own backoff
        self._told_until = 0.0           # by the collector
        self._since: float | None = None         # when the request that is taken was tried first
        self._closing: float | None = None       # until when
        self._over = False               # nothing is taken on any more, the thread touches nothing

    def put(self, request: Request) -> None:
        """Take a request on. Never waits, never raises."""
        with self._changed:
            if self._over:
                self._tally.drop("shutdown", request)
                return
            for old in self._queue.put(request):
                self._tally.drop("queue_full", old)
            self._wake()
        self.start()

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self._changed:
            if self._over or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._run, name=f"otlp-{self._signal}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:        # the system has none left; the next request tries again
                self._tally.remark(f"no thread to send with: {error}")
                return
            self._thread = thread

    def hurry(self) -> None:
        """End a pause of ours now, but none that the collector asked for."""
        with self._changed:
            self._paused_until = 0.0
            self._wake()

    def wait(self, until: float) -> bool:
        """Wait until nothing is left, and return whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._left(), max(until - self._clock(), 0.0))

    def begin_close(self, until: float) -> None:
        """Let the thread end as soon as nothing is left, or all that is left is on disk."""
        with self._changed:
            self._closing = until if self._closing is None else self._closing
        self.hurry()

    def finish_close(self) -> None:
        """Wait for the thread until the time is over, then put what is left on disk, or count it as lost."""
        if self._thread is not None:
            self._thread.join(self._time_left())
        with self._settling:
            with self._changed:
                self._over = True
            while request := self._taken():
                if self._spool is None:
                    self._tally.drop("shutdown", request)
                elif not self._kept_on_disk(request, self._spool, sync=self._time_left() > 0):
                    self._tally.drop("spool_failed", request)
                self._done()

    def statistics(self) -> SignalStatistics:
        """Return how it does. Waits for no disk and no network."""
        with self._changed:
            numbers = self._spool.numbers[self._signal] if self._spool else None
            return self._tally.statistics(self._queue.items, self._queue.bytes, numbers)

    def _run(self) -> None:
        try:
            while task := self._next():
                self._settle(task, self._tried(task))
        except Exception:
            LOG.exception("%s", self._tally.sentence("a defect; sending goes on with the next request"))
        finally:
            self._transport.close()

    def _next(self) -> _Task | None:
        """Wait for a request whose time has come; None when there is nothing more to do."""
        while True:
            with self._settling:
                if self._over:
                    return None
                self._follow_to_disk()
                if self._finished():
                    return None
                if self._pause() <= 0 and (task := self._task()):
                    return task
            self._sleep()

    def _tried(self, task: _Task) -> Outcome:
        try:
            return self._transport.send(task.request.body)
        except Exception as error:
            LOG.exception("%s", self._tally.sentence("a defect; the request is tried again"))
            return Retry(f"a defect of tracerd ({type(error).__name__})")

    def _settle(self, task: _Task, outcome: Outcome) -> None:
        with self._settling:
            if self._over:
                return                   # whoever closed has counted it
            self._failing = isinstance(outcome, Retry)
            if isinstance(outcome, Retry):
                self._try_again(task, outcome)
            else:
                self._answered(task, outcome)

    def _answered(self, task: _Task, outcome: Accepted | Refused) -> None:
        """The collector has decided: the request is gone from here."""
        self._backoff.reset()
        ours = self._spool.done(task.entry) if self._spool and task.entry else True
        if isinstance(outcome, Refused):
            self._tally.failed(outcome.why, again=False)
            if ours:                     # else it is counted: its file was gone
                self._tally.drop("refused", task.request)
        elif ours:
            self._tally.accepted(task.request, outcome)
        if task.entry is None:
            self._done()

    def _try_again(self, task: _Task, outcome: Retry) -> None:
        self._tally.failed(outcome.why, again=True)
        pause = self._rest(outcome.after)
        if self._spool is None:
            self._expire(task.request, pause)
        elif task.entry is not None:
            self._spool.release(task.entry)
        elif self._kept_on_disk(task.request, self._spool):
            self._done()

    def _expire(self, request: Request, pause: float) -> None:
        """Drop a request that would be too old at the next try."""
        now = self._clock()
        if now + pause >= (now if self._since is None else self._since) + self._retry_seconds:
            self._tally.drop("expired", request)
            self._done()

    def _rest(self, after: float | None) -> float:
        pause, now = self._backoff.pause(after), self._clock()
        with self._changed:
            self._paused_until = now + pause
            self._told_until = now + min(after or 0.0, LONGEST_WISH)
        return pause

    def _task(self) -> _Task | None:
        """Return the oldest request, on disk before memory."""
        if self._spool is not None and self._on_disk():
            try:
                found = self._spool.take(self._signal)
            except ExportError as error:
                self._tally.spool_failed(str(error))
                self._rest(None)
                return None
            if found is not None:
                return _Task(found[1], found[0])
        request = self._taken()
        self._since = self._clock() if self._since is None else self._since
        return _Task(request, None) if request is not None else None

    def _follow_to_disk(self) -> None:
        """While requests wait on disk, later ones go behind them: order is kept, and they survive us too."""
        if self._spool is None or not self._usable(self._spool):
            return
        while self._on_disk() and (request := self._taken()):
            if not self._kept_on_disk(request, self._spool):
                with self._changed:
                    self._queue.back()
                return
            self._done()

    def _usable(self, spool: Spool) -> bool:
        try:
            spool.open()
        except ExportError as error:
            self._tally.spool_failed(str(error))
            return False
        return True

    def _kept_on_disk(self, request: Request, spool: Spool, *, sync: bool = True) -> bool:
        try:
            spool.add(request, sync=sync)
        except ExportError as error:
            self._tally.spool_failed(str(error))
            return False
        self._tally.spool_worked()
        return True

    def _taken(self) -> Request | None:
        with self._changed:
            return self._queue.take()

    def _done(self) -> None:
        with self._changed:
            self._queue.done()
            self._since = None

    def _sleep(self) -> None:
        """Wait for news, the end of a pause or the end of the time for closing."""
        with self._changed:
            self._changed.notify_all()   # who waits until nothing is left
            times = [self._closing] if self._closing is not None else []
            times += [max(self._paused_until, self._told_until)] if self._left() else []
            timeout = max(min(times) - self._clock(), 0.001) if times else None
            self._changed.wait_for(lambda: self._news, timeout)
            self._news = False

    def _wake(self) -> None:
        self._news = True
        self._changed.notify_all()

    def _pause(self) -> float:
        return max(self._paused_until, self._told_until) - self._clock()

    def _left(self) -> bool:
        return len(self._queue) > 0 or self._on_disk()

    def _on_disk(self) -> bool:
        return self._spool is not None and self._spool.has(self._signal)

    def _time_left(self) -> float:
        """Seconds until a close has to be over."""
        return max(self._closing - self._clock(), 0.0) if self._closing is not None else 0.0

    def _finished(self) -> bool:
        """Once it is closing: nothing is left, all that is left is on disk and would fail, or the time is over."""
        if self._closing is None:
            return False
        safe = self._failing and self._spool is not None and len(self._queue) == 0
        return safe or not self._left() or self._time_left() == 0
