"""Real sessions: events come, leftovers go, losses are counted. Not run on Windows yet."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.etl_support import Recorder
from tests.windows import need_administrator, needs_windows
from tracerd.linux.cpus import cpu_slots
from tracerd.sources.base import LinkRequest
from tracerd.sources.etw.api import load
from tracerd.sources.etw.buffers import Buffers
from tracerd.sources.etw.source import EtwOptions, EtwSource
from tracerd.sources.trec.source import TrecSource

pytestmark = [
    needs_windows,
    pytest.mark.xdist_group("etw"),          # one machine, one set of session names
    pytest.mark.filterwarnings("ignore:isSet:DeprecationWarning"),
]

START = "etw:Microsoft-Windows-Kernel-Process:ProcessStart"
SECONDS = 60


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    need_administrator()
    made = Recorder()
    yield made
    made.free()


def open_source(recorder: Recorder, *names: str, options: EtwOptions | None = None) -> EtwSource:
    source = EtwSource(options or EtwOptions(), cpu_slots())
    source.open([LinkRequest(name, recorder.program, 96) for name in names])
    return source


def pump_until(source: EtwSource, done: Callable[[], bool]) -> None:
    """Pump until it is so; events come within the flush time of a second."""
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, "the events did not come"
        source.pump(50)


def child() -> int:
    """Start a process and return its id when it has ended."""
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        return process.pid


def sessions() -> str:
    return subprocess.run(["logman", "query", "-ets"], capture_output=True, text=True, check=True).stdout


def test_the_start_of_a_process_is_seen(recorder: Recorder) -> None:
    """The payload of ProcessStart begins with the new process' id; the event is the parent's."""
    source = open_source(recorder, START, options=EtwOptions(include_self=True))
    try:
        pid = child()
        pump_until(source, lambda: any(seen.payload[:4] == pid.to_bytes(4, "little") for seen in recorder.seen))
        source.stop()
        (seen,) = [seen for seen in recorder.seen if seen.payload[:4] == pid.to_bytes(4, "little")]
        assert (seen.pid, seen.number) == (os.getpid(), 1)
        assert abs(seen.time_ns - time.time_ns()) < SECONDS * 10**9
        assert all(row.missing == 0 for row in source.statistics().values())
    finally:
        source.close()
    assert "tracerd" not in sessions()


def test_a_kernel_group_comes_by_its_class(recorder: Recorder) -> None:
    """Of a system logger session of our own, beside the machine's."""
    source = open_source(recorder, "etw-kernel:Process:Start", options=EtwOptions(include_self=True))
    try:
        assert "tracerd-kernel" in sessions()
        child()
        pump_until(source, lambda: bool(recorder.seen))
        assert {seen.hook for seen in recorder.seen} == {0x301}
    finally:
        source.close()


def test_our_own_events_are_filtered(recorder: Recorder) -> None:
    source = open_source(recorder, START)
    try:
        child()
        pump_until(source, lambda: source.statistics()[START].filtered > 0)
    finally:
        source.close()


def test_what_a_killed_process_left_is_stopped(recorder: Recorder) -> None:
    code = (
        "import sys; from tests.windows.test_live_session import START, Recorder, open_source\n"
        "open_source(Recorder(), START); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline().strip() == b"open"
        killed.kill()
    assert "tracerd" in sessions()
    open_source(recorder, START).close()
    assert "tracerd" not in sessions()


def test_provoked_losses_are_in_the_ledger(recorder: Recorder, tmp_path: Path) -> None:
    """The smallest buffers there are, and a provider that fills them: Windows counts what it drops."""
    options = EtwOptions(buffers=Buffers(4, 2, 2), include_self=True)
    source = open_source(recorder, "etw:Microsoft-Windows-Kernel-File", options=options)
    try:
        deadline = time.monotonic() + SECONDS
        lost = 0
        while not lost and time.monotonic() < deadline:
            for number in range(2000):
                (tmp_path / f"{number % 50}").write_bytes(b"x")
            source.pump(0)
            row = source.statistics()["etw-session:tracerd"]
            lost = row.lost_in_session + row.dropped_in_ring
        assert lost > 0
        source.stop()
        assert all(row.missing == 0 for row in source.statistics().values())
    finally:
        source.close()


def test_links_change_while_events_flow(recorder: Recorder) -> None:
    source = open_source(recorder, START, options=EtwOptions(include_self=True))
    try:
        for names in ((START, "etw-kernel:Image"), (START,)):
            change = source.relink([LinkRequest(name, recorder.program, 96) for name in names], lambda work: work())
            change.make(lambda work: work())
            change.finish(lambda work: work())
        assert "tracerd-kernel" not in sessions()
        child()
        pump_until(source, lambda: bool(recorder.seen))
    finally:
        source.close()


def test_a_profile_is_recorded(tmp_path: Path) -> None:
    """From the command line, as a user does."""
    need_administrator()
    path = tmp_path / "live.trec"
    command = [sys.executable, "-m", "tracerd.cli", "record", "etw", "--profile", "process", "--self", "-o", str(path)]
    with subprocess.Popen([*command, "--for", "5s"]) as recording:
        while recording.poll() is None:
            child()
    assert recording.returncode == 0
    source = TrecSource(path)
    assert source.reader.meta.machine.os == "win32"
    source.close()


def test_structs_have_the_sizes_of_the_core() -> None:
    """pywintrace's, under the real ctypes: native/src/etw_record.h asserts its own."""
    api = load()
    sizes = {"EVENT_RECORD": 112, "EVENT_HEADER": 80, "ETW_BUFFER_CONTEXT": 4, "EVENT_HEADER_EXTENDED_DATA_ITEM": 16}
    assert {name: ctypes.sizeof(getattr(api.evntcons, name)) for name in sizes} == sizes
