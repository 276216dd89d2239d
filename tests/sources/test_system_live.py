"""The system source on this machine: real processes and connections, and two readers that must agree."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sources.polled import CLOSE, EVENTS, EXIT, OPEN, SAMPLE, START, Kept, keeping
from tracerd.native import ffi, lib
from tracerd.sources.system.layouts import ROW, SOCKET, native
from tracerd.sources.system.portable import PsutilReader
from tracerd.sources.system.reader import Reader, Wants, choose_reader

SECOND = 10**9
READERS: list[Callable[[], Reader]] = [choose_reader, PsutilReader]
EVERYTHING = Wants(io=True, handles=True)
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def poll_until(kept: Kept, seen: Callable[[], bool]) -> None:
    """Poll until something is seen."""
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline, "it is never seen"
        kept.source.pump(0)


def line(row: dict[str, Any]) -> bytes:
    return bytes(row["line"])[: row["line_bytes"]]


@pytest.mark.parametrize("reader", READERS)
def test_a_sleep_is_seen_to_start_and_to_end(reader: Callable[[], Reader]) -> None:
    """With its command line, user, parent and times; it was not there at the first poll."""
    with keeping("process:start", "process:exit", "process:sample", reader=reader()) as kept:
        kept.source.pump(0)
        before = time.time_ns()
        with subprocess.Popen(["sleep", "3600"]) as child:
            poll_until(kept, lambda: child.pid in kept.processes(SAMPLE))
            poll_until(kept, lambda: line(kept.processes(SAMPLE)[child.pid]) == b"sleep\x003600\0")
            child.kill()
            child.wait()
            poll_until(kept, lambda: child.pid in kept.processes(EXIT))
        start, end = kept.processes(START)[child.pid], kept.processes(EXIT)[child.pid]
        assert os.getpid() not in kept.processes(START)
    assert (end["name"], line(end), end["parent"]) == ("sleep", b"sleep\x003600\0", os.getpid())
    assert (start["uid"], start["user_name"]) == (os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    assert abs(start["start_ns"] - before) < 3 * SECOND      # psutil knows the boot to the second only
    assert end["start_ns"] == start["start_ns"]
    assert start["lifetime_ns"] < end["lifetime_ns"]


@linux
def test_the_exit_code_of_a_process_that_nobody_waited_for_is_known() -> None:
    """A code, or minus the signal."""
    with keeping("process:exit", reader=choose_reader()) as kept:
        kept.source.pump(0)
        failing = subprocess.Popen(["sh", "-c", "exit 7"])
        killed = subprocess.Popen(["sleep", "3600"])
        killed.kill()
        poll_until(kept, lambda: {failing.pid, killed.pid} <= set(kept.processes(EXIT)))
        codes = {pid: row["exit_code"] for pid, row in kept.processes(EXIT).items()}
        assert kept.processes(EXIT)[failing.pid]["known"] & lib.TR_KNOWN_EXIT_CODE
        assert (failing.wait(), killed.wait()) == (codes[failing.pid], codes[killed.pid]) == (7, -9)


@pytest.mark.parametrize("reader", READERS)
def test_a_connection_is_seen_to_open_and_to_close(reader: Callable[[], Reader]) -> None:
    """Listener and both ends, with ports, state, pid and name; what listened before has no KNOWN_BEGIN."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with keeping("net:open", "net:close", reader=reader()) as kept:
            kept.source.pump(0)
            with socket.create_connection(("127.0.0.1", port)) as client:
                accepted, _ = server.accept()
                here = client.getsockname()[1]
                poll_until(kept, lambda: {(here, port), (port, here)} <= set(kept.connections(OPEN)))
                accepted.close()
            poll_until(kept, lambda: {(here, port), (port, here)} <= set(kept.connections(CLOSE)))
            opened, closed = kept.connections(OPEN), kept.connections(CLOSE)
    for ends in ((port, 0), (here, port), (port, here)):
        row = opened[ends]
        assert (row["pid"], row["task"] >> 32, row["uid"]) == (os.getpid(), os.getpid(), os.getuid())
        assert (row["family"], row["local"], row["protocol"]) == (4, 0x7F000001, 6)
        assert bool(row["known"] & lib.TR_KNOWN_BEGIN) is (ends != (port, 0))
        assert row["name"] == Path("/proc/self/comm").read_text().strip() if sys.platform == "linux" else row["name"]
    assert (opened[port, 0]["state"], opened[here, port]["state"]) == (10, 1)
    assert (port, 0) not in closed
    assert closed[here, port]["lifetime_ns"] > 0


def test_udp_and_ipv6_are_seen_too() -> None:
    """A datagram socket has no state."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound, keeping("net:open") as kept:
        bound.bind(("::1", 0))
        poll_until(kept, lambda: (bound.getsockname()[1], 0) in kept.connections(OPEN))
        row = kept.connections(OPEN)[bound.getsockname()[1], 0]
    assert (row["family"], row["protocol"], row["state"]) == (6, 17, 0)


def test_the_machine_s_numbers_are_plausible() -> None:
    """Every core and the memory are there; cores have run, memory is what /proc/meminfo says."""
    with keeping("system:sample") as kept:
        kept.source.pump(0)
        kept.source.pump(0)
        rows = {(row["kind"], row["index"]): row for row in kept.rows("samples")}
    assert sum(1 for kind, _ in rows if kind == lib.TR_SAMPLE_CPU) == os.cpu_count()
    assert rows[lib.TR_SAMPLE_CPU, 0]["first"] > SECOND // 100
    assert rows[lib.TR_SAMPLE_MEMORY, 0]["first"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    assert any(row["name"].startswith("lo") for (kind, _), row in rows.items() if kind == lib.TR_SAMPLE_INTERFACE)


def test_every_event_of_this_machine_is_delivered() -> None:
    """All six together: what was produced was delivered, in a slot of its own."""
    with keeping(*EVENTS) as kept:
        for _ in range(3):
            kept.source.pump(0)
        kept.source.stop()
        ledgers = kept.source.statistics()
        assert {row["cpu"] for row in kept.rows("processes")} == {3}
    assert set(ledgers) == set(EVENTS)
    assert all(each.produced == each.delivered for each in ledgers.values())
    assert ledgers["process:sample"].produced >= 4


@linux
def test_both_readers_tell_the_same_of_processes() -> None:
    """Of every process that was there before and after: what does not move is equal, what moves lies between.

    The kernel's times and sums over threads go back for a moment now and then, so only what disagrees each time counts;
    and of sizes only those that our own reader sees stand still over all of it (a fuzzer's come and go).
    """
    sizes: dict[int, set[int]] = {}
    always = disagreements(sizes)
    for _ in range(40):
        if not always:
            break
        time.sleep(0.05)
        always &= disagreements(sizes)
    moving = {f"{pid}: virtual_bytes" for pid, seen in sizes.items() if len(seen) > 1}
    assert always - moving == set()


def disagreements(sizes: dict[int, set[int]]) -> set[str]:
    """Read three times, with psutil in the middle; return what does not fit. `sizes` gets those that our reader saw."""
    reader, peer = choose_reader(), PsutilReader()
    before, told, after = reader.processes(EVERYTHING), peer.processes(EVERYTHING), reader.processes(EVERYTHING)
    for row in (*before, *after):
        sizes.setdefault(int(row["pid"]), set()).add(int(row["virtual_bytes"]))
    theirs = {int(row["pid"]): row for row in told}
    later = {(int(row["pid"]), int(row["identity"])): row for row in after}
    triples = [(row, theirs.get(int(row["pid"])), later.get((int(row["pid"]), int(row["identity"])))) for row in before]
    lasting = [(row, other, end) for row, other, end in triples if other is not None and end is not None
               and end["version"] == row["version"] and not end["exited"]]
    assert len(lasting) >= 3
    return {f"{row['pid']}: {name}" for row, other, end in lasting for name in differing(row, other, end)}


def differing(before: Any, other: Any, after: Any) -> list[str]:
    """Return in what two readers differ of one process."""
    differ = [f"{name} {other[name]} not from {before[name]} to {after[name]}"
              for name in ("user_ns", "system_ns", "read_bytes", "write_bytes")
              if not before[name] <= other[name] <= after[name]]
    differ += [name for name in ("parent", "virtual_bytes", "threads")
               if before[name] == after[name] != other[name]]
    if abs(int(other["start_ns"]) - int(before["start_ns"])) > 2 * SECOND:
        differ.append("start_ns")
    if other["name"] not in (before["name"], after["name"]) and not before["name"].startswith(b"kworker/"):
        differ.append("name")
    usual = lib.TR_KNOWN_USAGE | lib.TR_KNOWN_BEGIN
    if before["known"] & other["known"] & usual != usual:
        differ.append("known")
    return differ


@linux
def test_both_readers_describe_a_process_alike() -> None:
    """Command line, user and ids of a child; a name of more than 15 bytes comes from the command line."""
    reader, peer = choose_reader(), PsutilReader()
    code = "import time; time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", code, "", "a b", "ä"], executable=sys.executable) as child:
        try:
            wait_for_line(child.pid, code.encode())
            mine, theirs = (describe(each, child.pid) for each in (reader, peer))
        finally:
            child.kill()
    assert mine == theirs
    assert mine.command_line.endswith("\0a b\0ä\0".encode())
    assert mine.whole


def wait_for_line(pid: int, part: bytes) -> None:
    """Wait until a child runs its own program."""
    deadline = time.monotonic() + 60
    while part not in Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline


def describe(reader: Reader, pid: int) -> Any:
    (row,) = (row for row in reader.processes(EVERYTHING) if row["pid"] == pid)
    return reader.describe(pid, int(row["identity"]), row["name"].decode())


@linux
def test_nobody_is_described_under_a_pid_that_was_reused() -> None:
    """A description of a process with another begin is none."""
    for reader in (choose_reader(), PsutilReader()):
        assert reader.describe(os.getpid(), 1, "x") is None


@linux
def test_a_name_like_a_stat_file_deceives_nobody() -> None:
    """A process may call itself anything: ") Z 1 (" is its name, not its state and parent."""
    code = "open('/proc/self/comm', 'w').write(') Z 1 ('); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        (row,) = (row for row in choose_reader().processes(EVERYTHING) if row["pid"] == child.pid)
        child.communicate(b"\n")
    assert (row["name"], row["parent"], row["exited"]) == (b") Z 1 (", os.getpid(), 0)


@linux
def test_a_renamed_long_program_has_its_long_name() -> None:
    """The kernel keeps 15 bytes of a name; the rest is in the command line."""
    link = Path("/tmp") / f"a-name-longer-than-15-bytes-{os.getpid()}"
    link.symlink_to("/bin/sleep")
    try:
        with subprocess.Popen([str(link), "3600"]) as child:
            wait_for_line(child.pid, b"3600")
            told = [describe(reader, child.pid) for reader in (choose_reader(), PsutilReader())]
            child.kill()
    finally:
        link.unlink()
    assert [each.name for each in told] == [link.name] * 2


@linux
def test_both_ways_to_sockets_agree() -> None:
    """NETLINK_SOCK_DIAG and /proc/net tell the same of the sockets of this process, IPv4 and IPv6, TCP and UDP."""
    made = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("::1", 0), family=socket.AF_INET6)]
    made.append(socket.create_connection(made[0].getsockname()))
    made += [made[0].accept()[0], socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    made[-1].bind(("127.0.0.2", 0))
    inodes = {os.fstat(each.fileno()).st_ino for each in made}
    found = [sockets(way, inodes) for way in (lib.TR_PROC_DIAG, lib.TR_PROC_TABLES)]
    for each in made:
        each.close()
    assert len(found[0]) == len(made)
    assert found[0] == found[1]


def sockets(way: int, inodes: set[int]) -> set[bytes]:
    """Return the rows of some sockets; /proc/net may tell one twice while others come and go."""
    rows = np.zeros(65536, SOCKET)
    count = lib.tr_proc_sockets(native("struct tr_proc_socket[]", rows), len(rows), way)
    assert 0 < count <= len(rows)
    return {row.tobytes() for row in rows[:count] if row["identity"] in inodes}


@linux
def test_too_little_room_is_told_and_nothing_beyond_is_written() -> None:
    """With room for one row the count is that of all, and the second row stays as it was."""
    rows = ffi.new("struct tr_proc_row[2]")
    rows[1].pid = 77
    assert lib.tr_proc_read(rows, 1, 0) > 1
    assert rows[0].pid != 0
    assert (rows[1].pid, rows[1].identity) == (77, 0)
    places = ffi.new("struct tr_proc_socket[2]")
    places[1].pid = 77
    with socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0)):
        for way in (lib.TR_PROC_DIAG, lib.TR_PROC_TABLES):
            assert lib.tr_proc_sockets(places, 1, way) > 1
            assert (places[1].pid, places[1].identity) == (77, 0)


@linux
def test_open_files_are_as_many_as_there_are_links() -> None:
    """By the size that the kernel tells and counted one by one, as before Linux 6.2; more files are more."""
    few = [open_files(way) for way in (lib.TR_PROC_HANDLES, lib.TR_PROC_HANDLES_COUNTED)]
    with Path("/dev/null").open("rb"), Path("/dev/null").open("rb"):
        more = [open_files(way) for way in (lib.TR_PROC_HANDLES, lib.TR_PROC_HANDLES_COUNTED)]
    assert few[1] == few[0] + 1              # the folder that is being counted
    assert more == [few[0] + 2, few[1] + 2]


def open_files(way: int) -> int:
    """Return how many files this process has open."""
    rows = np.zeros(65536, ROW)
    count = lib.tr_proc_read(native("struct tr_proc_row[]", rows), len(rows), way)
    (row,) = (row for row in rows[:count] if row["pid"] == os.getpid())
    assert row["known"] & lib.TR_KNOWN_HANDLES
    return int(row["handles"])


@linux
def test_without_privilege_the_rest_is_known() -> None:
    """Somebody else's IO is not readable, their times, names and open files are; nothing fails."""
    if os.getuid() != 0:
        pytest.skip("only root can become someone else")
    code = (
        "import os, sys\n"
        "from tracerd.sources.system.reader import Wants, choose_reader\n"
        "from tracerd.native import lib\n"
        "reader = choose_reader()\n"
        "os.setgid(54321); os.setuid(54321)\n"
        "row = next(row for row in reader.processes(Wants(io=True, handles=True)) if row['pid'] == os.getppid())\n"
        "told = reader.describe(int(row['pid']), int(row['identity']), 'x')\n"
        "print(int(row['known']) & lib.TR_KNOWN_IO, int(row['user_ns'] > 0), told.uid, len(told.command_line) > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1", "0", "True"]
