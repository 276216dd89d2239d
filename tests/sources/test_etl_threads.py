"""PERFINFO headers name no thread: what ran on the CPU is told by CSwitch."""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import UUID

import pytest

from tests.sources.etl_support import Seen, walk
from tracerd.sources.etl_writer import EtlWriter

SYSCALL_ENTER, CSWITCH, SAMPLED = 0x0F33, 0x0524, 0x0F2E
THREAD_START, THREAD_RUNDOWN = 0x0501, 0x0503
UNKNOWN = 0xFFFFFFFF
START = 1_000_000


def switch(writer: EtlWriter, ticks: int, new: int, old: int, cpu: int = 0) -> None:
    writer.perfinfo_event(ticks, CSWITCH, struct.pack("<II16x", new, old), cpu=cpu, version=2)


def thread(writer: EtlWriter, ticks: int, hook: int, pid: int, tid: int) -> None:
    writer.system_event(ticks, hook, struct.pack("<II40x", pid, tid), version=3, pid=UNKNOWN, tid=UNKNOWN)


def tasks(path: Path, hook: int = SYSCALL_ENTER) -> list[tuple[int, int]]:
    """Return (pid, tid) of the events of a hook, which the run must agree on."""
    seen: list[Seen] = [each for each in walk(path) if each.hook == hook]
    assert all(each.pid_tgid == each.pid << 32 | each.tid for each in seen)
    return [(each.pid, each.tid) for each in seen]


def test_an_event_belongs_to_the_thread_that_was_switched_to(tmp_path: Path) -> None:
    """Before the first CSwitch nobody is known; the switch itself belongs to the new thread; tid 0 is the idle one."""
    with EtlWriter(tmp_path / "made.etl") as writer:
        thread(writer, START, THREAD_RUNDOWN, 40, 41)
        thread(writer, START, THREAD_START, 50, 51)
        writer.perfinfo_event(START + 1, SYSCALL_ENTER, b"address.")
        for step, tid in enumerate((41, 51, 0, 99)):
            switch(writer, START + 10 * step + 2, tid, 7)
            writer.perfinfo_event(START + 10 * step + 3, SYSCALL_ENTER, b"address.")
    assert tasks(tmp_path / "made.etl") == [(UNKNOWN, UNKNOWN), (40, 41), (50, 51), (0, 0), (UNKNOWN, 99)]
    assert tasks(tmp_path / "made.etl", CSWITCH) == [(40, 41), (50, 51), (0, 0), (UNKNOWN, 99)]


def test_every_cpu_has_its_own_thread(tmp_path: Path) -> None:
    """A switch on one CPU says nothing of another, and the merge by time decides which switch was the last."""
    with EtlWriter(tmp_path / "made.etl", cpus=2, buffer_size=1024) as writer:
        for i in range(200):
            ticks = START + 10 * i
            switch(writer, ticks, 100 + i, 0, cpu=i % 2)
            writer.perfinfo_event(ticks + 1, SYSCALL_ENTER, b"address.", cpu=0)
            writer.perfinfo_event(ticks + 2, SYSCALL_ENTER, b"address.", cpu=1)
    found = [tid for _, tid in tasks(tmp_path / "made.etl")]
    expected = [(100 + i - i % 2, 100 + i - 1 + i % 2) for i in range(200)]
    expected[0] = (100, UNKNOWN)
    assert found == [tid for pair in expected for tid in pair]


def test_headers_teach_which_process_a_thread_is_of(tmp_path: Path) -> None:
    """An event of any other kind that names both is enough, before the switch or behind it; the last word counts."""
    with EtlWriter(tmp_path / "made.etl") as writer:
        switch(writer, START, 9, 0)
        writer.perfinfo_event(START + 1, SYSCALL_ENTER, b"address.")
        writer.manifest_event(START + 2, UUID(int=1), 1, pid=7, tid=9)
        writer.perfinfo_event(START + 3, SYSCALL_ENTER, b"address.")
        switch(writer, START + 4, 10, 9)
        thread(writer, START + 5, THREAD_START, 8, 9)
        switch(writer, START + 6, 9, 10)
        writer.perfinfo_event(START + 7, SYSCALL_ENTER, b"address.")
    assert tasks(tmp_path / "made.etl") == [(UNKNOWN, 9), (7, 9), (8, 9)]


@pytest.mark.parametrize("pointer_size", [4, 8])
def test_a_sample_names_its_thread_itself(tmp_path: Path, pointer_size: int) -> None:
    """Recordings of samples alone have no switches, but the thread is in the payload."""
    with EtlWriter(tmp_path / "made.etl", pointer_size=pointer_size) as writer:
        writer.system_event(START, 0x0300, pid=7, tid=9)
        writer.perfinfo_event(START + 1, SAMPLED, bytes(pointer_size) + struct.pack("<II", 9, 1))
        writer.perfinfo_event(START + 2, SAMPLED, bytes(pointer_size))
    assert tasks(tmp_path / "made.etl", SAMPLED) == [(7, 9), (UNKNOWN, UNKNOWN)]


def test_more_threads_than_are_remembered_are_told_unknown_not_wrong(tmp_path: Path) -> None:
    """The table is bounded: 200,000 threads pass through it, and none is taken for another's."""
    with EtlWriter(tmp_path / "made.etl", buffer_size=1 << 20) as writer:
        for tid in range(4, 800_004, 4):
            writer.compact_event(START, 0x0300, pid=tid + 1, tid=tid)
        for tid in range(4, 800_004, 40):
            switch(writer, START + tid, tid, 0)
    found = [(each.pid, each.tid) for each in walk(tmp_path / "made.etl", "etw-kernel:Thread:36")]
    assert len(found) == 20_000
    assert all(pid in (tid + 1, UNKNOWN) for pid, tid in found)
    assert sum(pid != UNKNOWN for pid, _ in found) > 1000
