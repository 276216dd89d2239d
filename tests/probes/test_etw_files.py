"""The probe `etw_files`: file operations by process and by file, over made recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.probes.recorded import TICK_NS, Recording
from tests.probes.replayed import Engine, Tables, tables_of
from tracerd.views.percentiles import log2_percentile

FILE = "Microsoft-Windows-Kernel-File"
PROCESS = "Microsoft-Windows-Kernel-Process"
FOLDER = "\\Device\\HarddiskVolume3\\Users\\me\\"
DENIED, NO_MORE_FILES = 0xC0000022, 0x80000006
BOTH = pytest.mark.parametrize("engine", ["interpreter", "jit"])


def rows(tables: Tables, view: str, *keys: str) -> dict[Any, dict[str, Any]]:
    """Return a view by some of its columns, without what is zero or empty."""
    found = {}
    for row in tables[view]:
        key = tuple(row.pop(name) for name in keys)
        assert key not in found
        found[key] = {name: each for name, each in row.items() if each}
    return found


def totals(tables: Tables) -> dict[str, int]:
    (row,) = tables["totals"]
    return {name: number for name, number in row.items() if number}


def timed(*ticks: int) -> dict[str, int]:
    """Percentiles and sum of what took so long."""
    slots, total = np.zeros((1, 40), np.int64), 0
    for each in ticks:
        slots[0, (each * TICK_NS).bit_length() - 1] += 1
        total += each * TICK_NS
    about = {f"p{each}_ns": min(int(log2_percentile(slots, each)[0]), total) for each in (50, 99)}
    return {**about, "total_ns": total}


@BOTH
def test_operations_are_matched_with_their_ends(tmp_path: Path, engine: Engine) -> None:
    """Count, bytes moved, errors, latency by process and operation; and by file, under the name it was opened with."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=20, ImageName="C:\\x\\word.exe")
        made.event(10, FILE, "Create", 1, pid=20, Irp=1, FileObject=0xA0, FileName=FOLDER + "a.doc")
        made.event(15, FILE, "OperationEnd", Irp=1)
        made.event(20, FILE, "Read", 1, pid=20, Irp=1, FileObject=0xA0, FileKey=0xF0, IOSize=4096)
        made.event(21, FILE, "Read", 1, pid=20, Irp=2, FileObject=0xA0, FileKey=0xF0, IOSize=4096)
        made.event(40, FILE, "OperationEnd", Irp=2, ExtraInformation=4096)
        made.event(50, FILE, "OperationEnd", Irp=1, ExtraInformation=100)
        made.event(60, FILE, "Write", 1, pid=24, Irp=3, FileObject=0xB0, IOSize=512)
        made.event(70, FILE, "OperationEnd", Irp=3, ExtraInformation=512, Status=DENIED)
        made.event(80, FILE, "DirEnum", 1, pid=20, Irp=4, FileObject=0xC0)
        made.event(90, FILE, "OperationEnd", Irp=4, ExtraInformation=77, Status=NO_MORE_FILES)
    tables = tables_of("etw_files", made.path, engine)
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "word.exe", "open"): {"count": 1, **timed(5)},
        (20, "word.exe", "read"): {"count": 2, "bytes": 4196, "asked_bytes": 8192, **timed(19, 30)},
        (20, "word.exe", "list"): {"count": 1, **timed(10)},
        (24, "", "write"): {"count": 1, "errors": 1, "asked_bytes": 512, **timed(10)},
    }
    assert rows(tables, "files", "file", "path") == {
        ("a.doc", FOLDER + "a.doc"): {"opens": 1, "reads": 2, "read_bytes": 4196, "total_ns": (5 + 19 + 30) * TICK_NS}
    }
    assert tables["errors"] == [
        {"pid": 24, "process": "", "operation": "write", "count": 1, "status": "STATUS_ACCESS_DENIED"}
    ]
    assert totals(tables) == {"begins": 5, "ends": 5, "unnamed": 1}


EVENTS = {
    "Create": "open", "Cleanup": "cleanup", "Close": "close", "Read": "read", "Write": "write",
    "SetInformation": "set_information", "SetDelete": "delete", "Rename": "rename", "DirEnum": "list", "Flush": "flush",
    "QueryInformation": "query_information", "FSCTL": "control", "DirNotify": "watch", "CreateNewFile": "create_new",
    "SetLinkPath": "link",
}


@pytest.mark.parametrize("pointer_size", [4, 8])
@pytest.mark.parametrize("version", [0, 1])
def test_every_event_of_both_versions_is_an_operation(tmp_path: Path, version: int, pointer_size: int) -> None:
    """Version 0 has the thread before the file object, 1 behind it."""
    with Recording(tmp_path / "made.etl", pointer_size=pointer_size) as made:
        for number, event in enumerate(EVENTS):
            values = {"Irp": 100 + number, "FileObject": 0xA0, "pid": 20}
            made.event(10 * number, FILE, event, version, **values)
            made.event(10 * number + 3, FILE, "OperationEnd", Irp=100 + number)
    tables = tables_of("etw_files", made.path)
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "", operation): {"count": 1, **timed(3)} for operation in EVENTS.values()
    }
    assert totals(tables) == {"begins": len(EVENTS), "ends": len(EVENTS), "unnamed": 2}


CLASSIC = {
    "Create": "open", "Cleanup": "cleanup", "Close": "close", "Read": "read", "Write": "write",
    "SetInfo": "set_information", "Delete": "delete", "Rename": "rename", "DirEnum": "list", "Flush": "flush",
    "QueryInfo": "query_information", "FSControl": "control", "DirNotify": "watch",
}


@pytest.mark.parametrize("pointer_size", [4, 8])
@pytest.mark.parametrize("version", [2, 3])
def test_every_event_of_the_classic_class_is_an_operation(tmp_path: Path, version: int, pointer_size: int) -> None:
    """Its headers may name no thread; the payload does, and thread events say whose it is."""
    with Recording(tmp_path / "made.etl", pointer_size=pointer_size) as made:
        made.kernel(0, "Thread", "DCStart", 3, TThreadId=77, ProcessId=20)
        made.kernel(0, "Process", "DCStart", 4, ProcessId=20, ImageFileName="word.exe")
        made.kernel(1, "FileIo", "Name", 2, FileObject=0xF0, FileName=FOLDER + "b.doc")
        for number, event in enumerate(CLASSIC):
            irp = 100 + number
            values: dict[str, int] = {"IoSize": 10} if event in ("Read", "Write") else {}
            values |= {"FileKey": 0xF0} if event != "Create" else {}
            made.kernel(
                10 * number + 2, "FileIo", event, version, named=False, IrpPtr=irp, FileObject=0xA0, TTID=77, **values
            )
            made.kernel(10 * number + 9, "FileIo", "OperationEnd", version, named=False, IrpPtr=irp, ExtraInfo=10)
    tables = tables_of("etw_files", made.path)
    moved = {"bytes": 10, "asked_bytes": 10}
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "word.exe", name): {"count": 1, **timed(7), **(moved if name in ("read", "write") else {})}
        for name in CLASSIC.values()
    }
    assert rows(tables, "files", "file", "path") == {
        ("b.doc", FOLDER + "b.doc"): {
            "reads": 1, "writes": 1, "read_bytes": 10, "written_bytes": 10, "total_ns": 12 * 7 * TICK_NS
        }
    }
    assert totals(tables) == {"begins": len(CLASSIC), "ends": len(CLASSIC)}


def test_the_work_of_disks_is_of_the_thread_that_asked(tmp_path: Path) -> None:
    """Its end comes on any thread. Without what was asked there is no latency, and it says so."""
    with Recording(tmp_path / "made.etl") as made:
        made.kernel(0, "Thread", "Start", 3, TThreadId=77, ProcessId=20)
        made.kernel(1, "FileIo", "FileCreate", 2, FileObject=0xF0, FileName=FOLDER + "c.doc")
        made.kernel(10, "DiskIo", "ReadInit", 3, named=False, Irp=1, IssuingThreadId=77)
        made.kernel(30, "DiskIo", "Read", 3, pid=4, Irp=1, IssuingThreadId=77, TransferSize=65536, FileObject=0xF0)
        made.kernel(40, "DiskIo", "Write", 3, pid=4, Irp=2, IssuingThreadId=78, TransferSize=512)
        made.kernel(50, "DiskIo", "FlushInit", 3, Irp=3, IssuingThreadId=77)
        made.kernel(60, "DiskIo", "FlushBuffers", 3, Irp=3, IssuingThreadId=77)
        made.kernel(70, "DiskIo", "Write", 2, Irp=4, TransferSize=1)
    tables = tables_of("etw_files", made.path)
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "", "disk_read"): {"count": 1, "bytes": 65536, "asked_bytes": 65536, **timed(20)},
        (20, "", "disk_flush"): {"count": 1, **timed(10)},
        (-1, "", "disk_write"): {"count": 2, "bytes": 513, "asked_bytes": 513},
    }
    assert totals(tables) == {"begins": 2, "ends": 2, "unmatched_ends": 2}


def test_what_is_told_twice_of_one_request_is_one_operation(tmp_path: Path) -> None:
    """DeletePath comes beside SetDelete, whichever is first; CreateNewFile beside Create is a row of its own."""
    with Recording(tmp_path / "made.etl") as made:
        for irp, pair in ((1, ("SetDelete", "DeletePath")), (2, ("DeletePath", "SetDelete"))):
            for event in pair:
                made.event(10 * irp, FILE, event, 1, pid=20, Irp=irp, FileObject=0xA0)
            made.event(10 * irp + 4, FILE, "OperationEnd", Irp=irp)
        for event in ("Create", "CreateNewFile"):
            made.event(50, FILE, event, 1, pid=20, Irp=3, FileObject=0xB0, FileName="n.txt")
        made.event(58, FILE, "OperationEnd", Irp=3)
    tables = tables_of("etw_files", made.path)
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "", "delete"): {"count": 2, **timed(4, 4)},
        (20, "", "open"): {"count": 1, **timed(8)},
        (20, "", "create_new"): {"count": 1},
    }
    assert totals(tables) == {"begins": 3, "ends": 3}


@pytest.mark.parametrize("first", [0, 1])
def test_what_both_providers_tell_is_one_operation(tmp_path: Path, first: int) -> None:
    """A session may have both, of the same requests; whose operation comes first is taken. Names are taken of both."""
    with Recording(tmp_path / "made.etl") as made:
        made.kernel(0, "Thread", "Start", 3, TThreadId=77, ProcessId=20)
        made.kernel(1, "FileIo", "Name", 2, FileObject=0xF0, FileName=FOLDER + "d.doc")
        for number in range(4):
            irp, tick = number // 2, 10 * number
            asked = {"FileObject": 0xA0, "FileKey": 0xF0}
            if number % 2 == first:
                made.event(tick + 2, FILE, "Read", 1, pid=20, Irp=irp, IOSize=5, **asked)
                made.event(tick + 7, FILE, "OperationEnd", Irp=irp, ExtraInformation=5)
            else:
                made.kernel(tick + 2, "FileIo", "Read", 3, IrpPtr=irp, TTID=77, IoSize=5, **asked)
                made.kernel(tick + 7, "FileIo", "OperationEnd", 3, IrpPtr=irp, ExtraInfo=5)
    tables = tables_of("etw_files", made.path)
    moved = {"bytes": 10, "asked_bytes": 10}
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "", "read"): {"count": 2, **moved, **timed(5, 5)}
    }
    assert [row["read_bytes"] for row in tables["files"]] == [10]
    assert totals(tables) == {"begins": 2, "ends": 2, "told_twice": 4}


def test_begins_and_ends_without_each_other_are_counted(tmp_path: Path) -> None:
    """A recording that begins late, an end that is missing, and operations that are still open."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(1, FILE, "OperationEnd", Irp=9, ExtraInformation=5)
        made.event(2, FILE, "Read", 1, pid=20, Irp=1, FileObject=0xA0, IOSize=10)
        made.event(3, FILE, "Read", 1, pid=20, Irp=1, FileObject=0xA0, IOSize=10)
        made.event(7, FILE, "OperationEnd", Irp=1, ExtraInformation=10)
        made.event(8, FILE, "Write", 1, pid=20, Irp=2, FileObject=0xA0, IOSize=10)
    tables = tables_of("etw_files", made.path)
    assert rows(tables, "operations", "pid", "process", "operation") == {
        (20, "", "read"): {"count": 2, "bytes": 10, "asked_bytes": 20, **timed(4)},
        (20, "", "write"): {"count": 1, "asked_bytes": 10},
    }
    assert totals(tables) == {
        "begins": 3, "ends": 1, "open": 1, "unmatched_begins": 1, "unmatched_ends": 1, "unnamed": 3
    }


def test_an_end_that_claims_more_than_was_asked_moves_what_was_asked(tmp_path: Path) -> None:
    """And one of an operation that moves nothing moves nothing, whatever its information is."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(1, FILE, "Read", 1, pid=20, Irp=1, FileObject=0xA0, IOSize=10)
        made.event(2, FILE, "OperationEnd", Irp=1, ExtraInformation=1 << 60)
        made.event(3, FILE, "QueryInformation", 1, pid=20, Irp=1, FileObject=0xA0)
        made.event(4, FILE, "OperationEnd", Irp=1, ExtraInformation=1 << 60)
    tables = tables_of("etw_files", made.path)
    assert {row["operation"]: row["bytes"] for row in tables["operations"]} == {"read": 10, "query_information": 0}


def test_a_file_object_has_the_name_of_the_file_that_was_opened_last(tmp_path: Path) -> None:
    """Objects are used again; a closed one has none until then. A name by file key wins, and is there until its end."""
    read = {"pid": 20, "IOSize": 1, "FileObject": 0xA0}
    with Recording(tmp_path / "made.etl") as made:
        made.event(1, FILE, "Create", 1, Irp=1, FileObject=0xA0, FileName="\\x\\first")
        made.event(2, FILE, "Read", 1, Irp=2, **read)
        made.event(3, FILE, "Close", 1, Irp=3, FileObject=0xA0)
        made.event(4, FILE, "Read", 1, Irp=4, **read)
        made.event(5, FILE, "Create", 1, Irp=5, FileObject=0xA0, FileName="\\x\\second")
        made.event(6, FILE, "Read", 1, Irp=6, **read)
        made.event(7, FILE, "NameCreate", FileKey=0xF0, FileName="\\x\\third")
        made.event(8, FILE, "Read", 1, Irp=7, FileKey=0xF0, **read)
        made.event(9, FILE, "NameDelete", FileKey=0xF0, FileName="\\x\\third")
        made.event(10, FILE, "Read", 1, Irp=8, FileKey=0xF0, **read)
    tables = tables_of("etw_files", made.path)
    assert {row["file"]: row["reads"] for row in tables["files"]} == {"first": 1, "second": 2, "third": 1}
    assert totals(tables)["unnamed"] == 1


def test_long_paths_keep_their_file_apart(tmp_path: Path) -> None:
    """The path is cut at 111 bytes, the file's own name is there whole."""
    deep = "\\".join(["", *["folder"] * 30, ""])
    with Recording(tmp_path / "made.etl") as made:
        for number in range(3):
            made.event(number, FILE, "Create", 1, Irp=number, FileObject=9, FileName=f"{deep}{number}.txt")
    tables = tables_of("etw_files", made.path)
    assert sorted((row["file"], row["path"]) for row in tables["files"]) == [
        (f"{number}.txt", deep[:111]) for number in range(3)
    ]


def test_a_pid_that_is_used_again_is_another_row(tmp_path: Path) -> None:
    """Also for an operation that was begun by the one and ends when the other is there."""
    with Recording(tmp_path / "made.etl") as made:
        made.event(0, PROCESS, "ProcessRundown", 1, ProcessID=20, ImageName="old.exe")
        made.event(1, FILE, "Write", 1, pid=20, Irp=1, FileObject=0xA0, IOSize=1)
        made.kernel(2, "Process", "Start", 4, ProcessId=20, ImageFileName="new.exe")
        made.event(3, FILE, "Write", 1, pid=20, Irp=2, FileObject=0xA0, IOSize=10)
        made.event(4, FILE, "OperationEnd", Irp=1, ExtraInformation=1)
        made.event(5, FILE, "OperationEnd", Irp=2, ExtraInformation=10)
    tables = tables_of("etw_files", made.path)
    assert {(row["process"], row["count"], row["bytes"]) for row in tables["operations"]} == {
        ("old.exe", 1, 1), ("new.exe", 1, 10)
    }


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    """Payloads that end before the file object or the status, and versions that are not known."""
    with Recording(tmp_path / "made.etl") as made:
        for cut in range(24):                    # offset, request, file object
            made.event(cut, FILE, "Read", 1, cut=cut, Irp=1, FileObject=2)
        made.event(30, FILE, "Read", 1, written_as=9, Irp=1, FileObject=2)
        made.event(31, FILE, "OperationEnd", cut=16, Irp=1)
        made.event(32, FILE, "NameCreate", cut=7, FileKey=1)
        made.kernel(33, "DiskIo", "Read", 3, cut=30)
        made.kernel(34, "FileIo", "Create", 3, cut=8)
    tables = tables_of("etw_files", made.path)
    assert tables["operations"] == []
    assert totals(tables) == {"unreadable": 24 + 5}


@BOTH
def test_what_finds_no_room_is_counted(tmp_path: Path, engine: Engine) -> None:
    """There is room for 16,384 requests, 8,192 files and as many pairs of process and operation."""
    with Recording(tmp_path / "made.etl") as made:
        for number in range(16_400):
            made.event(number, FILE, "Create", 1, pid=number, Irp=number, FileObject=1, FileName=f"\\x\\{number}")
    tables = tables_of("etw_files", made.path, engine)
    assert (len(tables["operations"]), len(tables["files"])) == (8192, 8192)
    assert totals(tables) == {
        "begins": 16_400, "open": 16_384, "refused": 16 + 2 * (16_400 - 8192)
    }
