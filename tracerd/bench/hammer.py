"""The child that `tracerd bench events` measures: the cheapest system call, in a loop, on one CPU.

`python -m tracerd.bench.hammer CALLS` prints the nanoseconds that CALLS calls took, after a warm-up.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tracerd.errors import RunError
from tracerd.native import lib

_WARM_UP = 10_000


def hammer(calls: int) -> int:
    """Run the loop in a child process; return the nanoseconds that `calls` system calls took.

    Raises:
        RunError: the child failed.
    """
    command = [sys.executable, "-m", __name__, str(calls)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RunError("syscall hammer", run.stderr.strip().rpartition("\n")[2] or f"exit code {run.returncode}")
    return int(run.stdout)


def main() -> None:
    """Entry point of the child."""
    calls = int(sys.argv[1])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    lib.tr_linux_hammer(_WARM_UP, 0)
    print(lib.tr_linux_hammer(calls, 0))


if __name__ == "__main__":
    main()
