"""What a live session does with everything that Windows may answer: one sentence, and nothing left behind."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from tests.sources.etl_support import Recorder
from tests.sources.etw_shim import Died, FakeWindows, installed
from tracerd.cli.exits import FAILED, NOT_PERMITTED, NOT_SUPPORTED, exit_code
from tracerd.errors import NotPermitted, NotSupported, SourceError, TracerdError
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.choose import LiveOptions, choose_sources
from tracerd.sources.etw import api, session, source
from tracerd.sources.etw.source import EtwOptions, EtwSource

pytestmark = pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning")       # pywintrace's thread calls it

PROCESS, DNS = "etw:Microsoft-Windows-Kernel-Process:ProcessStart", "etw:Microsoft-Windows-DNS-Client"
KERNEL = "etw-kernel:Process"
DNS_GUID = UUID("1c95126e-7eea-49a9-a3fe-a378b03ddb4d").bytes_le
SESSION, KERNEL_SESSION = "etw-session:tracerd", "etw-session:tracerd-kernel"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWindows]:
    with installed(monkeypatch) as fake:
        yield fake


@pytest.fixture
def opened(windows: FakeWindows) -> Iterator[Callable[..., EtwSource]]:  # noqa: ARG001  it must be there
    """Open a source with links to these names."""
    sources: list[EtwSource] = []
    recorders: list[Recorder] = []

    def open_source(*names: str) -> EtwSource:
        recorders.append(Recorder())
        sources.append(EtwSource(EtwOptions(), 4))
        sources[-1].open([LinkRequest(name, recorders[-1].program, 96) for name in names])
        return sources[-1]

    yield open_source
    for each in sources:
        each.close()
    for recorder in recorders:
        recorder.free()


def dies(*_: object) -> None:
    raise Died


def refused(opened: Callable[..., EtwSource], windows: FakeWindows, *names: str) -> TracerdError:
    """Return why a source cannot be opened; nothing of it is left."""
    threads = threading.active_count()
    with pytest.raises(TracerdError) as caught:
        opened(*names)
    assert not windows.sessions
    assert not windows.mutexes
    assert threading.active_count() == threads
    return caught.value


def test_a_session_that_cannot_be_read_is_refused(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    """pywintrace does not notice that OpenTrace failed: its thread ends and start() has succeeded."""
    windows.fails["OpenTraceW"] = 1168
    error = refused(opened, windows, PROCESS)
    assert "ETW session 'tracerd': reading it" in str(error)
    assert "OpenTrace: error 1168" in str(error)


@pytest.mark.parametrize("code", [5, 1314])
def test_a_user_without_the_right_is_told_the_group(
    windows: FakeWindows, opened: Callable[..., EtwSource], code: int
) -> None:
    windows.fails["StartTraceW"] = code
    error = refused(opened, windows, PROCESS)
    assert isinstance(error, NotPermitted)
    assert "Performance Log Users" in str(error)
    assert "administrator" in str(error)
    assert exit_code(error) == NOT_PERMITTED


def test_a_full_machine_is_told_how_to_see_its_sessions(
    windows: FakeWindows, opened: Callable[..., EtwSource]
) -> None:
    windows.fails["StartTraceW"] = 1450
    error = refused(opened, windows, PROCESS)
    assert "no room for another session" in str(error)
    assert "logman query -ets" in str(error)
    assert exit_code(error) == FAILED


def test_a_session_that_a_killed_process_left_is_stopped_first(
    windows: FakeWindows, opened: Callable[..., EtwSource]
) -> None:
    """Windows keeps sessions of processes that are gone; ours are known by name."""
    windows.leave_over("tracerd")
    opened(PROCESS)
    assert [each.buffer_kb for each in windows.stopped] == [64]
    assert windows.sessions["tracerd"].buffer_kb == 256


def test_sessions_of_every_killed_tracerd_are_stopped_and_those_of_living_ones_are_not(
    windows: FakeWindows, opened: Callable[..., EtwSource]
) -> None:
    """Who lives holds a mutex."""
    for name in ("tracerd", "tracerd-kernel-2", "tracerd-3", "somebody-elses"):
        windows.leave_over(name)
    windows.mutexes.add("Global\\tracerd-etw-1")
    opened(KERNEL)
    assert set(windows.sessions) == {"tracerd", "somebody-elses", "tracerd-kernel-2"}
    assert {each.name for each in windows.stopped} == {"tracerd-kernel-2", "tracerd-3"}
    assert windows.sessions["tracerd-kernel-2"].flags == 1


def test_a_left_over_session_that_cannot_be_stopped_is_told(
    windows: FakeWindows, opened: Callable[..., EtwSource]
) -> None:
    """And so is one that is there again: somebody else has taken its name."""
    windows.fails["ControlTraceW stop"] = 5
    assert isinstance(refused(opened, windows, PROCESS), NotPermitted)
    windows.fails = {"StartTraceW": 183}
    assert "logman stop tracerd -ets" in str(refused(opened, windows, PROCESS))


def test_one_provider_that_is_refused_is_named(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    windows.refused_providers[DNS_GUID] = 87
    error = refused(opened, windows, PROCESS, DNS)
    assert "ETW provider Microsoft-Windows-DNS-Client" in str(error)
    assert "EnableTraceEx2: error 87" in str(error)


def test_a_thread_that_dies_is_noticed(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    """pywintrace would go on as if events still came."""
    live = opened(PROCESS)
    live.pump(0)
    windows.play("tracerd", dies)
    with pytest.raises(SourceError, match="ProcessTrace ended before its time"):
        _pump_until_raised(live)
    live.stop()
    assert live.statistics()[PROCESS].missing == 0
    assert not windows.sessions


def test_a_session_that_somebody_stops_is_noticed(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    live = opened(PROCESS)
    windows.remove("tracerd")
    with pytest.raises(SourceError, match="somebody stopped it"):
        _pump_until_raised(live)
    live.stop()


def _pump_until_raised(live: EtwSource) -> None:
    for _ in range(1000):
        live._poll_due = 0
        live.pump(10)


def test_lost_events_and_buffers_are_in_the_ledger(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    """Lost events are counted by Windows; of lost buffers nobody knows the events, so each is one drop, and told."""
    live = opened(PROCESS, KERNEL)
    windows.sessions["tracerd"].lost = (7, 0, 0)
    windows.sessions["tracerd-kernel"].lost = (1, 2, 3)
    live.pump(0)
    rows = live.statistics()
    assert (rows[SESSION].lost_in_session, rows[SESSION].via) == (7, "")
    assert (rows[KERNEL_SESSION].lost_in_session, rows[KERNEL_SESSION].dropped_in_ring) == (1, 5)
    assert "2 that could not be handed over in time, 3 that could not be written" in rows[KERNEL_SESSION].via
    windows.sessions["tracerd"].lost = (9, 0, 0)
    live.stop()
    rows = live.statistics()
    assert rows[SESSION].lost_in_session == 9
    assert [row.missing for row in rows.values()] == [0] * len(rows)


def test_losses_that_windows_does_not_tell_are_told_to_be_unknown(
    windows: FakeWindows, opened: Callable[..., EtwSource]
) -> None:
    """pywintrace takes whatever is in the buffer for an answer."""
    live = opened(PROCESS)
    windows.fails["ControlTraceW query"] = 31
    live.pump(0)
    assert "what it lost is not known (ControlTrace: error 31)" in live.statistics()[SESSION].via


def test_stopping_and_closing_twice_is_once(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    live = opened(PROCESS)
    live.stop()
    live.stop()
    assert windows.calls.count("CloseTrace") == 1
    live.close()
    live.close()
    assert not windows.mutexes


def test_starting_twice_is_once(windows: FakeWindows) -> None:
    reader = session.Reader(int(ffi.cast("uintptr_t", lib.tr_etw_live_callback())), 0)
    once = session.Session(api.load(), "tracerd", session.Buffers(64, 4, 8), reader)
    once.start()
    once.start()
    once.stop()
    assert (windows.calls.count("StartTraceW"), once.running, once.reading) == (1, False, False)
    once.start()
    assert once.reading
    once.stop()


def test_closing_while_buffers_are_delivered_is_no_error(
    windows: FakeWindows, opened: Callable[..., EtwSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloseTrace says ERROR_CTX_CLOSE_PENDING then, which means success."""
    monkeypatch.setattr(session, "DRAIN_SECONDS", 0.05)
    live = opened(PROCESS)
    windows.drains = False
    live.stop()


def test_a_close_that_fails_is_told(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    live = opened(PROCESS)
    windows.fails["CloseTrace"] = 6
    with pytest.raises(SourceError, match=r"closing it.*CloseTrace: error 6"):
        live.stop()


def test_what_a_thread_that_does_not_end_may_use_is_never_freed(
    windows: FakeWindows, opened: Callable[..., EtwSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pywintrace would wait for it for ever."""
    monkeypatch.setattr(session, "DRAIN_SECONDS", 0.05)
    kept: list[object] = []
    monkeypatch.setattr(source, "_KEPT", kept)
    live = opened(PROCESS)
    windows.stubborn.set()
    with pytest.raises(SourceError, match="its thread does not end"):
        live.stop()
    live.close()
    assert len(kept) == 1


def test_sessions_are_stopped_though_one_cannot_be(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    live = opened(PROCESS, KERNEL)
    windows.fails["CloseTrace"] = 6
    with pytest.raises(SourceError, match="'tracerd'"):
        live.stop()
    assert not windows.sessions


def test_events_go_to_the_native_callback(windows: FakeWindows, opened: Callable[..., EtwSource]) -> None:
    """A closure of ctypes needs memory that is writable and executable, which ACG forbids."""
    opened(PROCESS, KERNEL)
    assert windows.callbacks == {int(ffi.cast("uintptr_t", lib.tr_etw_live_callback()))}


def test_importing_pywintrace_leaves_logging_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls logging.basicConfig, which would send everybody's warnings to the terminal."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    with installed(monkeypatch):
        assert "etw.common" in sys.modules
        assert (root.handlers, root.level) == ([], level)


def test_a_system_that_is_not_windows_is_told_what_works_there() -> None:
    for attempt in (api.load, lambda: choose_sources([PROCESS], None, LiveOptions())):
        with pytest.raises(NotSupported, match="live ETW sessions need Windows; replay a recording with") as caught:
            attempt()
        assert exit_code(caught.value) == NOT_SUPPORTED


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "on_windows", lambda: True)
    monkeypatch.setitem(sys.modules, "etw", None)
    with pytest.raises(NotSupported, match="pip install pywintrace"):
        api.load()


def test_more_tracerds_than_there_are_names_are_refused(
    windows: FakeWindows, opened: Callable[..., EtwSource]
) -> None:
    windows.mutexes |= {f"Global\\tracerd-etw-{slot}" for slot in range(1, 9)}
    with pytest.raises(SourceError, match="8 tracerds have live sessions already"):
        opened(PROCESS)
