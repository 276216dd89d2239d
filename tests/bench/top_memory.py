"""Whether the dashboard's memory stays flat: `python -m tests.bench.top_memory [MINUTES]`.

It runs in tmux over a real daemon that traces this machine, and goes through its screens all the while; processes that
begin and end beside it fill what is kept of events within the first ten minutes. A row a minute: resident memory of the
dashboard and of the daemon, and the CPU that the dashboard took.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.daemon.running import daemon
from tests.e2e.tmux import Terminal, terminal

PICTURES = ("3", "Enter", "v", "v", "v", "Escape")
KEYS = (("1",), ("2",), ("2", "Enter", "Escape"), ("3",), PICTURES, ("4",), ("5",), ("7",))
"""Screens in turn, ten seconds each."""

TURN_SECONDS = 10.0

CHURN = "while :; do /bin/true; sleep 0.1; done"
"""Four records of `execsnoop` each time: it begins and ends, and so does sleep."""


def main(minutes: float) -> None:
    """Print a row a minute."""
    root = Path(tempfile.mkdtemp(prefix="tracerd-top-memory-"))
    with daemon(root, probes='"syscalls", "host", "execsnoop"') as made:
        made.start().close()
        command = [sys.executable, "-m", "tracerd.cli", "--socket", str(made.socket), "top"]
        with terminal(command, 160, 45, "tracerd-memory") as screen:
            screen.says("● live")
            churn = subprocess.Popen(["/bin/sh", "-c", CHURN])
            try:
                _watch(screen, psutil.Process(made.pid), minutes)
            finally:
                churn.kill()
                churn.wait()


def _watch(screen: Terminal, serving: psutil.Process, minutes: float) -> None:
    (top,) = psutil.Process(screen.pid).children()
    end, due, spent = time.monotonic() + minutes * 60, 0.0, _cpu(top)
    print("minute  dashboard MiB  daemon MiB  dashboard CPU %", flush=True)
    for minute in itertools.count():
        if time.monotonic() >= end:
            return
        due = time.monotonic() + 60
        for keys in itertools.cycle(KEYS):
            if time.monotonic() >= min(due, end):
                break
            if not top.is_running():
                raise SystemExit(f"the dashboard ended:\n{screen.text}")
            screen.press(*keys)
            time.sleep(min(TURN_SECONDS, max(due - time.monotonic(), 0)))
        now = _cpu(top)
        sizes = [each.memory_info().rss / 2**20 for each in (top, serving)]
        print(f"{minute + 1:>6}{sizes[0]:>15.1f}{sizes[1]:>12.1f}{(now - spent) / 60 * 100:>17.1f}", flush=True)
        spent = now


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
