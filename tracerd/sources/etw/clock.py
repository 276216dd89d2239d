"""The clock of live events: QPC ticks, and what they are on the clocks that programs see. All live sources have
Python's monotonic clock, which on Windows is QPC from Python 3.13 on and the system's tick count before.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from time import monotonic_ns

from tracerd.sources.etw.api import Api

CLOCK_QPC = 1


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on three clocks: `ticks` of which there are `frequency` a second, a FILETIME, and monotonic ns."""

    frequency: int
    ticks: int
    filetime: int
    monotonic_ns: int


def read(api: Api) -> Anchor:
    """Read all clocks, one right after the other: within a microsecond or two, but for a tick count, which is up to 16
    ms old.
    """
    frequency, ticks, filetime = ctypes.c_longlong(), ctypes.c_longlong(), ctypes.c_ulonglong()
    api.kernel32.QueryPerformanceFrequency(ctypes.byref(frequency))
    api.kernel32.QueryPerformanceCounter(ctypes.byref(ticks))
    api.kernel32.GetSystemTimePreciseAsFileTime(ctypes.byref(filetime))
    return Anchor(frequency.value, ticks.value, filetime.value, monotonic_ns())
