"""How long one waits for the dashboard: `python -m tests.bench.first_paint [TIMES]`.

From the start of the process until the first picture has been written to its terminal, and until it has numbers of a
daemon in it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from statistics import median

from tests.daemon.running import RunningDaemon, daemon

PICTURE, NUMBERS = b"Overview", b"delivered"
SIZE = struct.pack("HHHH", 40, 120, 0, 0)
ENVIRONMENT = {"TERM": "xterm-256color", "XDG_STATE_HOME": "/nonexistent"}
"""Nothing is remembered: it begins with the first screen."""

SECONDS = 20.0


def once(socket: Path) -> tuple[float, float]:
    """Return seconds to the first picture, and to the first numbers."""
    began = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        command = [sys.executable, "-m", "tracerd.cli", "--socket", str(socket), "top"]
        os.execve(sys.executable, command, {**os.environ, **ENVIRONMENT})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, SIZE)
    try:
        return _wait(terminal, PICTURE) - began, _wait(terminal, NUMBERS) - began
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def _wait(terminal: int, text: bytes) -> float:
    got, end = b"", time.monotonic() + SECONDS
    while text not in got:
        if not select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]:
            raise SystemExit(f"no {text!r} within {SECONDS:g} s; it wrote: {got[-2000:]!r}")
        got += os.read(terminal, 1 << 16)
    return time.monotonic()


def main(times: int) -> None:
    """Print medians."""
    root = Path(tempfile.mkdtemp(prefix="tracerd-first-paint-"))
    with daemon(root, probes='"syscalls"') as made:
        _measure(made, times)


def _measure(made: RunningDaemon, times: int) -> None:
    made.start().close()
    found = [once(made.socket) for _ in range(times)]
    for place, what in enumerate(("first picture", "first numbers")):
        values = [each[place] * 1e3 for each in found]
        print(f"{what}: {median(values):.0f} ms (from {min(values):.0f} to {max(values):.0f}, {times} times)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
