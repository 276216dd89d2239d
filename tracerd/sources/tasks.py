"""Which threads this machine has, for the core's task table: all of them at the start, some again every second.

The core follows names, forks and exits by perf records; it is told the rest from here. Users change without a record
(setuid(2)), so the sweep reads a few threads again each second; where task records were lost, their names too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from tracerd.native import ffi, lib

SWEEP_SECONDS = 1.0
SWEEP_THREADS = 64               # 10 µs each: under 0.1 % of a CPU


def process_ids() -> Iterator[int]:
    """Yield the id of every process that /proc shows."""
    with os.scandir("/proc") as entries:
        yield from [int(entry.name) for entry in entries if entry.name.isdecimal()]


def thread_ids() -> Iterator[int]:
    """Yield the id of every thread that /proc shows. Those that end meanwhile are left out."""
    for process in process_ids():
        try:
            threads = [int(thread) for thread in os.listdir(f"/proc/{process}/task")]  # noqa: PTH208  twice as fast
        except OSError:
            continue                 # ended meanwhile, or hidden (hidepid): the core knows it from its records
        yield from threads


def seed(perf: Any) -> int:
    """Tell the core of every thread there is; returns their number. `perf` is the native source."""
    return sum(lib.tr_perf_refresh(perf, tid, 1) for tid in thread_ids())


class Sweep:
    """Reads some threads again whenever a second has passed. Belongs to the pumping thread."""

    def __init__(self) -> None:
        self._todo: list[int] = []
        self._next = time.monotonic() + SWEEP_SECONDS
        self._lost = 0               # task records the kernel had no room for, up to the last round
        self._names = False          # this round reads names too
        self._events = 0             # since the last threads were read

    def step(self, perf: Any, events: int) -> None:
        """Read the next threads if it is time, and if there were events: nobody asks who a thread is without one."""
        self._events += events
        now = time.monotonic()
        if now < self._next or not self._events:
            return
        self._next = now + SWEEP_SECONDS
        self._events = 0
        if not self._todo:
            self._begin_round(perf)
        for tid in self._todo[-SWEEP_THREADS:]:
            lib.tr_perf_refresh(perf, tid, self._names)
        del self._todo[-SWEEP_THREADS:]

    def _begin_round(self, perf: Any) -> None:
        try:
            self._todo = list(thread_ids())
        except OSError:              # no descriptor is left, say: names may be stale until the next try, in a second
            return
        statistics: Any = ffi.new("struct tr_perf_statistics *")
        lib.tr_perf_statistics(perf, statistics)
        self._names = statistics.task_records_lost != self._lost
        self._lost = statistics.task_records_lost
