"""Who is behind process ids: looked up when somebody asks, remembered after they have ended."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import psutil

from tracerd.snapshot import Process

LIST_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 30.0
MOST = 65_536

Describe = Callable[[int], tuple[str, str] | None]


class ProcessDirectory:
    """Names and command lines by process id (`tracerd.snapshot.Processes`). Thread-safe.

    A number may be another's later: what is known of it is looked up anew after half a minute.
    """

    def __init__(
        self,
        pids: Callable[[], Iterable[int]] = psutil.pids,
        describe: Describe | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        ours: bool | None = None,
    ) -> None:
        """`ours` says whether the process ids of events are those of this process's view of the machine."""
        self._pids = pids
        self._describe = describe or _describe
        self._clock = clock
        self._ours = _initial_namespace() if ours is None else ours
        self._alive: frozenset[int] = frozenset()
        self._listed = -LIST_SECONDS
        self._known: dict[int, tuple[Process, float]] = {}
        self._looking = threading.Lock()

    def look(self, pids: Iterable[int]) -> Mapping[int, Process]:
        """Return what is known now: one that ended as it was last seen, if ever. What cannot be told is left out."""
        if not self._ours:
            return {}
        with self._looking:
            now = self._clock()
            if now - self._listed >= LIST_SECONDS:
                self._alive, self._listed = frozenset(self._pids()), now
            found = {pid: self._one(pid, now) for pid in pids}
            self._forget()
            return found

    def _one(self, pid: int, now: float) -> Process:
        known, looked = self._known.get(pid, (Process("", "", alive=False), 0.0))
        if pid not in self._alive:
            return replace(known, alive=False)
        if not known.alive or now - looked >= LOOK_AGAIN_SECONDS:
            told = self._describe(pid)
            known = Process(*told, alive=True) if told else replace(known, alive=True)
            self._known[pid] = known, now
        return known

    def _forget(self) -> None:
        """Make room: those first that have ended."""
        if len(self._known) > MOST:
            self._known = {pid: each for pid, each in self._known.items() if pid in self._alive}
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]


def _describe(pid: int) -> tuple[str, str] | None:
    """Return name and command line; None if it is gone or may not be looked at."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return process.name(), " ".join(process.cmdline())
    except (psutil.Error, OSError):
        return None


def _initial_namespace() -> bool:
    """In a container with process ids of its own, events tell others than /proc does."""
    if sys.platform != "linux":
        return True
    from tracerd.linux.perf import initial_pid_namespace

    return initial_pid_namespace()
