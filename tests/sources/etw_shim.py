"""A stand-in for Windows, so that the real pywintrace runs on any system: a copy of ctypes with what Windows' has
(windll, WINFUNCTYPE, `c_ulong` of 32 bits, `c_wchar` of 16) whose calls are `FakeWindows`' methods. It keeps sessions
and what they have enabled, and hands events to the callback by its address, on the thread that is inside ProcessTrace.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from tracerd.sources.etw import api

INVALID = 2**64 - 1
SUCCESS, INVALID_HANDLE, ALREADY_EXISTS, INSTANCE_NOT_FOUND, CLOSE_PENDING = 0, 6, 183, 4201, 7007
QUERY, STOP, UPDATE = 0, 1, 2
Item = Callable[[Callable[[Any], None], int], None]
"""Something to be done on the thread in ProcessTrace, with the callback and the Context."""


class Died(Exception):
    """ProcessTrace returns with an error."""


@dataclass
class FakeSession:
    """A session, as Windows keeps it."""

    name: str
    handle: int
    mode: int
    flags: int
    buffer_kb: int
    least: int
    most: int
    clock: int
    guid: bytes
    enabled: dict[bytes, tuple[int, int, tuple[int, ...]]] = field(default_factory=dict)
    queue: deque[Item] = field(default_factory=deque)
    stopped: bool = False
    lost: tuple[int, int, int] = (0, 0, 0)       # events, real-time buffers, log buffers


@dataclass
class _Consumer:
    session: FakeSession
    callback: Callable[[Any], None]
    context: int
    closed: bool = False
    inside: bool = False


class Call:
    """A function of a DLL: converts its arguments as ctypes would, then asks Windows."""

    def __init__(self, name: str, work: Callable[..., int]) -> None:
        self.name = name
        self.work = work
        self.argtypes: list[Any] | None = None
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> int:
        if self.argtypes is not None:
            assert len(arguments) == len(self.argtypes), f"{self.name} takes {len(self.argtypes)} arguments"
            for kind, argument in zip(self.argtypes, arguments, strict=True):
                kind.from_param(argument)
        return self.work(*arguments)


class FakeWindows:
    """What the calls do. `fails` has error codes by call, which it answers instead. Tests change what they like."""

    def __init__(self) -> None:
        self.sessions: dict[str, FakeSession] = {}
        self.stopped: list[FakeSession] = []
        self.mutexes: set[str] = set()
        self.fails: dict[str, int] = {}
        self.refused_providers: dict[bytes, int] = {}
        self.calls: list[str] = []
        self.error = 0
        self.frequency, self.ticks, self.filetime = 10_000_000, 0, 116_444_736_000_000_000
        self.callbacks: set[int] = set()         # addresses that consumers were opened with
        self.drains = True                       # False: ProcessTrace returns by CloseTrace only
        self.stubborn = threading.Event()        # set: not even by that
        self.providers: bytes = b""              # answers of TDH
        self.manifests: dict[bytes, bytes] = {}
        self.events: dict[tuple[bytes, bytes], bytes] = {}
        self.keywords: dict[bytes, bytes] = {}
        self.maps: dict[str, bytes] = {}
        self._consumers: dict[int, _Consumer] = {}
        self._next = 100
        self._mutexes_by_handle: dict[int, str] = {}
        self._changed = threading.Condition()

    # ---- what tests ask -------------------------------------------------------------------------------------------

    def play(self, session: str, item: Item) -> None:
        """Have it done on the session's thread, after what was asked before."""
        with self._changed:
            self.sessions[session].queue.append(item)
            self._changed.notify_all()

    def played(self, session: str) -> None:
        """Wait until all that was asked has been done."""
        done = threading.Event()
        self.play(session, lambda *_: done.set())
        assert done.wait(60)

    def remove(self, session: str) -> None:
        """Stop a session, as somebody else might."""
        with self._changed:
            gone = self.sessions.pop(session)
            gone.stopped = True
            self.stopped.append(gone)
            self._changed.notify_all()

    def leave_over(self, name: str, **counts: Any) -> None:
        """Have a session that a killed process left."""
        self._next += 1
        self.sessions[name] = FakeSession(name, self._next, 0x100, 0, 64, 4, 8, 1, b"", **counts)

    # ---- advapi32 -------------------------------------------------------------------------------------------------

    def StartTraceW(self, handle: Any, name: str, properties: Any) -> int:  # noqa: N802
        if code := self._fails("StartTraceW"):
            return code
        if name in self.sessions:
            return ALREADY_EXISTS
        raw = properties.contents
        self._next += 1
        handle._obj.value = self._next
        self.sessions[name] = FakeSession(
            name, self._next, raw.LogFileMode, raw.EnableFlags, raw.BufferSize, raw.MinimumBuffers, raw.MaximumBuffers,
            raw.Wnode.ClientContext, bytes(raw.Wnode.Guid),
        )
        return SUCCESS

    def ControlTraceW(self, handle: Any, name: str, properties: Any, code: int) -> int:  # noqa: ARG002, N802
        which = {QUERY: "query", STOP: "stop", UPDATE: "update"}[code]
        if failed := self._fails(f"ControlTraceW {which}"):
            return failed
        session = self.sessions.get(name)
        if session is None:
            return INSTANCE_NOT_FOUND
        raw = properties.contents
        if code == UPDATE:
            session.flags = raw.EnableFlags
        raw.EventsLost, raw.RealTimeBuffersLost, raw.LogBuffersLost = session.lost
        raw.NumberOfBuffers = session.least
        if code == STOP:
            self.remove(name)
        return SUCCESS

    def EnableTraceEx2(  # noqa: N802
        self, handle: Any, guid: Any, code: int, level: int, any_keyword: int, all_keywords: int, timeout: int,
        parameters: Any,
    ) -> int:
        provider = bytes(guid._obj)
        if failed := self._fails("EnableTraceEx2") or self.refused_providers.get(provider, 0):
            return failed
        assert (all_keywords, timeout) == (0, 0)
        session = next(each for each in self.sessions.values() if each.handle == handle.value)
        if code:
            session.enabled[provider] = (level, any_keyword, _ids_of(parameters, session))
        else:
            session.enabled.pop(provider, None)
        return SUCCESS

    def OpenTraceW(self, logfile: Any) -> int:  # noqa: N802
        raw = logfile._obj
        if self._fails("OpenTraceW"):
            return INVALID
        assert raw.ProcessTraceMode == 0x100 | 0x1000 | 0x10000000
        self._next += 1
        callback = ctypes.cast(raw.EventRecordCallback, ctypes.c_void_p).value
        self.callbacks.add(callback or 0)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(callback)
        self._consumers[self._next] = _Consumer(self.sessions[raw.LoggerName], call, raw.Context)
        return self._next

    def ProcessTrace(self, handle: Any, count: int, start: Any, end: Any) -> int:  # noqa: ARG002, N802
        consumer = self._consumers.get(handle._obj.value)
        if consumer is None or consumer.inside:
            return INVALID_HANDLE
        consumer.inside = True
        try:
            for item in self._items(consumer):
                item(consumer.callback, consumer.context)
        except Died:
            return 1234
        finally:
            consumer.inside = False
        return SUCCESS

    def CloseTrace(self, handle: Any) -> int:  # noqa: N802
        if failed := self._fails("CloseTrace"):
            return failed
        consumer = self._consumers.get(handle.value)
        if consumer is None or consumer.closed:
            return INVALID_HANDLE
        with self._changed:
            consumer.closed = True
            self._changed.notify_all()
        return CLOSE_PENDING if consumer.inside else SUCCESS

    def _items(self, consumer: _Consumer) -> Iterator[Item]:
        """Yield what is in the queue, until the session is stopped or the consumer closed, and then what is left."""
        queue = consumer.session.queue
        while True:
            with self._changed:
                self._changed.wait_for(lambda: queue or self._ends(consumer))
                if not queue:
                    return
                item = queue.popleft()
            yield item

    def _ends(self, consumer: _Consumer) -> bool:
        return not self.stubborn.is_set() and (consumer.closed or (self.drains and consumer.session.stopped))

    def give_way(self) -> None:
        """Let every ProcessTrace end after all."""
        with self._changed:
            self.stubborn.clear()
            for consumer in self._consumers.values():
                consumer.closed = True
            self._changed.notify_all()

    def monotonic_ns(self) -> int:
        """Python's clock, here of the same origin as QPC."""
        return self.ticks * 10**9 // self.frequency

    # ---- kernel32 and TDH -----------------------------------------------------------------------------------------

    def CreateMutexW(self, attributes: Any, owned: int, name: str) -> int:  # noqa: ARG002, N802
        self.error = ALREADY_EXISTS if name in self.mutexes else 0
        self._next += 1
        if not self.error:
            self.mutexes.add(name)
            self._mutexes_by_handle[self._next] = name
        return self._next

    def CloseHandle(self, handle: int) -> int:  # noqa: N802
        self.mutexes.discard(self._mutexes_by_handle.pop(handle, ""))
        return 1

    def QueryPerformanceFrequency(self, value: Any) -> int:  # noqa: N802
        value._obj.value = self.frequency
        return 1

    def QueryPerformanceCounter(self, value: Any) -> int:  # noqa: N802
        value._obj.value = self.ticks
        return 1

    def GetSystemTimePreciseAsFileTime(self, value: Any) -> int:  # noqa: N802
        value._obj.value = self.filetime
        return 1

    def TdhEnumerateProviders(self, buffer: Any, size: Any) -> int:  # noqa: N802
        return self._answer(self.providers, buffer, size, 1168)

    def TdhEnumerateManifestProviderEvents(self, guid: Any, buffer: Any, size: Any) -> int:  # noqa: N802
        return self._answer(self.manifests.get(bytes(guid._obj), b""), buffer, size, 4306)

    def TdhGetManifestEventInformation(self, guid: Any, event: Any, buffer: Any, size: Any) -> int:  # noqa: N802
        return self._answer(self.events.get((bytes(guid._obj), event.raw[:16]), b""), buffer, size, 1168)

    def TdhEnumerateProviderFieldInformation(self, guid: Any, kind: int, buffer: Any, size: Any) -> int:  # noqa: N802
        assert kind == 0
        return self._answer(self.keywords.get(bytes(guid._obj), b""), buffer, size, 1168)

    def TdhGetEventMapInformation(self, record: Any, name: str, buffer: Any, size: Any) -> int:  # noqa: N802
        assert bytes(record._obj.EventHeader.ProviderId) in self.manifests
        return self._answer(self.maps.get(name, b""), buffer, size, 1168)

    def _answer(self, data: bytes, buffer: Any, size: Any, none: int) -> int:
        if not data:
            return none
        needed, size._obj.value = size._obj.value < len(data), len(data)
        if needed:
            return 122
        ctypes.memmove(buffer, data, len(data))
        return SUCCESS

    def _fails(self, call: str) -> int:
        self.calls.append(call)
        self.error = self.fails.get(call, 0)
        return self.error


def _ids_of(parameters: Any, session: FakeSession) -> tuple[int, ...]:
    """Return the ids that a filter lets in: {u8 in, u8, u16 count, u16 ids …}."""
    if not parameters:
        return ()
    raw = parameters.contents
    assert (raw.Version, raw.FilterDescCount, bytes(raw.SourceId)) == (2, 1, session.guid)
    descriptor = raw.EnableFilterDesc.contents
    assert descriptor.Type == 0x80000200
    data = ctypes.string_at(descriptor.Ptr, descriptor.Size)
    assert data[0] == 1
    assert descriptor.Size == 4 + 2 * int.from_bytes(data[2:4], "little")
    return tuple(int.from_bytes(data[at : at + 2], "little") for at in range(4, len(data), 2))


class _Dll:
    """A DLL: those of its functions that `FakeWindows` has, and others that nobody may call."""

    def __init__(self, windows: FakeWindows) -> None:
        self._windows = windows

    def __getattr__(self, name: str) -> Call:
        def missing(*arguments: Any) -> int:
            raise AssertionError(f"{name}{arguments} is not to be called")

        call = Call(name, getattr(self._windows, name, missing))
        setattr(self, name, call)
        return call


def _windows_ctypes(windows: FakeWindows) -> tuple[ModuleType, ModuleType]:
    """Return copies of ctypes and ctypes.wintypes as they are on Windows."""
    copy, dll = ModuleType("ctypes"), _Dll(windows)
    copy.__dict__.update(vars(ctypes))

    class Dlls:
        advapi32 = kernel32 = ole32 = Tdh = dll

    copy.__dict__.update(
        windll=Dlls, oledll=Dlls, WINFUNCTYPE=ctypes.CFUNCTYPE, c_ulong=ctypes.c_uint32, c_long=ctypes.c_int32,
        c_wchar=ctypes.c_uint16,
        WinError=_win_error, WinDLL=lambda *_, **__: dll, get_last_error=lambda: windows.error,
        GetLastError=lambda: windows.error,
    )
    spec = importlib.util.find_spec("ctypes.wintypes")
    assert spec is not None
    wintypes = importlib.util.module_from_spec(spec)
    copy.__dict__["wintypes"] = wintypes
    return copy, wintypes


def _win_error(code: int = 0) -> OSError:
    error = OSError(0, f"error {code}")
    error.winerror = code                        # type: ignore[attr-defined]
    return error


@contextmanager
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWindows]:
    """Have the real pywintrace imported over a fake Windows, for as long as that lasts."""
    import builtins

    windows, others = FakeWindows(), set(threading.enumerate())
    fake, wintypes = _windows_ctypes(windows)
    monkeypatch.setattr(builtins, "WindowsError", OSError, raising=False)
    monkeypatch.setattr(api, "on_windows", lambda: True)
    monkeypatch.setattr("tracerd.sources.etw.clock.monotonic_ns", windows.monotonic_ns)
    monkeypatch.setattr("tracerd.sources.choose.on_windows", lambda: True)
    for name in ("windll", "WinDLL", "get_last_error", "GetLastError"):
        monkeypatch.setattr(ctypes, name, vars(fake)[name], raising=False)
    before = {name: module for name, module in sys.modules.items() if name in ("ctypes", "ctypes.wintypes")}
    _forget()
    try:
        sys.modules["ctypes"], sys.modules["ctypes.wintypes"] = fake, wintypes
        loader: Any = vars(wintypes)["__loader__"]
        loader.exec_module(wintypes)
        try:
            api.load()
        finally:
            sys.modules.pop("ctypes.wintypes", None)
            sys.modules.update(before)
        yield windows
    finally:
        windows.give_way()
        _join_readers(others)
        _forget()


def _join_readers(others: set[threading.Thread]) -> None:
    """Wait for pywintrace's threads, which no test may leave to the next: alone they are of its making, no daemons."""
    for thread in set(threading.enumerate()) - others:
        if not thread.daemon:
            thread.join(60)
            assert not thread.is_alive(), thread


def _forget() -> None:
    api._load.cache_clear()
    for name in [name for name in sys.modules if name == "etw" or name.startswith("etw.")]:
        del sys.modules[name]
