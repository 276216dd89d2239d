"""One verifier process, from its start by exec to its end, held to a budget while it works.

Whatever it does (hang, be stopped, not read, answer byte by byte, garbage, nothing), the parent gets its thread back:
a timer kills the process, and a killed process's pipes end.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

import tracerd
from tracerd.verifier.code import proving_code
from tracerd.verifier.job import Job
from tracerd.verifier.sandbox import wire
from tracerd.verifier.sandbox.wire import Wall

ROOT = Path(tracerd.__file__).parents[1]

BOOT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import tracerd
del sys.path[0]
from tracerd.verifier.sandbox.__main__ import main
main()
"""
"""An isolated interpreter finds what is installed; the child must prove with this package, wherever it is."""

START_SECONDS = 20.0
"""How long a process may take until its walls are up (80 ms on an idle machine)."""

END_SECONDS = 1.0
"""How long a process may take to end once its pipes are closed, and to die once it is killed."""


MOST_COMPLAINTS, MOST_TOLD = 64 << 10, 300
"""Bytes read of what a process says that does not get ready (a pipe has no more), and letters told of it."""


class Broken(Exception):
    """The process is of no use any more; the text says why."""


class Process:
    """A process that proves one job after the other. One thread at a time; only `kill` may come from any other."""

    def __init__(self, memory_mb: int, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._walls: tuple[Wall, ...] | None = None
        self._overran = threading.Event()
        self._code = proving_code()          # read once, at the first process
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT, str(ROOT), str(memory_mb), str(grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,          # until its walls are up, which silence it
            env=_environment(),
            close_fds=True,
        )
        self._jobs, self._answers = cast(BinaryIO, self._popen.stdin), cast(BinaryIO, self._popen.stdout)
        self._complaints = cast(BinaryIO, self._popen.stderr)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def gone(self) -> bool:
        """True once it has ended, or been told to."""
        return self._overran.is_set() or self._popen.poll() is not None

    def walls(self) -> tuple[Wall, ...]:
        """Return what it says is in force around it; waits until it is ready.

        Raises:
            Broken: it did not get that far.
        """
        if self._walls is None:
            with self._within(START_SECONDS, "was not ready"):
                hello = wire.receive_hello(self._answers)
            if hello is None:
                raise Broken(self._stillborn())
            if hello.place != str(ROOT):
                raise Broken(f"its process found another tracerd, in {hello.place}; {_who_must_read()}")
            if hello.code != self._code:
                # Ours is in memory, its on disk: it may know helpers or contexts that our engines do not.
                # Without an upgrade: it may not read our interpreter's folder, and the loader found another library.
                raise Broken("its process is of another version of tracerd or Python; restart tracerd after upgrades; "
                             f"if nothing was upgraded, {_who_must_read()}")  # fmt: skip
            self._walls = hello.walls
        return self._walls

    def ask(self, job: Job) -> wire.Answer:
        """Have a job proved.

        Raises:
            Broken: it gave no answer within the job's time and the grace, or one that is not an answer.
        """
        self.walls()
        most = wire.MAX_EXPLAINED if job.options.explain else wire.most_of_answer(job)
        with self._within(job.options.seconds + self._grace_seconds, "gave no verdict"):
            wire.send(self._jobs, job)
            answer = wire.receive_answer(self._answers, most)
        if answer is None:
            raise Broken(self._epitaph())
        return answer

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Not permitted: it was started before this process gave root up. Its own alarm ends it.
            self._popen.kill()

    def end(self) -> None:
        """Close the pipes, which tells a living process to end, and see to it that it does. May be called twice."""
        if self._overran.is_set():
            self.kill()
        for stream in (self._jobs, self._answers, self._complaints):
            with contextlib.suppress(OSError):    # what a dead process did not read is of no use
                stream.close()
        if not self._ended():
            self.kill()
            self._ended()

    def _ended(self) -> bool:
        try:
            self._popen.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    @contextlib.contextmanager
    def _within(self, seconds: float, otherwise: str) -> Iterator[None]:
        """Kill the process if the body takes longer."""
        timer = threading.Timer(seconds, self._overrun)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, ValueError, RecursionError, MemoryError, msgspec.MsgspecError) as fault:
            if not self._overran.is_set():
                self.kill()
                raise Broken(f"the verifier process broke off ({fault})") from fault
        finally:
            timer.cancel()
            timer.join()     # from here on it kills nobody
            if self._overran.is_set():
                raise Broken(f"the verifier process {otherwise} within {seconds:.1f} s and was killed")

    def _overrun(self) -> None:
        self._overran.set()
        self.kill()

    def _stillborn(self) -> str:
        """Say why it ended before its walls were up, in the last words of what it said itself."""
        told = self._epitaph()
        if not self.gone:
            return told
        lines = self._complaints.read(MOST_COMPLAINTS).decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line[:1].strip()), "")   # what is indented is a place
        said = "".join(letter for letter in last[:MOST_TOLD] if letter.isprintable())
        return f"{told}: {said}; {_who_must_read()}" if said else told

    def _epitaph(self) -> str:
        if not self._ended():
            return "the verifier process closed its pipe"
        return f"the verifier process ended ({_how(self._popen.returncode)})"


def _how(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _who_must_read() -> str:
    """Say what the process needs: it is started without the capabilities by which this one may read everything."""
    user = f"user {os.geteuid()}" if hasattr(os, "geteuid") else "this user"
    return f"{user} must be able to read {ROOT} and {sys.base_prefix} without any capability"


def _environment() -> dict[str, str]:
    """An empty environment, but for what Windows needs to start any process."""
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
