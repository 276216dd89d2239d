"""The process tracker: forks, execs and exits become starts and exits, each told once, in order of time."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.process_events import (
    BEGIN,
    CODE,
    EXIT,
    LINE,
    OFFSET,
    PARENT,
    START,
    USER,
    WAIT,
    Tracker,
)
from tests.native.witness import Witness
from tracerd.native import ffi, lib

THREAD, SIBLING = lib.TR_FORK_THREAD, lib.TR_FORK_PARENT

need_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")


def test_a_start_is_told_at_the_first_exec() -> None:
    """With the name it has then, the file it runs, and the time of its fork as its beginning."""
    tracker = Tracker()
    tracker.fork(1000, parent=5, pid=70)
    assert tracker.told == []
    tracker.name(70, "true")
    tracker.exec(1500, 70, "/bin/true", cpu=3)
    (start,) = tracker.events
    assert (start.kind, start.pid, start.parent, start.name, start.uid) == (START, 70, 5, "true", 7)
    assert (start.time_ns, start.start_ns, start.lifetime_ns) == (OFFSET + 1500, OFFSET + 1000, 500)
    assert start.line == b"/bin/true\0"
    assert start.known == PARENT | USER | BEGIN
    assert (start.seen.now_ns, start.seen.cpu) == (1500, 3)
    assert (start.seen.pid_tgid, start.seen.uid_gid) == (70 << 32 | 70, 8 << 32 | 7)
    assert start.seen.comm == b"true".ljust(16, b"\0")


def test_a_second_exec_is_no_start() -> None:
    """But the exit has the name and the file of what ran last."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.exec(1500, 70, "/bin/sh")
    tracker.name(70, "ls")
    tracker.exec(1600, 70, "/bin/ls")
    tracker.exit(2000, 70)
    assert tracker.told == [(START, 70, 1500), (EXIT, 70, 2000)]
    assert (tracker.events[1].name, tracker.events[1].line) == ("ls", b"/bin/ls\0")


def test_a_start_without_exec_is_told_when_it_has_waited() -> None:
    """At the time when it had waited long enough, on the CPU of its fork, with its parent's command line."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.exec(1100, 70, "/usr/bin/server")
    tracker.fork(2000, 70, 71, cpu=2)
    assert lib.tr_processes_due(tracker.native) == 2000 + WAIT
    lib.tr_processes_advance(tracker.native, 2000 + WAIT - 1)
    assert len(tracker.told) == 1
    lib.tr_processes_advance(tracker.native, 2000 + 2 * WAIT)
    worker = tracker.events[1]
    assert tracker.told[1] == (START, 71, 2000 + WAIT)
    assert (worker.parent, worker.line, worker.seen.cpu, worker.lifetime_ns) == (70, b"/usr/bin/server\0", 2, WAIT)
    assert lib.tr_processes_due(tracker.native) == 0xFFFFFFFFFFFFFFFF
    tracker.exec(2000 + 3 * WAIT, 71, "/bin/late")
    assert len(tracker.told) == 2


def test_a_process_that_exits_without_exec_starts_then_exits() -> None:
    """Both at the time of its exit, and its start no longer waits."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.exit(1700, 70)
    lib.tr_processes_flush(tracker.native, 5000)
    assert tracker.told == [(START, 70, 1700), (EXIT, 70, 1700)]
    assert tracker.events[1].lifetime_ns == 700


def test_at_the_end_every_waiting_start_is_told() -> None:
    """So that the ledger balances."""
    tracker = Tracker()
    for pid in range(70, 74):
        tracker.fork(1000 + pid, 5, pid)
    lib.tr_processes_flush(tracker.native, 5000)
    assert tracker.told == [(START, pid, 5000) for pid in range(70, 74)]
    assert tracker.ledger(START) == {"delivered": 4}


def test_threads_are_filtered() -> None:
    """A clone that shares its process is none; nor is the idle task."""
    tracker = Tracker()
    tracker.fork(1000, 70, 71, flags=THREAD)
    tracker.fork(1000, 1, 0)
    lib.tr_processes_flush(tracker.native, 5000)
    assert tracker.told == []
    assert tracker.ledger(START) == {"filtered": 2}


def test_a_sibling_has_its_forker_s_parent() -> None:
    """CLONE_PARENT: the kernel makes it a child of the forker's parent; of a forker nobody knows, that is not known."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.fork(1001, 70, 71, flags=SIBLING)
    tracker.fork(1002, 99, 72, flags=SIBLING)
    lib.tr_processes_flush(tracker.native, 5000)
    assert [(event.parent, event.known & PARENT) for event in tracker.events] == [(5, PARENT), (5, PARENT), (0, 0)]


@pytest.mark.parametrize(("given", "told"), [(7, 7), (0, 0), (263, 7), (-1, 255)])
def test_an_exit_code_is_what_a_parent_sees(given: int, told: int) -> None:
    """Its low eight bits."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.code(70, given)
    tracker.exit(2000, 70)
    assert (tracker.events[1].exit_code, tracker.events[1].known & CODE) == (told, CODE)
    assert tracker.events[0].kind == START


def test_a_killed_process_has_no_exit_code() -> None:
    """It never said one; the next process of that number does not inherit one either."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.code(70, 9)
    tracker.exit(2000, 70)
    tracker.fork(3000, 5, 70)
    tracker.exit(4000, 70)
    exits = [event for event in tracker.events if event.kind == EXIT]
    assert [(event.exit_code, event.known & CODE) for event in exits] == [(9, CODE), (0, 0)]


def test_an_exit_of_a_process_nobody_told_of_claims_nothing() -> None:
    """Neither a beginning nor a parent nor a user."""
    tracker = Tracker()
    tracker.exit(2000, 70)
    (event,) = tracker.events
    assert (event.known, event.lifetime_ns, event.parent, event.uid, event.name) == (0, 0, 0, 65534, "")
    assert event.start_ns == event.time_ns == OFFSET + 2000


def test_our_own_processes_are_filtered_but_not_their_children() -> None:
    """A child of ours is a process of the machine."""
    tracker = Tracker()
    tracker.ignored.count, tracker.ignored.pid[0] = 1, 70
    tracker.fork(1000, 5, 70)
    tracker.fork(1001, 70, 71)
    tracker.exit(2000, 70)
    tracker.exit(2001, 71)
    assert tracker.told == [(START, 71, 2001), (EXIT, 71, 2001)]
    assert tracker.ledger(START) == tracker.ledger(EXIT) == {"delivered": 1, "filtered": 1}


def test_an_aborted_program_counts_as_failed() -> None:
    """In the account of its kind."""
    tracker = Tracker(witness=Witness(payload=True, abort=True))
    tracker.fork(1000, 5, 70)
    tracker.exit(2000, 70)
    assert tracker.ledger(START) == tracker.ledger(EXIT) == {"failed": 1}


def test_without_room_to_wait_the_oldest_start_is_told_early() -> None:
    """Nothing is lost, and it is counted."""
    tracker = Tracker(waiting=4)
    for pid in range(70, 76):
        tracker.fork(1000 + pid, 5, pid)
    assert tracker.told == [(START, 70, 1074), (START, 71, 1075)]
    assert (tracker.statistics.early, tracker.statistics.waiting) == (2, 4)


def test_starts_that_were_told_leave_room_to_wait() -> None:
    """A thousand processes that exec at once never press on four places."""
    tracker = Tracker(waiting=4)
    for at in range(1000):
        tracker.fork(1000 + at, 5, 70 + at % 8)
        tracker.exec(1000 + at, 70 + at % 8, "/bin/true")
    assert tracker.ledger(START) == {"delivered": 1000}
    assert (tracker.statistics.early, tracker.statistics.waiting) == (0, 0)


def test_without_room_to_remember_processes_are_told_and_forgotten() -> None:
    """Memory stays; every start is told once; whoever was forgotten exits without a beginning."""
    tracker = Tracker(capacity=64, waiting=1000)
    for pid in range(100, 300):
        tracker.fork(pid, 5, pid)
    assert (tracker.statistics.processes, tracker.statistics.evicted) == (64, 136)
    lib.tr_processes_flush(tracker.native, 5000)
    for pid in range(100, 300):
        tracker.exit(6000, pid)
    assert Counter(event.pid for event in tracker.events if event.kind == START) == Counter(range(100, 300))
    assert sum(event.known & BEGIN == BEGIN for event in tracker.events if event.kind == EXIT) == 64
    assert tracker.ledger(START) == tracker.ledger(EXIT) == {"delivered": 200}
    assert tracker.statistics.processes == 0


def test_a_number_given_out_again_is_another_process() -> None:
    """Where the exit between was lost, the first one's start is told before its place is taken."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.fork(2000, 6, 70)
    tracker.exec(2500, 70, "/bin/true")
    assert [(event.parent, event.start_ns - OFFSET) for event in tracker.events] == [(5, 1000), (6, 2000)]
    lib.tr_processes_flush(tracker.native, 5000)
    assert len(tracker.told) == 2


def test_lines_written_over_are_not_told() -> None:
    """The store holds the last 4 MiB: an old process's exit has no command line rather than another's."""
    tracker = Tracker(capacity=16)
    tracker.fork(1000, 5, 70)
    tracker.exec(1001, 70, "/bin/old")
    tracker.fork(1002, 5, 71)
    for at in range(1050):
        tracker.exec(1003 + at, 71, "x" * 4095 if at % 2 else "y" * 3900)
    tracker.exit(9000, 70)
    tracker.exit(9001, 71)
    old, young = tracker.events[2:]
    assert (old.line, young.line) == (b"", b"x" * 4095 + b"\0")


def test_a_name_that_the_kernel_cut_is_told_whole() -> None:
    """Where the command line's first argument begins with it, as of polled processes; helpers have the kernel's."""
    tracker = Tracker()
    for name, file in (("gnome-terminal-", "/usr/libexec/gnome-terminal-server"), ("gnome-terminal-", "/bin/python"),
                       ("short", "/bin/shorter"), ("x" * 15, "/a/" + "x" * 100), ("x" * 15, "x" * 15)):
        tracker.name(70, name)
        tracker.fork(1000, 5, 70)
        tracker.exec(1001, 70, file)
        assert tracker.events[-1].seen.comm == name.encode().ljust(16, b"\0")
    assert [event.name for event in tracker.events] == [
        "gnome-terminal-server", "gnome-terminal-", "short", "x" * 63, "x" * 15,
    ]


def test_users_are_named_once_they_are_told() -> None:
    """Until then their number stands for the name, and they are asked for once."""
    tracker = Tracker()
    tracker.fork(1000, 5, 70)
    tracker.name(70, "x", uid=1234)
    tracker.exit(1100, 70)
    assert [lib.tr_processes_missing_user(tracker.native) for _ in range(2)] == [1234, -1]
    lib.tr_processes_user(tracker.native, 1234, b"u" * 100)
    tracker.fork(1200, 5, 70)
    tracker.exit(1300, 70)
    assert [event.user for event in tracker.events] == ["1234", "1234", "u" * 63, "u" * 63]
    assert lib.tr_processes_missing_user(tracker.native) == -1


def test_more_users_than_places_are_asked_for_again() -> None:
    """A set of eight keeps the youngest; nobody gets another's name."""
    tracker = Tracker()
    for uid in range(0, 512 * 12, 512):
        lib.tr_processes_user(tracker.native, uid, f"u{uid}".encode())
    for uid in range(0, 512 * 12, 512):
        tracker.name(70, "x", uid=uid)
        tracker.fork(1000, 5, 70)
        tracker.exit(1001, 70)
        assert tracker.events[-1].user in (f"u{uid}", str(uid))
    assert sum(event.user.startswith("u") for event in tracker.events if event.kind == EXIT) == 8


def test_links_of_other_events_are_refused() -> None:
    """A tracker knows starts and exits."""
    tracker = Tracker()
    link = ffi.new("struct tr_link[]", [{"program": tracker.witness.program, "event": lib.TR_PROCESS_SAMPLE}])
    assert lib.tr_processes_set_links(tracker.native, link, 1) == -1


@need_proc
def test_the_whole_command_line_is_read_while_the_process_lives() -> None:
    """Blanks and empty arguments included, each ended by a NUL; of a line too long the first only, not called whole."""
    cases = ((["a b", ""], True), (["x" * 65520], True), (["x" * 65521], False), (["x"] * 40000, False))
    for arguments, whole in cases:
        command = ["sh", "-c", "read x", *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            while not Path(f"/proc/{child.pid}/cmdline").read_bytes():
                time.sleep(0.001)                # Popen returns in the middle of the exec
            tracker = Tracker(reads=1)
            tracker.fork(1000, 5, child.pid)
            tracker.exec(1001, child.pid, "/bin/sh")
        full = b"".join(argument.encode() + b"\0" for argument in command)
        (start,) = tracker.events
        assert start.line == (full if whole else b"sh\0")
        assert bool(start.known & LINE) is whole
        assert (len(full) < 65535) is whole


@need_proc
def test_reads_of_a_batch_are_bounded() -> None:
    """Two looks are allowed: two processes have their command lines, the third the file it runs."""
    tracker = Tracker(reads=2)
    for at in range(3):
        tracker.name(os.getpid(), "python")
        tracker.fork(1000, 5, os.getpid())
        tracker.exec(1001 + at, os.getpid(), "/file")
    assert [event.known & LINE for event in tracker.events] == [LINE, LINE, 0]
    assert tracker.events[2].line == b"/file\0"
    assert tracker.events[0].line == Path("/proc/self/cmdline").read_bytes()


@need_proc
def test_a_process_from_before_is_known_from_proc() -> None:
    """Parent, beginning and command line as psutil-like sources have them."""
    tracker = Tracker()
    assert lib.tr_processes_seed(tracker.native, os.getpid()) == 1
    assert lib.tr_processes_seed(tracker.native, 0x7FFFFFFF) == 0
    parent, began = ffi.new("uint32_t *"), ffi.new("uint64_t *")
    assert lib.tr_process_read(os.getpid(), parent, began) == 1
    tracker.exit(began[0] + 12345, os.getpid())
    (event,) = tracker.events
    assert (event.parent, event.lifetime_ns) == (os.getppid(), 12345)
    assert event.known & (BEGIN | PARENT | LINE) == BEGIN | PARENT | LINE
    assert event.line == Path("/proc/self/cmdline").read_bytes()


@need_proc
def test_a_name_with_brackets_does_not_confuse_proc() -> None:
    """The second field of /proc/PID/stat may hold anything."""
    parent, began = ffi.new("uint32_t *"), ffi.new("uint64_t *")
    with subprocess.Popen(["sh", "-c", "echo -n 'a) R 1 (' > /proc/$$/comm; echo; read x"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert lib.tr_process_read(child.pid, parent, began) == 1
        child.communicate(b"\n")
    assert parent[0] == os.getpid()


_WHAT = st.sampled_from(["fork", "thread", "exec", "exit", "pass"])
_STEPS = st.lists(st.tuples(_WHAT, st.integers(1, 40), st.integers(0, WAIT // 2)))


@settings(max_examples=200, deadline=None)
@given(_STEPS, st.sampled_from([1, 3, 64]), st.sampled_from([8, 64]))
def test_any_records_are_told_once_and_in_order(steps: list[tuple[str, int, int]], waiting: int, capacity: int) -> None:
    """Whatever comes, in whatever little room: as many starts as forks, as many exits as exits, time never goes back,
    and a process that was seen to begin starts before it exits."""
    tracker = Tracker(capacity=capacity, waiting=waiting)
    now, forks, exits = 1000, Counter[int](), Counter[int]()
    for what, pid, later in steps:
        now += later
        while lib.tr_processes_due(tracker.native) <= now:
            lib.tr_processes_advance(tracker.native, lib.tr_processes_due(tracker.native))
        if what in ("fork", "thread"):
            tracker.fork(now, 5, pid, flags=THREAD if what == "thread" else 0)
            forks[pid] += what == "fork"
        elif what == "exec":
            tracker.exec(now, pid, "/x")
        elif what == "exit":
            tracker.exit(now, pid)
            exits[pid] += 1
    lib.tr_processes_flush(tracker.native, now)
    times = [event.seen.now_ns for event in tracker.events]
    assert times == sorted(times)
    assert Counter(event.pid for event in tracker.events if event.kind == START) == +forks
    assert Counter(event.pid for event in tracker.events if event.kind == EXIT) == exits
    begun = set[tuple[int, int]]()
    for event in tracker.events:
        if event.kind == START:
            begun.add((event.pid, event.start_ns))
        elif event.known & BEGIN:
            assert (event.pid, event.start_ns) in begun
    assert tracker.statistics.waiting == 0
