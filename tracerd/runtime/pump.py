"""One thread per source: it sits in the native pump, without the GIL, until its source ends or it is told to stop."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue

from tracerd.errors import RunError, TracerdError
from tracerd.snapshot import Ledger
from tracerd.sources.base import LinkRequest
from tracerd.sources.choose import Serving

PRINTED_LINES = 4096
TURN_MS = 100
"""How long the thread stays in one native call: bounds how late a stop is noticed, and records leave a ring buffer."""

IDLE_TURNS = 10
"""After so many turns without an event it is looked anyway whether a record or a line was left over."""


class Pump:
    """Opens a source, pumps it in a thread, stops it. The thread's own error is raised by `stop`."""

    def __init__(self, serving: Serving, between: Callable[[], None]) -> None:
        """`between` is called after every turn, in this thread: ring buffers are emptied there."""
        self.source = serving.source
        self.background = serving.background
        self.printed: deque[str] = deque(maxlen=PRINTED_LINES)
        self._unprinted = 0
        self._between = between
        name = f"tracerd-pump-{'-'.join(serving.events[:1])}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopping = threading.Event()
        self._errands: SimpleQueue[_Errand] = SimpleQueue()
        self._error: TracerdError | None = None
        self.ended = threading.Event()
        self._turned = time.monotonic()
        self.cpu_ns = 0

    def open(self, links: list[LinkRequest]) -> None:
        """Make the links and let the events in."""
        self.source.open(links)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def pause(self, work: Callable[[], None]) -> None:
        """Do something between two turns, in the pump's thread; at once if it does not run. Raises what that raises."""
        errand = _Errand(work)
        self._errands.put(errand)
        if self._thread.is_alive():
            self._wake()
            while not errand.done.wait(TURN_MS / 1000) and self._thread.is_alive():
                self._wake()
        self._run_errands()                      # the thread has ended, or had before
        errand.done.wait()
        if errand.error is not None:
            raise errand.error

    def stop(self) -> None:
        """Stop the events and deliver what is still in the buffers.

        Raises:
            TracerdError: what the thread met while pumping.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.source.stop()
        self._collect()
        if self._error is not None:
            raise self._error

    def take_printed(self) -> tuple[list[str], int]:
        """Take the lines that programs printed, and how many more found no room to wait since the last call."""
        lines = []
        with suppress(IndexError):
            while True:
                lines.append(self.printed.popleft())
        lost, self._unprinted = self._unprinted, 0
        return lines, lost

    @property
    def failure(self) -> str:
        """Why the thread ended before its time; "" if it did not."""
        return str(self._error) if self._error is not None and self.ended.is_set() else ""

    @property
    def silent_seconds(self) -> float:
        """How long ago the last turn ended; 0 for a pump that does not run."""
        return time.monotonic() - self._turned if self._thread.is_alive() else 0.0

    def statistics(self) -> Mapping[str, Ledger]:
        """Return the source's ledgers by event."""
        return self.source.statistics()

    def close(self) -> None:
        """Release the source. Safe after a failed open."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.source.close()

    def _wake(self) -> None:
        wake = getattr(self.source, "wake", None)
        if wake is not None:
            wake()

    def _run_errands(self) -> None:
        while not self._errands.empty():
            with suppress(Empty):
                self._errands.get_nowait().run()

    def _run(self) -> None:
        try:
            self._pump_until(self._stopping.is_set)
        except TracerdError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  a defect: events are missing, which `stop` must say
            self._error = RunError(self._thread.name, f"ended before its time: {error!r}")
            self._error.__cause__ = error
        finally:
            self.ended.set()

    def _collect(self) -> None:
        self._between()
        lines = self.source.printed().decode(errors="replace").splitlines()
        self._unprinted += max(len(self.printed) + len(lines) - PRINTED_LINES, 0)
        self.printed.extend(lines)

    def _pump_until(self, stopping: Callable[[], bool]) -> None:
        began = time.thread_time_ns()
        idle = 0
        while not stopping():
            taken = self.source.pump(TURN_MS)
            idle = 0 if taken else (idle + 1) % IDLE_TURNS
            if not idle:
                self._collect()
            self._run_errands()
            self._turned = time.monotonic()
            self.cpu_ns = time.thread_time_ns() - began
            if taken < 0:
                return


class _Errand:
    """Work for the pumping thread; whoever waits for it gets its error."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.done = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits
            self.error = error
        finally:
            self.done.set()


def stop_all(pumps: Iterable[Pump]) -> list[TracerdError]:
    """Stop every pump, whatever one of them meets; return what they met."""
    errors: list[TracerdError] = []
    for pump in pumps:
        try:
            pump.stop()
        except TracerdError as error:
            errors.append(error)
    return errors
