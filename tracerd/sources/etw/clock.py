"""The clock of live events: QPC ticks, and what they are in unix time."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from tracerd.sources.etw.api import Api

CLOCK_QPC = 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on both clocks: `ticks` of which there are `frequency` a second, and a FILETIME."""

    frequency: int
    ticks: int
    filetime: int


def read(api: Api) -> Anchor:
    """Read both clocks, one right after the other: within a microsecond of one another."""
    frequency, ticks, filetime = ctypes.c_longlong(), ctypes.c_longlong(), ctypes.c_ulonglong()
    api.kernel32.QueryPerformanceFrequency(ctypes.byref(frequency))
    api.kernel32.QueryPerformanceCounter(ctypes.byref(ticks))
    api.kernel32.GetSystemTimePreciseAsFileTime(ctypes.byref(filetime))
    return Anchor(frequency.value, ticks.value, filetime.value)
