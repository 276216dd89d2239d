"""Who is behind process ids: looked up when somebody asks, remembered after they have ended."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from tracerd.snapshot import Process

LIST_SECONDS = 0.5
LONGEST_LINE = 4096
"""Letters of a command line that are kept: they are other users' and as long as those like."""
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
        is_thread: Callable[[int], bool] = lambda pid: Path(f"/proc/{pid}").exists(),
        *,
        ours: bool | None = None,
    ) -> None:
        """`is_thread` finds threads, which are in no list of processes. `ours` says whether the process ids of events
        are those that this process sees.
        """
        self._pids = pids
        self._describe = describe or _describe
        self._clock = clock
        self._ours = _initial_namespace() if ours is None else ours
        self._alive: frozenset[int] = frozenset()
        self._listed = -LIST_SECONDS
        self._is_thread = is_thread
        self._known: dict[int, tuple[Process, float]] = {}
        self._looking = threading.Lock()

    def look(self, pids: Iterable[int]) -> Mapping[int, Process]:
        """Return what is known now: one that ended as it was last seen, if ever. What cannot be told is left out."""
        if not self._ours:
            return {}
        with self._looking:
            now = self._clock()
            if now - self._listed >= LIST_SECONDS:
                alive = self._list()
                if alive is None:
                    return {}
                self._alive, self._listed = alive, now
            found = {pid: self._one(pid, now) for pid in pids}
            self._forget()
            return found

    def _list(self) -> frozenset[int] | None:
        """Return who is alive, None if that cannot be told. 0 is the kernel's idle thread: no process, without end."""
        try:
            return frozenset((0, *self._pids()))
        except (psutil.Error, OSError):
            return None

    def _one(self, pid: int, now: float) -> Process:
        known, looked = self._known.get(pid, (Process("", "", alive=False), 0.0))
        if pid not in self._alive and not self._is_thread(pid):
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
            return process.name(), " ".join(process.cmdline())[:LONGEST_LINE]
    except (psutil.Error, OSError):
        return None


def _initial_namespace() -> bool:
    """In a container with process ids of its own, events tell others than /proc does."""
    if sys.platform != "linux":
        return True
    from tracerd.linux.perf import initial_pid_namespace

    return initial_pid_namespace()
