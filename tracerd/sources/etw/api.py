"""The door to pywintrace (`import etw`): opened once, on Windows only, and what its import does to others is undone."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from tracerd.errors import NotSupported

NEEDS_WINDOWS = "live ETW sessions need Windows; replay a recording with: tracerd replay FILE.etl PROBE"


@dataclass(frozen=True, slots=True)
class Api:
    """pywintrace's modules, and kernel32. Structs, constants and calls are theirs."""

    etw: Any                     # ETW, TraceProperties
    evntrace: Any                # StartTraceW, ControlTraceW, EnableTraceEx2, OpenTraceW …
    evntcons: Any
    evntprov: Any
    tdh: Any
    guid: Any                    # the struct GUID
    tdh_dll: Any                 # calls of Tdh.dll that pywintrace does not have
    kernel32: Any                # with `last_error`
    last_error: Callable[[], int]            # of a call through `kernel32`
    system_error: Callable[[], int]          # of the thread's last call of pywintrace's


def on_windows() -> bool:
    """Return whether this is Windows: asked here and nowhere else in this room."""
    return sys.platform == "win32"


def load() -> Api:
    """Return pywintrace.

    Raises:
        NotSupported: this is not Windows, or the package is not there.
    """
    if not on_windows():
        raise NotSupported("ETW", NEEDS_WINDOWS)
    try:
        return _load()
    except ImportError as error:
        raise NotSupported("ETW", f"pywintrace is not installed ({error}): pip install pywintrace") from error


@cache
def _load() -> Api:
    with _logging_untouched():
        from etw import etw, evntcons, evntprov, evntrace, tdh
        from etw.GUID import GUID
    windows: Any = vars(ctypes)              # what of ctypes there is on Windows only
    kernel32 = windows["WinDLL"]("kernel32", use_last_error=True)
    kernel32.CreateMutexW.restype = ctypes.c_void_p
    kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
    return Api(
        etw, evntrace, evntcons, evntprov, tdh, GUID, windows["windll"].Tdh, kernel32, windows["get_last_error"],
        windows["GetLastError"],
    )


@contextmanager
def _logging_untouched() -> Iterator[None]:
    """pywintrace calls logging.basicConfig as it is imported: then everybody's warnings go to the terminal."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        for handler in [each for each in root.handlers if each not in handlers]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
