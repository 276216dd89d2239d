"""The probe `etl_processes`, from its object to its tables, over recordings whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.sources.etl_support import SAMPLES, needs_samples
from tests.sources.test_etl_demo import DEMO
from tracerd.runtime.locate import locate
from tracerd.runtime.session import Session, Settings
from tracerd.sources.demo import RUNNING, STARTED
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.process_events import (
    MEDIUM_LABEL,
    ProcessFacts,
    classic_process,
    file_name,
    process_start,
    process_stop,
)

KERNEL_PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")
PROCESS_CLASS = UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c")
START_NS = 1_700_000_000_000_000_000
TICKS = 1_000_000

Tables = dict[str, list[dict[str, Any]]]


def replay(recording: Path) -> Tables:
    """Run the probe over a recording; return its tables."""
    with Session(Settings(recording=recording, engine="interpreter")) as session:
        session.add(locate("etl_processes"))
        session.start()
        assert session.wait(30)
        snapshot = session.stop()
        assert {row.missing for row in snapshot.ledger.values()} == {0}
        return {view.name: table.rows() for view, table in session.tables(snapshot)}


def by_pid(tables: Tables) -> dict[int, dict[str, Any]]:
    return {row["pid"]: row for row in tables["processes"]}


def test_the_demonstration_shows_its_plan() -> None:
    """Every process with image, parent's image, session and exit code; starts, ends and failures per image."""
    tables = replay(DEMO)
    names = {row.pid: file_name(row.image) or row.image for row in (*RUNNING, *STARTED)}
    shown = {
        pid: (row["image"], row["parent_image"], row["session"], row["exit_code"], row["ended_ns"] != 0)
        for pid, row in by_pid(tables).items()
    }
    assert shown == {
        row.pid: (names[row.pid], names.get(row.parent, ""), row.session, hex(row.exit_code), row.end is not None)
        for row in (*RUNNING, *STARTED)
    }
    (compilers,) = [row for row in tables["images"] if row["image"] == "cl.exe"]
    assert (compilers["parent_image"], compilers["starts"], compilers["ends"], compilers["failures"]) == (
        "MSBuild.exe", 9, 9, 1
    )
    ends = sum(row.end is not None for row in STARTED)
    assert tables["totals"] == [{"starts": len(STARTED), "ends": ends, "running": len(RUNNING), "unreadable": 0}]


def test_every_version_of_the_manifest_events_is_read(tmp_path: Path) -> None:
    """ProcessStart 0 to 3 and ProcessStop 0 to 2 put the same facts at different offsets."""
    path = tmp_path / "made.etl"
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        for version in range(4):
            facts = ProcessFacts(100 + version, 7, f"C:\\dir\\start{version}.exe", START_NS + version * 1000, session=2)
            payload = process_start(facts, version)
            writer.manifest_event(TICKS, KERNEL_PROCESS, 1, payload, version=version)
        for version in range(3):
            facts = ProcessFacts(200 + version, 7, f"C:\\dir\\stop{version}.exe", START_NS)
            payload = process_stop(facts, START_NS + 5000, 30 + version, version)
            writer.manifest_event(TICKS + 9, KERNEL_PROCESS, 2, payload, version=version)
    processes = by_pid(replay(path))
    for version in range(4):
        row = processes[100 + version]
        assert (row["image"], row["parent"], row["session"]) == (f"start{version}.exe", 7, 2)
        assert row["started_ns"] == START_NS + version * 1000
    for version in range(3):
        row = processes[200 + version]
        assert (row["image"], row["exit_code"]) == (f"stop{version}.exe", hex(30 + version))
        assert (row["started_ns"], row["ended_ns"]) == (START_NS, START_NS + 5000)


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_every_version_of_the_classic_event_is_read(tmp_path: Path, pointer_size: int) -> None:
    """Versions 1 to 4, with and without a user, by class GUID and by hook."""
    path = tmp_path / "made.etl"
    expected = {}
    with EtlWriter(path, cpus=2, start_ns=START_NS, start_ticks=TICKS, pointer_size=pointer_size) as writer:
        for version in range(1, 5):
            for user in (b"", MEDIUM_LABEL):
                pid = 100 * version + len(user)
                facts = ProcessFacts(pid, 9, f"C:\\v{version}.exe", 0, session=3)
                start = classic_process(facts, 0x103, version, pointer_size, user)
                end = classic_process(facts, -1, version, pointer_size, user)
                writer.classic_event(TICKS + 10, PROCESS_CLASS, 1, start, version=version)
                writer.system_event(TICKS + 20, 0x0302, end, version=version, cpu=1)
                expected[pid] = {
                    "pid": pid, "image": f"v{version}.exe", "parent": 9, "parent_image": "", "session": 3,
                    "started_ns": START_NS + 1000, "ended_ns": START_NS + 2000, "exit_code": "0xffffffff",
                }
    assert by_pid(replay(path)) == expected


def test_payloads_that_make_no_sense_are_counted(tmp_path: Path) -> None:
    """Cut at every byte, an event is read in part or counted as unreadable; nothing is made up for a whole one."""
    path = tmp_path / "made.etl"
    facts = ProcessFacts(500, 7, "C:\\cut.exe", START_NS)
    whole = process_start(facts)
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        for size in range(len(whole)):
            writer.manifest_event(TICKS, KERNEL_PROCESS, 1, whole[:size], version=3)
            writer.manifest_event(TICKS, KERNEL_PROCESS, 2, whole[:size], version=2)
        writer.classic_event(TICKS, PROCESS_CLASS, 1, b"", version=3)
        writer.classic_event(TICKS, PROCESS_CLASS, 1, bytes(200), version=9)
    tables = replay(path)
    totals = tables["totals"][0]
    assert totals["starts"] == len(whole) - 56
    assert totals["unreadable"] == 56 + 48 + 2


@needs_samples
def test_a_real_shutdown_shows_which_processes_ended() -> None:
    """94 processes were listed at the start, 60 ended; the parent of every RuntimeBroker is a svchost."""
    tables = replay(SAMPLES / "airbus_ShutdownPerfDiagLogger.etl")
    assert tables["totals"] == [{"starts": 0, "ends": 60, "running": 94, "unreadable": 0}]
    brokers = [row for row in tables["processes"] if row["image"] == "RuntimeBroker.exe"]
    assert {row["parent_image"] for row in brokers} == {"svchost.exe"}


@needs_samples
def test_events_of_a_64_bit_system_from_a_32_bit_writer_are_read() -> None:
    """The header says 32-bit, the payload is 64-bit: where the SID lies tells."""
    processes = by_pid(replay(SAMPLES / "syzygy_process_data_64_v3.etl"))
    assert {pid: row["image"] for pid, row in processes.items()} == {
        0: "Idle", 4: "System", 264: "smss.exe", 1776: "notepad.exe"
    }
