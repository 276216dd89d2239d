"""Names of our sessions. Two tracerds must not stop each other's, and what a killed one left must be stopped: a mutex
that Windows takes back when a process dies says which names are in use.
"""

from __future__ import annotations

from typing import Any

from tracerd.errors import SourceError
from tracerd.sources.etw.api import Api
from tracerd.sources.etw.refusals import ALREADY_EXISTS

MOST = 8
"""Tracerds with live sessions at once; Windows has 64 sessions in all."""


def session_name(slot: int, *, kernel: bool = False) -> str:
    """Return "tracerd", "tracerd-2" …, and "tracerd-kernel", "tracerd-kernel-2" …"""
    return "tracerd" + ("-kernel" if kernel else "") + (f"-{slot}" if slot > 1 else "")


class Slots:
    """Which names are ours: the lowest that is free. Those of killed processes are free too."""

    def __init__(self, api: Api) -> None:
        """Claim one.

        Raises:
            SourceError: all are in use.
        """
        self._api = api
        held = [(slot, mutex) for slot in range(1, MOST + 1) if (mutex := self._claim(slot)) is not None]
        if not held:
            raise SourceError("ETW", f"{MOST} tracerds have live sessions already; end one")
        self.slot, self._mutex = held[0]
        self.free = tuple(slot for slot, _ in held[1:])
        """Other names that nobody uses: sessions that have them are left over."""
        for _, mutex in held[1:]:
            api.kernel32.CloseHandle(mutex)

    def release(self) -> None:
        """Give the name back. May be called twice."""
        if self._mutex is not None:
            self._api.kernel32.CloseHandle(self._mutex)
            self._mutex = None

    def _claim(self, slot: int) -> Any:
        """Return a handle of the slot's mutex if no other process has one."""
        kernel32 = self._api.kernel32
        mutex = kernel32.CreateMutexW(None, 0, f"Global\\tracerd-etw-{slot}")
        if mutex and self._api.last_error() == ALREADY_EXISTS:
            kernel32.CloseHandle(mutex)
            return None
        return mutex or None
