"""The probe `etw_syscalls` over recordings whose truth is known. No real recording here has system calls."""

from __future__ import annotations

from pathlib import Path

import pytest

import tracerd
from tests.probes.etw_recordings import Recording, replay, replay_both, rows
from tests.sources.etl_support import SAMPLES, needs_samples

KERNEL, WIN32K = 0xFFFFF802_00000000, 0xFFFFF2D6_00000000
SIZE = 0x1000000
NOT_FOUND, ACCESS_DENIED, MORE_ENTRIES, OVERFLOW = 0xC0000034, 0xC0000022, 0x105, 0x80000005
NO_TASK = 0xFFFFFFFF
US = 10
"""Ticks of a microsecond."""


class Machine:
    """A machine with a shop and a shell, that tells of its modules, processes and threads, and then of system calls."""

    def __init__(self, made: Recording, *, modules: bool = True) -> None:
        self.made = made
        if modules:
            self.image(KERNEL, "\\SystemRoot\\system32\\ntoskrnl.exe")
            self.image(WIN32K, "\\SystemRoot\\System32\\win32kfull.sys")
        for pid, image, tids in ((100, "shop.exe", (101, 102)), (200, "cmd.exe", (201,))):
            made.process(pid, image)
            for tid in tids:
                made.kernel("Thread", 3, 3, {"ProcessId": pid, "TThreadId": tid})

    def image(self, base: int, name: str, opcode: int = 3, size: int = SIZE) -> None:
        self.made.kernel("Image", opcode, 3, {"ImageBase": base, "ImageSize": size, "FileName": name})

    def switch(self, tid: int, cpu: int = 0) -> None:
        self.made.kernel("Thread", 36, 4, {"NewThreadId": tid}, cpu=cpu)

    def enter(self, address: int, cpu: int = 0, after: int = 0) -> None:
        self.made.kernel("PerfInfo", 51, 2, {"SysCallAddress": address}, cpu=cpu, after=after)

    def leave(self, after: int, status: int = 0, cpu: int = 0) -> None:
        self.made.kernel("PerfInfo", 52, 2, {"SysCallNtStatus": status}, cpu=cpu, after=after)

    def call(self, address: int, duration: int, status: int = 0) -> None:
        self.enter(address)
        self.leave(duration, status)


def test_calls_are_counted_and_timed_by_process_thread_and_function(tmp_path: Path) -> None:
    """A function is a place in a module; its latency is from entry to return."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.switch(101)
        machine.call(KERNEL + 0x1234, 10 * US)
        machine.call(KERNEL + 0x1234, 30 * US, NOT_FOUND)
        machine.switch(102)
        machine.call(WIN32K + 0xABC, 100 * US)
        machine.switch(201)
        machine.call(KERNEL + 0x1234, 2 * US, NOT_FOUND)
    found = replay_both("etw_syscalls", made.path)
    assert rows(found.tables["functions"], "module", "offset", "calls", "errors", "total_ns", "returns") == [
        ("ntoskrnl.exe", "0x1234", 3, 2, 42_000, 3), ("win32kfull.sys", "0xabc", 1, 0, 100_000, 1),
    ]
    assert rows(found.tables["processes"], "process", "pid", "calls", "errors", "total_ns") == [
        ("shop.exe", 100, 3, 1, 140_000), ("cmd.exe", 200, 1, 1, 2_000),
    ]
    assert rows(found.tables["threads"], "process", "pid", "tid", "calls", "total_ns") == [
        ("shop.exe", 100, 101, 2, 40_000), ("shop.exe", 100, 102, 1, 100_000), ("cmd.exe", 200, 201, 1, 2_000),
    ]
    assert rows(found.tables["errors"], "process", "status", "count", "module", "offset") == [
        ("shop.exe", "STATUS_OBJECT_NAME_NOT_FOUND", 1, "ntoskrnl.exe", "0x1234"),
        ("cmd.exe", "STATUS_OBJECT_NAME_NOT_FOUND", 1, "ntoskrnl.exe", "0x1234"),
    ]
    assert 65_536 <= found.tables["functions"][1]["p99_ns"] <= 100_000
    found.totals(calls=4, returns=4)


def test_a_call_returns_in_its_thread_on_whatever_cpu(tmp_path: Path) -> None:
    """A thread that waits in a call lets others run on its CPU, and may go on elsewhere."""
    with Recording(tmp_path / "made.etl", cpus=2) as made:
        machine = Machine(made)
        machine.switch(101)
        machine.enter(KERNEL + 1)
        machine.switch(201)
        machine.call(KERNEL + 2, US)
        machine.switch(101, cpu=1)
        machine.leave(8 * US, cpu=1)
    found = replay_both("etw_syscalls", made.path)
    assert rows(found.tables["functions"], "offset", "returns", "total_ns") == [("0x1", 1, 9_000), ("0x2", 1, 1_000)]


def test_without_switches_nobody_is_made_up(tmp_path: Path) -> None:
    """Calls are counted for a process that is not known, and neither timed nor matched."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.call(KERNEL + 1, US, NOT_FOUND)
        machine.call(KERNEL + 1, US)
    found = replay_both("etw_syscalls", made.path)
    assert rows(found.tables["processes"], "process", "pid", "calls", "returns") == [("", NO_TASK, 2, 0)]
    assert rows(found.tables["functions"], "offset", "calls", "errors", "total_ns") == [("0x1", 2, 0, 0)]
    found.totals(calls=2, unattributed=2, unmatched=2)


def test_a_recording_that_begins_within_calls_makes_no_latency_up(tmp_path: Path) -> None:
    """A return without its entry is unmatched; an entry without its return is a call without a latency."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.switch(101)
        machine.leave(US, ACCESS_DENIED)
        machine.enter(KERNEL + 1)
        machine.enter(KERNEL + 2, after=US)
        machine.leave(2 * US)
        machine.leave(2 * US)
    found = replay_both("etw_syscalls", made.path)
    assert rows(found.tables["functions"], "offset", "calls", "returns", "total_ns") == [
        ("0x1", 1, 0, 0), ("0x2", 1, 1, 2_000),
    ]
    assert found.tables["errors"] == []
    found.totals(calls=2, returns=1, unmatched=2)


def test_only_statuses_of_severity_error_are_errors(tmp_path: Path) -> None:
    """Not success, information and warnings; and nothing of win32k, which returns handles, sizes and the like."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.switch(101)
        for status in (0, MORE_ENTRIES, OVERFLOW, ACCESS_DENIED, 0xC0DEC0DE):
            machine.call(KERNEL + 1, US, status)
        machine.call(WIN32K + 1, US, 0xC0000001)
    found = replay("etw_syscalls", made.path)
    assert rows(found.tables["errors"], "status", "count") == [("0xc0dec0de", 1), ("STATUS_ACCESS_DENIED", 1)]
    assert rows(found.tables["processes"], "calls", "errors") == [(6, 2)]


def test_an_address_without_a_module_stays_an_address(tmp_path: Path) -> None:
    """Until its module becomes known: the same function is one row throughout."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made, modules=False)
        machine.switch(101)
        machine.image(0x7FF7_00000000, "C:\\w\\ntoskrnl.exe")
        machine.image(KERNEL + 2 * SIZE, "\\SystemRoot\\System32\\drivers\\disk.sys")
        for offset in (1, 2 * SIZE + 1):
            machine.call(KERNEL + offset, US)
    path = made.path
    found = replay("etw_syscalls", path)
    assert rows(found.tables["functions"], "module", "offset") == [
        ("", "0xfffff80200000001"), ("", "0xfffff80202000001"),
    ]
    found.totals(calls=2, returns=2, unresolved=2)

    with Recording(tmp_path / "later.etl") as made:
        machine = Machine(made, modules=False)
        machine.switch(101)
        machine.call(KERNEL + 1, US)
        machine.image(KERNEL, "\\SystemRoot\\system32\\NTOSKRNL.EXE", opcode=10)
        machine.call(KERNEL + 1, US)
    found = replay("etw_syscalls", made.path)
    assert rows(found.tables["functions"], "module", "offset", "calls") == [("NTOSKRNL.EXE", "0x1", 2)]
    found.totals(calls=2, returns=2, unresolved=1)


def test_more_modules_than_there_is_room_for_leave_addresses(tmp_path: Path) -> None:
    """Sixteen are kept, whatever comes after; telling of one again takes no room."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.switch(101)
        for number in range(20):
            machine.image(KERNEL + (number % 18) * SIZE, f"win32k{number % 18}.sys")
        for number in (0, 13, 17):
            machine.call(KERNEL + number * SIZE + 1, US)
    found = replay("etw_syscalls", made.path)
    assert rows(found.tables["functions"], "module", "offset") == [
        ("win32k0.sys", "0x1"), ("win32k13.sys", "0x1"), ("", hex(KERNEL + 17 * SIZE + 1)),
    ]


def test_addresses_of_32_bits_are_read(tmp_path: Path) -> None:
    """Of a 32-bit Windows, whose kernel is in the upper half of 4 GB."""
    with Recording(tmp_path / "made.etl", pointer_size=4) as made:
        machine = Machine(made, modules=False)
        machine.image(0x82800000, "\\WINDOWS\\system32\\ntkrnlpa.exe")
        machine.switch(101)
        machine.call(0x82801234, US)
    found = replay_both("etw_syscalls", made.path)
    assert rows(found.tables["functions"], "module", "offset", "total_ns") == [("ntkrnlpa.exe", "0x1234", 1_000)]


def test_a_thread_id_that_is_used_again_is_another_thread(tmp_path: Path) -> None:
    """A call that a thread ended in is not returned from by the next thread of that id."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.switch(101)
        machine.enter(KERNEL + 1)
        made.kernel("Thread", 2, 3, {"ProcessId": 100, "TThreadId": 101})
        made.process(100, "shop.exe", opcode=2)
        made.process(100, "bank.exe", opcode=1)
        made.kernel("Thread", 1, 3, {"ProcessId": 100, "TThreadId": 101})
        machine.switch(101)
        machine.leave(US)
        machine.call(KERNEL + 2, US)
    found = replay("etw_syscalls", made.path)
    shown = sorted(rows(found.tables["processes"], "process", "calls", "returns"))
    assert shown == [("bank.exe", 1, 1), ("shop.exe", 1, 0)]
    found.totals(calls=2, returns=1, unmatched=1)


@pytest.mark.parametrize(("pointer_size", "size"), [(4, 3), (8, 7)])
def test_events_that_are_too_short_are_counted_as_such(tmp_path: Path, pointer_size: int, size: int) -> None:
    """Cut at every byte; the call that is under way stays so."""
    with Recording(tmp_path / "made.etl", pointer_size=pointer_size) as made:
        machine = Machine(made, modules=False)
        machine.switch(101)
        machine.enter(1)
        for cut in range(size + 1):
            made.kernel("PerfInfo", 51, 2, {"SysCallAddress": 2}, cut=cut)
        for cut in range(4):
            made.kernel("PerfInfo", 52, 2, cut=cut)
        made.kernel("Image", 3, 3, {"ImageBase": KERNEL & (1 << 8 * pointer_size) - 1}, cut=5)
        machine.leave(US)
    found = replay("etw_syscalls", made.path)
    found.totals(calls=1, returns=1, unresolved=1, unreadable=size + 5)
    assert rows(found.tables["threads"], "total_ns") == [(1_000,)]


def test_functions_that_find_no_room_are_counted(tmp_path: Path) -> None:
    """Their calls are in all other tables and totals; the map says how many updates it refused."""
    with Recording(tmp_path / "made.etl") as made:
        machine = Machine(made)
        machine.switch(101)
        for number in range(4_100):
            machine.call(KERNEL + number, 1)
    found = replay_both("etw_syscalls", made.path)
    assert len(found.tables["functions"]) == 4_096
    assert found.refused == {"functions": 8}
    assert rows(found.tables["processes"], "calls", "returns") == [(4_100, 4_100)]
    found.totals(calls=4_100, returns=4_100, unresolved=4)


@needs_samples
def test_a_real_machine_tells_where_its_kernel_is() -> None:
    """Of some 200 modules of a Windows 10 four have system calls."""
    settings = tracerd.Settings(recording=SAMPLES / "airbus_ShutdownPerfDiagLogger.etl", engine="interpreter")
    with tracerd.Session(settings) as session:
        probe = tracerd.Object.open("etw_syscalls")
        session.load(probe)
        session.start()
        assert session.wait(60)
        kept = [value for _, value in probe.maps["modules"].items() if isinstance(value, dict) and value["base"]]
    assert sorted((each["name"], each["base"], each["not_status"]) for each in kept) == [
        ("ntoskrnl.exe", 0xFFFFF802424AB000, 0),
        ("win32k.sys", 0xFFFFF2D6FCB20000, 1),
        ("win32kbase.sys", 0xFFFFF2D6FC3B0000, 1),
        ("win32kfull.sys", 0xFFFFF2D6FC000000, 1),
    ]
