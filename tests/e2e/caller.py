"""A process that makes as many calls of getppid as it is told to, at a steady rate: what the probe `calls` counts."""

from __future__ import annotations

import subprocess
import sys

CALLS_PER_SECOND = 20_000

CODE = """
import sys, time
from tracerd.native import lib
rate, turn = int(sys.argv[1]), 0.01
for line in sys.stdin:
    left, due = int(line), time.monotonic()
    while left:
        now = min(left, int(rate * turn))
        lib.tr_linux_hammer(now, 0)
        left -= now
        due = max(due + turn, time.monotonic() - 1)
        time.sleep(max(due - time.monotonic(), 0))
    print("done", flush=True)
"""


class Caller:
    """It stands still until it is told, and has ended after the `with` block."""

    def __init__(self) -> None:
        arguments = [sys.executable, "-c", CODE, str(CALLS_PER_SECOND)]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, calls: int) -> None:
        """Let it make so many calls, and do not wait for them."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()

    def finish(self) -> None:
        """Wait until it has made them."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n", "the caller has ended"

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
