"""The probe `etw_processes`, from its object to its tables, over recordings whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.probes.replayed import Engine, Tables, tables_of
from tests.sources.etl_support import SAMPLES, needs_samples
from tests.sources.test_etl_demo import DEMO
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

def replay(recording: Path, engine: Engine = "interpreter") -> Tables:
    """Run the probe over a recording; return its tables."""
    return tables_of("etw_processes", recording, engine)


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
    assert tables["totals"] == [
        {"starts": len(STARTED), "ends": ends, "running": len(RUNNING), "unreadable": 0, "refused": 0}
    ]


def test_every_version_of_the_manifest_events_is_read(tmp_path: Path) -> None:
    """ProcessStart 0 to 4 and ProcessStop 0 to 2 put the same facts at different offsets."""
    path = tmp_path / "made.etl"
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        for version in range(5):
            facts = ProcessFacts(100 + version, 7, f"C:\\dir\\start{version}.exe", START_NS + version * 1000, session=2)
            payload = process_start(facts, version)
            writer.manifest_event(TICKS, KERNEL_PROCESS, 1, payload, version=version)
        for version in range(3):
            facts = ProcessFacts(200 + version, 7, f"C:\\dir\\stop{version}.exe", START_NS)
            payload = process_stop(facts, START_NS + 5000, 30 + version, version)
            writer.manifest_event(TICKS + 9, KERNEL_PROCESS, 2, payload, version=version)
    processes = by_pid(replay(path))
    for version in range(5):
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
                    "lived_ns": 1000, "grandparent_image": "", "user": "S-1-16-8192" if user else "",
                    "command": facts.image if version >= 2 else "",
                }
    assert by_pid(replay(path)) == expected


def test_payloads_that_make_no_sense_are_counted(tmp_path: Path) -> None:
    """Cut at every byte, an event whose image or exit code is missing is counted as unreadable; so are new versions."""
    path = tmp_path / "made.etl"
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        starts = [process_start(ProcessFacts(4 * n, 7, "C:\\cut.exe", START_NS)) for n in range(200)]
        for size, whole in enumerate(starts[: len(starts[0])]):
            writer.manifest_event(TICKS, KERNEL_PROCESS, 1, whole[:size], version=3)
        stops = [process_stop(ProcessFacts(4000 + 4 * n, 7, "cut", START_NS), START_NS, 1) for n in range(200)]
        for size, whole in enumerate(stops[: len(stops[0])]):
            writer.manifest_event(TICKS, KERNEL_PROCESS, 2, whole[:size], version=2)
        writer.classic_event(TICKS, PROCESS_CLASS, 1, b"", version=3)
        writer.classic_event(TICKS, PROCESS_CLASS, 1, bytes(200), version=9)
        writer.manifest_event(TICKS, KERNEL_PROCESS, 1, starts[0], version=9)
    label_ends, exit_code_ends = 60, 32
    assert replay(path)["totals"] == [
        {
            "starts": len(starts[0]) - label_ends, "ends": len(stops[0]) - exit_code_ends, "running": 0,
            "unreadable": label_ends + exit_code_ends + 3, "refused": 0,
        }
    ]


def test_a_start_that_both_providers_tell_is_one_start(tmp_path: Path) -> None:
    """The classic event adds command line and user; its time may be a little off. Ends likewise."""
    path = tmp_path / "made.etl"
    facts = ProcessFacts(404, 4, "C:\\Tools\\both.exe", START_NS, session=2)
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        writer.manifest_event(TICKS, KERNEL_PROCESS, 1, process_start(facts), version=3)
        writer.system_event(TICKS + 50, 0x0301, classic_process(facts, 0, 4, 8, MEDIUM_LABEL), version=4)
        writer.system_event(TICKS + 5000, 0x0302, classic_process(facts, 3, 4, 8, MEDIUM_LABEL), version=4)
        writer.manifest_event(TICKS + 5010, KERNEL_PROCESS, 2, process_stop(facts, START_NS + 500_000, 3), version=2)
    tables = replay(path)
    (row,) = tables["processes"]
    assert (row["command"], row["user"], row["started_ns"]) == (facts.image, "S-1-16-8192", START_NS)
    assert (row["lived_ns"], row["exit_code"]) == (500_000, "0x3")
    (image,) = tables["images"]
    assert (image["starts"], image["ends"], image["failures"]) == (1, 1, 1)
    assert tables["totals"] == [{"starts": 1, "ends": 1, "running": 0, "unreadable": 0, "refused": 0}]


def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """Also where the first one's end is missing; and a child is not given a parent that started after it."""
    path = tmp_path / "made.etl"
    later = START_NS + 60_000_000_000
    first = ProcessFacts(800, 0, "C:\\first.exe", START_NS)
    second = ProcessFacts(800, 0, "C:\\second.exe", later)
    orphan = ProcessFacts(804, 800, "C:\\orphan.exe", START_NS + 30_000_000_000)
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        writer.manifest_event(TICKS, KERNEL_PROCESS, 1, process_start(first), version=3)
        writer.manifest_event(TICKS + 1, KERNEL_PROCESS, 1, process_start(second), version=3)
        writer.manifest_event(TICKS + 2, KERNEL_PROCESS, 15, process_start(orphan), version=1)
        writer.manifest_event(TICKS + 3, KERNEL_PROCESS, 2, process_stop(second, later + 7000, 0), version=2)
    tables = replay(path)
    processes = by_pid(tables)
    assert (processes[800]["image"], processes[800]["lived_ns"]) == ("second.exe", 7000)
    assert (processes[804]["parent"], processes[804]["parent_image"]) == (800, "")
    assert {row["image"]: (row["starts"], row["ends"]) for row in tables["images"]} == {
        "first.exe": (1, 0), "second.exe": (1, 1)
    }


def test_the_end_of_a_process_that_ran_before_the_recording_has_no_lifetime_without_its_begin(tmp_path: Path) -> None:
    """The classic end does not say when it began, that of Kernel-Process does."""
    path = tmp_path / "made.etl"
    facts = ProcessFacts(900, 4, "C:\\old.exe", START_NS - 5_000_000_000)
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        classic = replace(facts, pid=904)
        writer.system_event(TICKS + 10, 0x0302, classic_process(classic, 1, 4, 8, b""), version=4)
        writer.manifest_event(TICKS + 20, KERNEL_PROCESS, 2, process_stop(facts, START_NS, 0), version=2)
    processes = by_pid(replay(path))
    assert (processes[904]["started_ns"], processes[904]["lived_ns"]) == (0, 0)
    assert processes[900]["lived_ns"] == 5_000_000_000


def test_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    """The table has room for 16,384 processes, that of images for 4,096 pairs."""
    path = tmp_path / "made.etl"
    with EtlWriter(path, start_ns=START_NS, start_ticks=TICKS) as writer:
        for number in range(16_390):
            facts = ProcessFacts(4 * number, 1, f"C:\\{number % 4100}.exe", START_NS)
            writer.manifest_event(TICKS, KERNEL_PROCESS, 1, process_start(facts), version=3)
    tables = replay(path)
    assert len(tables["processes"]) == 16_384
    assert len(tables["images"]) == 4096
    (totals,) = tables["totals"]
    assert (totals["starts"], totals["refused"]) == (16_390, 6 + 3 * 4)       # four names come three times


@pytest.mark.parametrize("sample", ["airbus_ShutdownPerfDiagLogger.etl", "syzygy_process_data_32_v1.etl"])
@needs_samples
def test_both_engines_give_the_same(sample: str) -> None:
    """Of real recordings."""
    assert replay(SAMPLES / sample) == replay(SAMPLES / sample, engine="jit")


@needs_samples
def test_a_real_shutdown_shows_which_processes_ended() -> None:
    """94 processes were listed at the start, 60 ended; the parent of every RuntimeBroker is a svchost."""
    tables = replay(SAMPLES / "airbus_ShutdownPerfDiagLogger.etl")
    assert tables["totals"] == [{"starts": 0, "ends": 60, "running": 94, "unreadable": 0, "refused": 0}]
    brokers = [row for row in tables["processes"] if row["image"] == "RuntimeBroker.exe"]
    assert {row["parent_image"] for row in brokers} == {"svchost.exe"}


@needs_samples
def test_events_of_a_64_bit_system_from_a_32_bit_writer_are_read() -> None:
    """The header says 32-bit, the payload is 64-bit: where the SID lies tells."""
    processes = by_pid(replay(SAMPLES / "syzygy_process_data_64_v3.etl"))
    assert {pid: row["image"] for pid, row in processes.items()} == {
        0: "Idle", 4: "System", 264: "smss.exe", 1776: "notepad.exe"
    }
