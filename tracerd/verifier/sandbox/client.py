"""The parent's side: start the verifier by exec, send jobs, hold it to its budget."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from types import TracebackType
from typing import BinaryIO, cast

import msgspec

from tracerd.errors import VerifierUnavailable
from tracerd.verifier.job import Job, Refutation, Rejection, VerifiedProgram
from tracerd.verifier.sandbox import wire
from tracerd.verifier.verdict import accepted, rejected

GRACE_SECONDS = 3.0
"""How long over its own time budget a proof may take before the process is killed."""


class Verifier:
    """A warm verifier process. Thread-safe; one proof at a time. Starts at once, restarts after a death."""

    def __init__(self, memory_mb: int = 1024, grace_seconds: float = GRACE_SECONDS) -> None:
        self._memory_mb = memory_mb
        self._grace_seconds = grace_seconds
        self._lock = threading.Lock()
        self._overran = False
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The verifier's process id (its events are ours, so sources ignore them)."""
        return self._process.pid

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
        if answer.digest != job.digest():
            raise VerifierUnavailable(job.program, "the verifier answered for another program")
        return accepted(job, answer)

    def close(self) -> None:
        """End the process. May be called twice."""
        _end(self._process)

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-m", "tracerd.verifier.sandbox", str(self._memory_mb)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), close_fds=True
        )

    def _exchange(self, job: Job) -> wire.Answer:
        if self._process.poll() is not None:
            _end(self._process)
            self._process = self._start()
        process = self._process
        self._overran = False
        budget = job.options.seconds + self._grace_seconds
        timer = threading.Timer(budget, self._kill, (process,))
        timer.daemon = True
        timer.start()
        try:
            wire.send(cast(BinaryIO, process.stdin), job)
            answer = wire.receive_answer(cast(BinaryIO, process.stdout))
        except (BrokenPipeError, msgspec.DecodeError) as fault:
            process.kill()
            raise VerifierUnavailable(job.program, f"the verifier process broke off ({fault})") from fault
        finally:
            timer.cancel()
        if answer is None:
            raise VerifierUnavailable(job.program, self._epitaph(process, budget))
        return answer

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        self._overran = True
        process.kill()

    def _epitaph(self, process: subprocess.Popen[bytes], budget: float) -> str:
        status = process.wait()    # reaped here, so that the next job sees it gone
        if self._overran:
            return f"no verdict within {budget:.1f} s; the verifier process was killed"
        return f"the verifier process ended (exit status {status})"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, which tells a living process to end, and wait for it."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):    # what a dead process did not read is of no use
                stream.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """An empty environment, but for what Windows needs to start any process."""
    import os

    return {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
