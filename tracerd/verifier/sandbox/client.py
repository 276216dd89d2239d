"""The parent's side: when a verifier process is started and ended, and what becomes of its answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tracerd.errors import VerifierUnavailable
from tracerd.verifier.job import Job, Refutation, Rejection, VerifiedProgram
from tracerd.verifier.sandbox import wire
from tracerd.verifier.sandbox.process import Broken, Process
from tracerd.verifier.sandbox.wire import Wall
from tracerd.verifier.verdict import accepted, rejected

GRACE_SECONDS = 3.0
"""How long over its own time budget a proof may take before the process is killed."""


@dataclass(frozen=True, slots=True)
class VerifierStatistics:
    """Counts since the verifier was made. `broken` processes were killed, died, or answered what they should not."""

    jobs: int = 0
    started: int = 0
    broken: int = 0


class Verifier:
    """A verifier process when there is something to prove. Thread-safe; one proof at a time.

    It is started by the first job, kept warm, ended after `idle_seconds` without a job (None: never), and started
    again by the job after its end or death. `on_start` and `on_end` are told the id of each process: its events are
    ours, so sources ignore them.
    """

    def __init__(
        self,
        memory_mb: int = 1024,
        grace_seconds: float = GRACE_SECONDS,
        idle_seconds: float | None = None,
        on_start: Callable[[int], None] | None = None,
        on_end: Callable[[int], None] | None = None,
    ) -> None:
        self._memory_mb = memory_mb
        self._grace_seconds = grace_seconds
        self._idle_seconds = idle_seconds
        self._on_start, self._on_end = on_start, on_end
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._idle: threading.Timer | None = None
        self._last_job = 0.0
        self._closed = False
        self._jobs = self._started = self._broken = 0

    @property
    def pid(self) -> int | None:
        """The id of the process, or None while there is none."""
        process = self._process
        return process.pid if process is not None else None

    def start(self) -> int:
        """Start the process if there is none, without waiting for it. Returns its id."""
        with self._lock:
            return self._running("starting the verifier").pid

    def walls(self) -> tuple[Wall, ...]:
        """Return what is in force around the process, and what could not be had here and why.

        Raises:
            VerifierUnavailable: the process does not come up.
        """
        with self._lock:
            process = self._running("the verifier's walls")
            try:
                return process.walls()
            except Broken as fault:
                raise self._lost("the verifier's walls", str(fault)) from fault

    def verify(self, job: Job) -> VerifiedProgram | Rejection:
        """Prove one program.

        Raises:
            VerifierUnavailable: the process died, hung, outgrew its memory or met a fault of its own.
        """
        with self._lock:
            answer = self._exchange(job)
        if isinstance(answer, wire.Failure):
            raise VerifierUnavailable(job.program, answer.cause)
        if isinstance(answer, Refutation):
            return rejected(job, answer)
        return answer

    def statistics(self) -> VerifierStatistics:
        """Return the counts so far."""
        return VerifierStatistics(self._jobs, self._started, self._broken)

    def rest(self) -> None:
        """End the process after the proof it works on; the next job starts another, with the rights we have then."""
        with self._lock:
            self._end()

    def close(self) -> None:
        """End the process now, and with it the proof it works on. May be called twice; nothing is proved afterwards."""
        self._closed = True
        if not self._lock.acquire(blocking=False):
            process = self._process
            if process is not None:
                process.kill()
            self._lock.acquire()
        try:
            self._end()
        finally:
            self._lock.release()

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _exchange(self, job: Job) -> VerifiedProgram | Refutation | wire.Failure:
        process = self._running(job.program)
        self._jobs += 1
        try:
            answer = process.ask(job)
        except Broken as fault:
            raise self._lost(job.program, "the verifier was closed" if self._closed else str(fault)) from fault
        if not isinstance(answer, wire.Failure | Refutation) and answer.digest != job.digest():
            # One answer too many and all that follow would be for the job before: nothing it says counts any more.
            raise self._lost(job.program, "the verifier answered for another program")
        try:
            outcome = answer if isinstance(answer, wire.Failure | Refutation) else accepted(job, answer)
        except ValueError as fault:
            raise self._lost(job.program, f"the verifier's answer makes no sense: {fault}") from fault
        self._last_job = time.monotonic()
        self._watch_idleness(self._idle_seconds)
        return outcome

    def _running(self, program: str) -> Process:
        """Return a living process, started if need be. With the lock."""
        if self._closed:
            raise VerifierUnavailable(program, "the verifier was closed")
        if self._process is not None and self._process.gone:
            self._broken += 1
            self._end()
        if self._process is None:
            try:
                self._process = Process(self._memory_mb, self._grace_seconds)
            except OSError as error:
                raise VerifierUnavailable(program, f"the verifier process cannot be started: {error}") from error
            self._started += 1
            self._last_job = time.monotonic()
            if self._on_start is not None:
                self._on_start(self._process.pid)
            self._watch_idleness(self._idle_seconds)
        return self._process

    def _lost(self, program: str, cause: str) -> VerifierUnavailable:
        """End a process that is of no use any more; returns what to raise. With the lock."""
        self._broken += 1
        if self._process is not None:
            self._process.kill()
        self._end()
        return VerifierUnavailable(program, cause)

    def _end(self) -> None:
        """With the lock."""
        process = self._process
        if process is not None:
            process.end()
            self._process = None
            if self._on_end is not None:
                self._on_end(process.pid)
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()

    def _watch_idleness(self, seconds: float | None) -> None:
        """Have somebody look again in `seconds`, unless somebody does already. With the lock."""
        if seconds is not None and self._idle is None:
            self._idle = threading.Timer(seconds, self._end_if_idle)
            self._idle.daemon = True
            self._idle.start()

    def _end_if_idle(self) -> None:
        with self._lock:
            if self._idle is not threading.current_thread():
                return                   # another one was started since
            self._idle = None
            if self._process is None or self._idle_seconds is None:
                return
            left = self._last_job + self._idle_seconds - time.monotonic()
            if left <= 0:
                self._end()
            else:
                self._watch_idleness(left)
