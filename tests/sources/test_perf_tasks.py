"""The task table: who a thread is, followed through forks, renames and exits, in bounded memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd.native import ffi, lib
from tracerd.sources.tasks import thread_ids

UNKNOWN = 65534


@pytest.fixture
def tasks() -> Iterator[Any]:
    table = lib.tr_tasks_new(512)
    yield table
    lib.tr_tasks_free(table)


def _put(tasks: Any, tid: int, comm: str, tgid: int = 0, uid: int = 7) -> None:
    task = ffi.new("struct tr_task *", {"tgid": tgid or tid, "uid": uid, "gid": 8, "comm": comm.encode()})
    lib.tr_tasks_put(tasks, tid, task)


def _get(tasks: Any, tid: int) -> tuple[int, int, int, str] | None:
    task: Any = ffi.new("struct tr_task *")
    if not lib.tr_tasks_get(tasks, tid, task):
        return None
    return task.tgid, task.uid, task.gid, bytes(ffi.buffer(task.comm)).rstrip(b"\0").decode()


def _statistics(tasks: Any) -> Any:
    statistics = ffi.new("struct tr_tasks_statistics *")
    lib.tr_tasks_statistics(tasks, statistics)
    return statistics


def test_a_child_inherits_name_and_ids(tasks: Any) -> None:
    """A fork copies its parent; a new thread belongs to its parent's process, a new process to itself."""
    _put(tasks, 100, "shell")
    lib.tr_tasks_fork(tasks, 100, 101, 100)
    lib.tr_tasks_fork(tasks, 100, 102, 102)
    assert _get(tasks, 101) == (100, 7, 8, "shell")
    assert _get(tasks, 102) == (102, 7, 8, "shell")


def test_an_unknown_user_is_never_root(tasks: Any) -> None:
    """A thread whose parent nobody knows has the overflow ids and no name."""
    lib.tr_tasks_fork(tasks, 5, 6, 6)
    assert _get(tasks, 6) == (6, UNKNOWN, UNKNOWN, "")
    lib.tr_tasks_name(tasks, 6, 6, b"named")
    assert _get(tasks, 6) == (6, UNKNOWN, UNKNOWN, "named")


def test_a_name_keeps_fifteen_bytes(tasks: Any) -> None:
    """Names are cut like the kernel's, and shorter ones leave nothing of the name before."""
    lib.tr_tasks_name(tasks, 9, 9, b"0123456789abcdefgh")
    assert _get(tasks, 9) == (9, UNKNOWN, UNKNOWN, "0123456789abcde")
    lib.tr_tasks_name(tasks, 9, 9, b"x")
    task: Any = ffi.new("struct tr_task *")
    lib.tr_tasks_get(tasks, 9, task)
    assert bytes(ffi.buffer(task.comm)) == b"x".ljust(16, b"\0")


def test_an_exited_thread_is_known_until_its_place_is_needed(tasks: Any) -> None:
    """Its last events come after its exit; a new thread takes an exited one's place before a living one's."""
    for tid in range(0, 8 * 64, 64):         # all in one set
        _put(tasks, 64 + tid, f"t{tid}")
    lib.tr_tasks_exit(tasks, 64 + 64 * 3)
    assert _get(tasks, 64 + 64 * 3) is not None
    _put(tasks, 64 + 64 * 8, "new")
    assert _get(tasks, 64 + 64 * 3) is None
    assert all(_get(tasks, 64 + 64 * at) for at in range(9) if at != 3)
    assert _statistics(tasks).evicted == 0


def test_a_full_table_forgets_and_counts(tasks: Any) -> None:
    """Ten times more threads than places: memory stays, every forgotten living thread is counted."""
    for tid in range(1, 5121):
        _put(tasks, tid, "t")
    statistics = _statistics(tasks)
    assert (statistics.capacity, statistics.tasks, statistics.evicted) == (512, 512, 5120 - 512)
    assert sum(_get(tasks, tid) is not None for tid in range(1, 5121)) == 512


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "fork", "name", "exit"]), st.integers(0, 60), st.integers(0, 60))))
def test_the_table_is_a_dictionary_while_there_is_room(steps: list[tuple[str, int, int]]) -> None:
    """Any sequence of records gives the same answers as a plain dictionary."""
    table, model = lib.tr_tasks_new(512), dict[int, tuple[int, int, int, str]]()
    for what, tid, other in steps:
        if what == "put":
            _put(table, tid, f"n{other}", tgid=other + 1)
            model[tid] = (other + 1, 7, 8, f"n{other}")
        elif what == "fork":
            lib.tr_tasks_fork(table, other, tid, tid)
            model[tid] = (tid, *model.get(other, (0, UNKNOWN, UNKNOWN, ""))[1:])
        elif what == "name":
            lib.tr_tasks_name(table, tid, other, b"new")
            model[tid] = (other, *model.get(tid, (0, UNKNOWN, UNKNOWN))[1:3], "new")
        else:
            lib.tr_tasks_exit(table, tid)
    assert {tid: _get(table, tid) for tid in range(61)} == {tid: model.get(tid) for tid in range(61)}
    lib.tr_tasks_free(table)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_proc_gives_every_thread_as_psutil_sees_its_process() -> None:
    """Process, user and group of all threads that live through the test agree with psutil; names with their file."""
    compared = 0
    for process in psutil.process_iter():
        try:
            uids, gids, threads = process.uids(), process.gids(), process.threads()
        except psutil.Error:
            continue
        for thread in threads:
            task: Any = ffi.new("struct tr_task *")
            try:
                comm = Path(f"/proc/{thread.id}/comm").read_bytes().rstrip(b"\n")
            except OSError:
                continue
            if not lib.tr_task_read(thread.id, task):
                continue
            assert (task.tgid, task.uid, task.gid) == (process.pid, uids.real, gids.real)
            if not comm.startswith(b"kworker/"):
                assert ffi.string(task.comm) == comm[:15]
            compared += 1
    assert compared > 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_a_thread_that_is_gone_is_not_read() -> None:
    """No entry is invented for a number that nobody has."""
    assert lib.tr_task_read(0x7FFFFFFF, ffi.new("struct tr_task *")) == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc here")
def test_all_threads_are_listed() -> None:
    """The listing has this process's threads, not only processes."""
    seen: list[int] = []
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    seen.extend(thread_ids())
    stop.set()
    thread.join()
    assert {os.getpid(), thread.native_id} <= set(seen)
