"""process:start and process:exit from tracepoints: every process of this machine, its threads left out."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.native.process_events import BEGIN, CODE, EXIT, LINE, PARENT, START, USER, process_event
from tests.native.witness import Witness
from tests.sources.live import pump_until_end
from tests.sources.live_processes import need_process_events, watched
from tests.sources.programs import COUNT, Native
from tracerd.errors import ConfigError, SourceError
from tracerd.sources.base import LinkRequest
from tracerd.sources.perf import PerfOptions, PerfSource

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("perf")]


def test_five_hundred_short_processes_are_all_seen() -> None:
    """Each with start and exit, name, parent, user, exit code and a lifetime of its own."""
    with watched() as traced:
        shell = traced.run(["sh", "-c", "for i in $(seq 500); do /bin/true; done"])
        ledgers = traced.ledgers
    starts = [event for event in traced.children(shell, START) if event.name == "true"]
    exits = {event.pid: event for event in traced.children(shell, EXIT) if event.name == "true"}
    assert len(starts) == len(exits) == 500
    me = pwd.getpwuid(os.getuid()).pw_name
    for start in starts:
        end = exits[start.pid]
        known = PARENT | USER | BEGIN
        assert (start.known & known, end.known & known, end.exit_code, end.known & CODE) == (known, known, 0, CODE)
        assert (start.user, end.user, start.uid) == (me, me, os.getuid())
        assert (end.start_ns, end.lifetime_ns) == (start.start_ns, end.time_ns - start.start_ns)
        assert 0 < start.lifetime_ns < end.lifetime_ns < 10**10
        assert start.line in (b"/bin/true\0", b"true\0")
    assert {name: ledger.missing for name, ledger in ledgers.items()} == dict.fromkeys(ledgers, 0)
    assert ledgers["process:start"].via == "tracepoint task:task_newtask"
    assert ledgers["process:exit"].via.startswith("tracepoint sched:sched_process_exit")


def test_times_are_unix_times() -> None:
    """A process that runs between two looks at the clock began and ended between them."""
    with watched() as traced:
        before = time.time_ns()
        pid = traced.run(["/bin/true"])
        after = time.time_ns()
    start, end = traced.of(pid)
    assert before < start.start_ns < start.time_ns < end.time_ns < after


def test_exit_codes_are_known_but_not_those_of_killed_processes() -> None:
    """`exit 7` says 7; a signal leaves no code."""
    with watched() as traced:
        killed = subprocess.Popen(["sleep", "60"])
        traced.source.pump(20)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        exited = traced.run(["sh", "-c", "exit 7"], code=7)
    assert [(event.known & CODE, event.exit_code) for event in traced.of(exited)] == [(0, 0), (CODE, 7)]
    assert [(event.known & CODE, event.exit_code) for event in traced.of(killed.pid)] == [(0, 0), (0, 0)]


def test_the_command_line_of_a_process_that_lives_is_whole() -> None:
    """At its start and at its exit, blanks and empty arguments included."""
    command = ["sh", "-c", "read x", "a b", "", "c"]
    with watched() as traced:
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
        while not traced.of(child.pid):
            traced.source.pump(10)
        child.communicate(b"\n")
        traced.source.stop()
    line = b"".join(argument.encode() + b"\0" for argument in command)
    assert [(event.kind, event.line, event.known & LINE) for event in traced.of(child.pid)] == [
        (START, line, LINE), (EXIT, line, LINE),
    ]


_FORK = """
import os, sys, time
if not (worker := os.fork()):
    time.sleep(float(sys.argv[1]))
    os._exit(3)
os.waitpid(worker, 0)
"""


@pytest.mark.parametrize(("lives", "waits"), [("0.3", True), ("0.01", False)])
def test_a_fork_without_exec_is_seen(lives: str, waits: bool) -> None:
    """A worker that lives is told after a tenth of a second, a short one when it exits; with its parent's line."""
    with watched() as traced:
        pid = traced.run([sys.executable, "-c", _FORK, lives])
    (start,), (end,) = traced.children(pid, START), traced.children(pid, EXIT)
    assert start.pid == end.pid
    assert (start.lifetime_ns == 10**8) is waits
    assert (start.lifetime_ns == end.lifetime_ns) is not waits
    assert start.name.startswith("python")
    assert (start.line, start.known & LINE) == (traced.of(pid)[0].line, LINE)
    assert (end.exit_code, end.known & CODE) == (3, CODE)


_THREADS = """
import threading
for _ in range(50):
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
"""


def test_threads_are_no_processes() -> None:
    """Fifty threads of a child are in the ledgers as filtered, and nowhere else."""
    with watched() as traced:
        pid = traced.run([sys.executable, "-c", _THREADS])
        ledgers = traced.ledgers
    assert [event.kind for event in traced.of(pid)] == [START, EXIT]
    assert traced.children(pid, START) == []
    assert ledgers["process:start"].filtered >= 50
    assert ledgers["process:exit"].filtered >= 50
    assert ledgers["process:start"].missing == ledgers["process:exit"].missing == 0


_LAST_THREAD = """
import ctypes, threading, time, os
threading.Thread(target=lambda: (time.sleep(0.2), os._exit(5))).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_ends_with_its_last_thread() -> None:
    """One exit, when the last thread is gone, though the first one left long before."""
    with watched() as traced:
        via = traced.ledgers["process:exit"].via
        if "first thread" in via:
            pytest.skip("this kernel does not say which thread is the last")
        pid = traced.run([sys.executable, "-c", _LAST_THREAD], code=5)
    start, end = traced.of(pid)
    assert end.lifetime_ns - start.lifetime_ns > 2 * 10**8
    assert end.exit_code == 5


_EXEC_IN_THREAD = """
import os, threading
threading.Thread(target=os.execv, args=("/bin/sh", ["sh", "-c", "exit 4"])).start()
threading.Event().wait()
"""


def test_an_exec_by_another_thread_is_no_end() -> None:
    """The kernel ends all other threads, the first one too, and goes on under the process's id."""
    with watched() as traced:
        pid = traced.run([sys.executable, "-c", _EXEC_IN_THREAD], code=4)
        if "first thread" in traced.ledgers["process:exit"].via:
            pytest.skip("this kernel does not say which thread is the last")
    start, end = traced.of(pid)
    assert (start.kind, end.kind, end.exit_code, end.name) == (START, EXIT, 4, "sh")


def test_a_process_from_before_has_its_beginning_and_line() -> None:
    """One that ran already when tracing began exits with the start time that /proc has, to a hundredth of a second."""
    need_process_events()
    before = time.time_ns()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        begun = time.time_ns()
        with watched() as traced:
            child.communicate()
            traced.source.stop()
    (end,) = traced.of(child.pid)
    assert (end.kind, end.known & (PARENT | BEGIN | LINE)) == (EXIT, PARENT | BEGIN | LINE)
    assert (end.parent, end.line) == (os.getpid(), b"cat\0")
    assert before - 2 * 10**7 < end.start_ns < begun


def test_the_user_is_the_one_who_runs_it() -> None:
    """A process that became somebody else before its exec."""
    if os.getuid() != 0:
        pytest.skip("only root can become someone else")
    with watched() as traced:
        child = subprocess.Popen(["sleep", "0.2"], user="daemon", group=0, extra_groups=[])
        pump_until_end(traced.source, child)
    start, end = traced.of(child.pid)
    assert (start.user, end.user, end.uid) == ("daemon", "daemon", pwd.getpwnam("daemon").pw_uid)


def test_a_user_nobody_knows_is_a_number() -> None:
    """And the number stands as text."""
    if os.getuid() != 0:
        pytest.skip("only root can become someone else")
    with watched() as traced:
        child = subprocess.Popen(["sleep", "0.2"], user=54321, group=0, extra_groups=[])
        pump_until_end(traced.source, child)
    assert [(event.uid, event.user) for event in traced.of(child.pid)] == [(54321, "54321")] * 2


def test_a_process_of_ours_is_filtered() -> None:
    """A helper process that is ignored has no start and no exit, but both are counted."""
    with watched() as traced:
        child = subprocess.Popen(["sleep", "60"])
        traced.source.ignore(child.pid)
        child.kill()
        child.wait()
        other = traced.run(["/bin/true"])
        ledgers = traced.ledgers
    assert traced.of(child.pid) == []
    assert [event.kind for event in traced.of(other)] == [START, EXIT]
    assert ledgers["process:start"].filtered >= 1
    assert ledgers["process:exit"].filtered >= 1


def test_tracepoints_asked_for_too_have_their_own_ledger() -> None:
    """A program on sched_process_exit and one on process:exit see the same exits; threads count for the first only."""
    count = Native(COUNT)
    raw = "tracepoint:sched:sched_process_exit"
    with watched(None, LinkRequest(raw, count.program, 8)) as traced:
        pid = traced.run([sys.executable, "-c", _THREADS])
        ledgers = traced.ledgers
    assert count.thread(pid)[0] == 1
    assert traced.of(pid)[1].kind == EXIT
    assert ledgers[raw].produced == ledgers["process:exit"].produced
    assert ledgers[raw].delivered == ledgers[raw].produced
    assert ledgers["process:exit"].delivered <= ledgers[raw].delivered - 50
    assert all(ledger.missing == 0 for ledger in ledgers.values())
    assert ledgers[raw].via == ""


def test_one_kind_alone_opens_no_more_than_it_needs() -> None:
    """Exit codes cost every system call something, so process:start does without them."""
    need_process_events()
    witness = Witness(payload=True)
    source = PerfSource()
    source.open([LinkRequest("process:start", witness.program, 280)])
    child = subprocess.Popen(["/bin/true"])
    pump_until_end(source, child)
    rows = set(source.statistics())
    source.close()
    assert [process_event(seen).kind for seen in witness.seen if process_event(seen).pid == child.pid] == [START]
    assert rows == {
        "process:start", "tracepoint:sched:sched_process_exec", "tracepoint:sched:sched_process_exit",
    }


_BOMB = """
import os, sys
for batch in range(int(sys.argv[1])):
    children = []
    for _ in range(100):
        if not (child := os.fork()):
            os._exit(1)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
"""


def _resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.parametrize("pages", [1, 2048])
def test_a_fork_bomb_is_counted_to_the_last_process(pages: int) -> None:
    """20,000 processes: the ledger is exact, in tiny rings too, and memory stays what it was."""
    count = Native(COUNT)
    need_process_events()
    source = PerfSource(PerfOptions(pages=pages))
    source.open([LinkRequest(event, count.program, 280) for event in ("process:start", "process:exit")])
    before = _resident_kib()
    child = subprocess.Popen([sys.executable, "-c", _BOMB, "200"])
    while child.poll() is None:
        time.sleep(0.05 if pages == 1 else 0)
        source.pump(0 if pages == 1 else 20)
    source.stop()
    grown = _resident_kib() - before
    ledgers, cost = source.statistics(), source.cost()
    source.close()
    for name in ("process:start", "process:exit"):
        ledger = ledgers[name]
        assert ledger.produced >= 20_001
        assert ledger.missing == 0
        assert (ledger.lost > 0) is (pages == 1)
        assert ledger.delivered >= 20_001 - ledger.lost
    assert all(ledger.missing == 0 for ledger in ledgers.values())
    assert grown < 16 * 1024 + pages * 4 * 2
    assert cost.processes < 32768


_WORKER = """
import os, sys
if not (worker := os.fork()):
    sys.stdin.read()
    os._exit(0)
print(worker, flush=True)
os.waitpid(worker, 0)
"""


def test_while_it_runs_only_waiting_starts_are_missing() -> None:
    """A fork that waits for its exec is under way, and told at once when the source is stopped."""
    for _ in range(10):                  # a busy machine may let the tenth of a second pass before we look
        with watched() as traced:
            child = subprocess.Popen([sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert child.stdout is not None
            worker = int(child.stdout.readline())
            traced.source.pump(20)
            under_way, told = traced.ledgers["process:start"].missing, traced.of(worker)
            traced.source.stop()
            missing = traced.ledgers["process:start"].missing
            child.communicate()
        if not told:
            break
    assert told == []
    assert under_way >= 1
    assert [event.kind for event in traced.of(worker)] == [START]
    assert missing == 0


def test_a_program_that_reads_too_much_is_refused() -> None:
    """More than a process context has; nothing stays open."""
    need_process_events()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(SourceError, match="reads 281 bytes of the context, which has 280"):
        PerfSource().open([LinkRequest("process:start", Native(COUNT).program, 281)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_samples_are_not_perf_s() -> None:
    """process:sample is polled, by another source."""
    need_process_events()
    with pytest.raises(ConfigError, match="is not an event of the Linux kernel"):
        PerfSource().open([LinkRequest("process:sample", Native(COUNT).program, 8)])


def test_a_pump_in_a_thread_tells_processes_too() -> None:
    """As a session runs it: pumped in one thread, read in another."""
    with watched() as traced:
        thread = threading.Thread(target=traced.source.pump, args=(1000,))
        thread.start()
        pid = subprocess.Popen(["/bin/true"])
        pid.wait()
        time.sleep(0.1)
        traced.source.wake()
        thread.join()
        traced.source.stop()
    assert [event.kind for event in traced.of(pid.pid)] == [START, EXIT]
