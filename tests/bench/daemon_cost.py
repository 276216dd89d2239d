"""What a daemon with ten probes costs: `python -m tests.bench.daemon_cost [SECONDS]`: start, idle CPU, memory, stop.

Idle: the probes' event is a system call that nobody makes, so what is measured is the daemon's own doing. The first
start has empty caches, the others full ones.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from tests.daemon.running import RunningDaemon

STARTS = 5
QUIET = "on_getppid=tracepoint:syscalls:sys_enter_getppid"


def once(daemon: RunningDaemon, idle: float) -> dict[str, float]:
    """Start it, let it idle, stop it."""
    began = time.monotonic()
    daemon.start().close()
    ready = time.monotonic() - began
    process = psutil.Process(daemon.pid)
    time.sleep(2)
    before, at = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(idle)
    spent = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - at)
    memory = process.memory_info().rss
    began = time.monotonic()
    daemon.stop()
    stop = time.monotonic() - began
    return {"start s": ready, "idle CPU %": spent * 100, "RSS MiB": memory / 2**20, "stop s": stop}


def main(idle: float) -> None:
    """Print a row for the first start and the medians of the others."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = RunningDaemon(Path(folder))
        daemon.config.write_text(daemon.config.read_text().replace('"1s"', '"10s"'))
        for number in range(10):
            daemon.probe(f"tally{number}", attach=QUIET)
        rows = [once(daemon, 1.0) for _ in range(STARTS)] + [once(daemon, idle)]
    print("first start:", ", ".join(f"{name} {value:.2f}" for name, value in rows[0].items()))
    warm = rows[1:]
    print("warm starts:", ", ".join(f"{name} {median(row[name] for row in warm):.2f}" for name in rows[0]))
    print(f"over {idle:.0f} s of idling: CPU {rows[-1]['idle CPU %']:.2f} % of one core")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
