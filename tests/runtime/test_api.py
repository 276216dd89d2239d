"""The Python API: declared before the session starts, live until it is closed, nothing lost silently."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracerd
from tests.sources.live import need_live_events
from tracerd.errors import ConfigError, NotSupported, RunError
from tracerd.runtime import rings

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "probes" / "etw_processes" / "demo.etl"
RECORDER = ROOT / "tests" / "runtime" / "objects" / "recorder.bpf.o"
SYSCALLS = ROOT / "probes" / "syscalls" / "syscalls.bpf.o"
ALL = f"etl:{DEMO}"


@pytest.fixture
def session() -> Iterator[tracerd.Session]:
    with tracerd.Session(tracerd.Settings(recording=DEMO)) as opened:
        yield opened


def recorder(session: tracerd.Session | None = None) -> tracerd.Object:
    """Open the recorder, attached to every event of the recording, and load it."""
    obj = tracerd.Object.open(RECORDER)
    obj.programs["on_event"].attach(ALL)
    if session is not None:
        session.load(obj)
    return obj


def delivered(session: tracerd.Session) -> int:
    assert session.wait(30)
    return sum(entry.delivered for entry in session.stop().ledger.values())


def test_importing_tracerd_is_cheap() -> None:
    """No third-party package is loaded before a name is used, and all names are there."""
    code = (
        "import sys, tracerd\n"
        "loaded = {'numpy', 'pydantic', 'cffi', 'llvmlite', 'msgspec', 'tracerd.runtime'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "for name in tracerd.__all__: getattr(tracerd, name)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        getattr(tracerd, "nope")  # noqa: B009


def test_every_record_of_a_recording_arrives_typed(session: tracerd.Session) -> None:
    """One record an event, in the order of the events, as the dictionary that its struct is."""
    obj = recorder(session)
    session.start()
    records = list(obj.maps["events"].records(type="event"))
    assert len(records) == delivered(session) > 100
    times = []
    for record in records:
        assert isinstance(record, dict)
        assert set(record) == {"time_ns", "pid", "id", "kind"}
        assert record["kind"] == "event"
        times.append(record["time_ns"])
    assert times == sorted(times)


def test_without_a_type_records_are_bytes(session: tracerd.Session) -> None:
    """Whole ones: 24 bytes in this struct."""
    obj = recorder(session)
    session.start()
    assert {len(record) for record in obj.maps["events"].records() if isinstance(record, bytes)} == {24}


def test_records_wait_for_a_reader_that_comes_late(session: tracerd.Session) -> None:
    """The first record is not lost, though reading begins after the session has stopped."""
    obj = recorder(session)
    session.start()
    expected = delivered(session)
    assert len(list(obj.maps["events"].records())) == expected
    assert list(obj.maps["events"].records()) == []


def test_what_finds_no_room_is_counted(session: tracerd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that never comes stops the emptying; every record that is then lost is in the ring's own count."""
    monkeypatch.setattr(rings, "QUEUE_BYTES", -1)
    obj = tracerd.Object.open(ROOT / "tests" / "runtime" / "objects" / "noisy.bpf.o")
    obj.programs["on_event"].attach(ALL)
    session.load(obj)
    session.start()
    expected = delivered(session)
    refused = obj.maps["ring"].statistics.refused
    assert refused > 0
    monkeypatch.undo()
    assert len(list(obj.maps["ring"].records())) + refused == expected
    assert session.snapshot().rings["ring"].dropped == refused


def test_maps_are_read_by_their_types(session: tracerd.Session) -> None:
    """Per-CPU numbers are one number, a struct as key is a dictionary, both ways of reading agree."""
    obj = recorder(session)
    session.start()
    events = delivered(session)
    assert list(obj.maps["counts"].items()) == [(0, events), (1, 0)]
    assert obj.maps["counts"].lookup(0) == events
    seen = list(obj.maps["seen"].items())
    assert sum(count for _, count in seen if isinstance(count, int)) == events
    for key, count in seen:
        assert obj.maps["seen"].lookup(key) == count
    assert obj.maps["seen"].lookup({"pid": 1 << 31}) is None
    assert len(obj.maps["seen"].snapshot().keys) == len(seen) == obj.maps["seen"].statistics.count


def test_a_script_writes_maps(session: tracerd.Session) -> None:
    """As in libbpf: update, delete, and the flags."""
    obj = recorder(session)
    session.start()
    delivered(session)
    seen, key = obj.maps["seen"], {"pid": 77, "tid": 78}
    seen.update(key, 5)
    assert seen.lookup(key) == 5
    with pytest.raises(RunError, match="already there"):
        seen.update(key, 6, flags=1)
    assert seen.delete(key)
    assert not seen.delete(key)


def test_a_global_variable_set_before_the_start_is_seen_by_the_first_event(session: tracerd.Session) -> None:
    """A filter: only the wanted process's events become records, and the other variable keeps its value."""
    obj = recorder(session)
    obj.maps[".bss"].update(0, {"wanted_pid": 4})
    session.start()
    pids = {record["pid"] for record in obj.maps["events"].records(type="event") if isinstance(record, dict)}
    assert pids == {4}
    obj.maps[".bss"].update(0, {"wanted_tid": 9})
    assert obj.maps[".bss"].lookup(0) == {"wanted_pid": 4, "wanted_tid": 9}
    with pytest.raises(RunError, match="no plain member 'nope'"):
        obj.maps[".bss"].update(0, {"nope": 1})


def test_a_probe_file_comes_attached_and_with_its_name(session: tracerd.Session) -> None:
    """A shipped probe by name, its links as its probe.toml says; an object beside it in the same session."""
    probe = tracerd.Object.open("etw_processes")
    assert [(link.program, link.source.split(":")[0]) for link in probe.links] == [
        ("on_start", "etw"), ("on_start", "etw"), ("on_stop", "etw"), ("on_classic", "etw-kernel"),
    ]  # fmt: skip
    obj = recorder(session)
    session.load(probe)
    session.start()
    delivered(session)
    totals = probe.maps["totals"].lookup(0)
    assert isinstance(totals, dict)
    assert totals["starts"] > 20
    assert obj.maps["counts"].lookup(0)


def test_a_detached_link_leaves_no_trace(session: tracerd.Session) -> None:
    """Before the session a link is a declaration; without any there is nothing to load."""
    obj = tracerd.Object.open(RECORDER)
    link = obj.programs["on_event"].attach(ALL)
    assert obj.links == (link,)
    link.detach()
    assert obj.links == ()
    assert "detached" in repr(link)
    session.load(obj)
    with pytest.raises(RunError, match="has no attached program"):
        session.start()
    assert session.probes == {}


def test_programs_are_attached_before_or_after_loading_as_in_libbpf(session: tracerd.Session) -> None:
    """Open, load, attach: all of it is a declaration until the start."""
    obj = tracerd.Object.open(RECORDER)
    session.load(obj)
    obj.programs["on_event"].attach(ALL)
    session.start()
    assert obj.maps["counts"].lookup(0) is not None


def test_attaching_without_a_name_goes_where_the_section_says() -> None:
    """libbpf's bpf_program__attach; a section that says nothing is told."""
    obj = tracerd.Object.open(SYSCALLS)
    assert obj.links == ()
    assert obj.programs["on_enter"].attach().source == "tracepoint:raw_syscalls:sys_enter"
    with pytest.raises(ConfigError, match="does not say where to attach"):
        tracerd.Object.open(RECORDER).programs["on_event"].attach()


def test_mistakes_are_one_sentence(session: tracerd.Session) -> None:
    """Each is an error of the one tree, told where it is made."""
    obj = recorder()
    with pytest.raises(ConfigError, match="unknown kind of event"):
        obj.programs["on_event"].attach("sycall:openat:enter")
    with pytest.raises(NotSupported):
        obj.programs["on_event"].attach("kprobe:vfs_read")
    with pytest.raises(RunError, match="only between a session's start and its close"):
        next(obj.maps["counts"].items())
    session.load(obj)
    with pytest.raises(RunError, match="is in a session already"), tracerd.Session() as other:
        other.load(obj)
    with pytest.raises(ConfigError, match="named twice"):
        session.load(recorder())
    session.start()
    with pytest.raises(RunError, match="it is attached before the start"):
        obj.programs["on_event"].attach(ALL)
    with pytest.raises(RunError, match="it is detached before the start"):
        obj.links[0].detach()
    with pytest.raises(RunError, match="is no ring buffer"):
        obj.maps["counts"].records()
    with pytest.raises(RunError, match="is a ring buffer"):
        next(obj.maps["events"].items())
    with pytest.raises(ConfigError, match=r"RECORD_TYPE\(struct nope\)"):
        obj.maps["events"].records(type="struct nope")
    with pytest.raises(RunError, match="has a value for each CPU"):
        obj.maps["counts"].update(0, 1)
    with pytest.raises(RunError, match="is constant"):
        obj.maps[".rodata.records"].update(0, b"")


def test_after_close_maps_say_that_they_are_gone_and_the_object_may_be_used_again() -> None:
    """The second session starts from empty maps."""
    obj = recorder()
    counts = []
    for _ in range(2):
        with tracerd.Session(tracerd.Settings(recording=DEMO)) as session:
            session.load(obj)
            session.start()
            delivered(session)
            counts.append(obj.maps["counts"].lookup(0))
        with pytest.raises(RunError, match="only between"):
            obj.maps["counts"].lookup(0)
    assert counts[0] == counts[1] > 100  # type: ignore[operator]


@pytest.mark.xdist_group("perf")
def test_live_system_calls_are_seen_through_a_map() -> None:
    """Reads of a child are counted under its pid while the session runs, without stopping it."""
    need_live_events()
    obj = tracerd.Object.open(SYSCALLS, name="calls")
    obj.programs["on_enter"].attach("syscall:*:enter")
    with tracerd.Session() as session:
        session.load(obj)
        session.start()
        with subprocess.Popen(["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=5000", "status=none"]) as child:
            assert child.wait() == 0
        final = session.stop()
        calls = [(key, value) for key, value in obj.maps["calls"].items() if isinstance(key, dict)]
    lost = sum(entry.lost for entry in final.ledger.values())
    own = {key["syscall"]: value for key, value in calls if key["pid"] == child.pid}
    assert own[0]["count"] >= 5000 - lost  # type: ignore[index]
    assert os.getpid() not in {key["pid"] for key, _ in calls}


def test_an_iteration_ends_when_nothing_comes_for_its_timeout(
    session: tracerd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live session does not end by itself; the loop does, after the last record."""
    obj = recorder(session)
    session.start()
    assert session.wait(30)
    monkeypatch.setattr(tracerd.Session, "ended", False)
    began = time.monotonic()
    assert len(list(obj.maps["events"].records(timeout=0.3))) > 100
    assert 0.3 <= time.monotonic() - began < 5
