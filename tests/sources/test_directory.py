"""Who is behind a process id: looked up once, remembered after the exit, forgotten when there are too many."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracerd.snapshot import Process
from tracerd.sources.system import directory
from tracerd.sources.system.directory import ProcessDirectory


class Machine:
    """Processes that come and go, and a clock."""

    def __init__(self) -> None:
        self.names = {1: "init", 2: "sh"}
        self.now = 100.0
        self.described: list[int] = []
        self.threads: set[int] = set()
        self.refuses = False

    def describe(self, pid: int) -> tuple[str, str] | None:
        self.described.append(pid)
        return (self.names[pid], f"{self.names[pid]} -x") if pid in self.names else None

    def directory(self) -> ProcessDirectory:
        return ProcessDirectory(
            self.list, self.describe, lambda: self.now, lambda pid: pid in self.threads, ours=True
        )

    def list(self) -> list[int]:
        if self.refuses:
            raise PermissionError(13, "Permission denied")
        return [*self.names]


def test_this_process_is_found() -> None:
    """Its name and command line, with the readers of this machine; a number that nobody has is no process."""
    found = ProcessDirectory(ours=True).look([os.getpid(), 2**31 - 1])
    assert found[os.getpid()].alive
    assert os.path.basename(sys.executable)[:6] in found[os.getpid()].command_line  # noqa: PTH119
    assert found[2**31 - 1] == Process("", "", alive=False)


def test_a_process_is_told_as_it_was_after_its_exit() -> None:
    """Name and command line stay; only that it is alive does not."""
    machine = Machine()
    looked = machine.directory()
    assert looked.look([2]) == {2: Process("sh", "sh -x", alive=True)}
    del machine.names[2]
    machine.now += 1
    assert looked.look([2]) == {2: Process("sh", "sh -x", alive=False)}


def test_a_process_is_described_once_until_it_may_be_another() -> None:
    """A number that has ended and is alive again is another process; a living one is looked at again after a while."""
    machine = Machine()
    looked = machine.directory()
    for _ in range(3):
        looked.look([2])
        machine.now += 1
    assert machine.described == [2]
    machine.names[2] = "ls"
    machine.now += directory.LOOK_AGAIN_SECONDS
    assert looked.look([2])[2].name == "ls"


def test_threads_and_the_idle_task_have_not_ended() -> None:
    """Programs may count by thread, and the kernel's own work has process id 0: no list of processes has either."""
    machine = Machine()
    machine.threads = {77}
    found = machine.directory().look([0, 77, 78])
    assert [found[pid].alive for pid in (0, 77, 78)] == [True, True, False]


def test_who_cannot_be_listed_has_not_ended() -> None:
    """Nothing can be told, so nothing is."""
    machine = Machine()
    machine.refuses = True
    assert machine.directory().look([1, 2]) == {}


def test_other_namespaces_processes_are_not_told() -> None:
    """In a container the ids of events are not those of /proc."""
    assert ProcessDirectory(ours=False).look([1, os.getpid()]) == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have ended go first."""
    monkeypatch.setattr(directory, "MOST", 3)
    machine = Machine()
    machine.names = {pid: f"p{pid}" for pid in range(1, 7)}
    looked = machine.directory()
    looked.look([1, 2, 3])
    for pid in (1, 2):
        del machine.names[pid]
    machine.now += 1
    looked.look([4, 5])
    assert set(looked._known) == {3, 4, 5}
    looked.look([6])
    assert len(looked._known) == 3


def test_a_real_process_that_exits() -> None:
    """Started, looked at, ended, looked at again."""
    looked = ProcessDirectory(ours=True)
    child = subprocess.Popen(["sleep", "30"])
    try:
        command = Path(f"/proc/{child.pid}/cmdline")
        while not command.read_bytes():          # the kernel closes our pipe a moment before it is there
            time.sleep(0.001)
        before = looked.look([child.pid])[child.pid]
    finally:
        child.kill()
        child.wait()
    looked._listed = -1.0
    after = looked.look([child.pid])[child.pid]
    assert (before.alive, after.alive) == (True, False)
    assert after.command_line == before.command_line == "sleep 30"
