"""The psutil reader where psutil may not tell everything: on a psutil that a test makes up."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.sources.polled import BEGIN_NS
from tracerd.errors import SourceError
from tracerd.native import lib
from tracerd.sources.system import machine, portable
from tracerd.sources.system.portable import PsutilReader
from tracerd.sources.system.reader import Wants

EVERYTHING = Wants(io=True, handles=True)


def told(**facts: Any) -> dict[str, Any]:
    """What psutil tells of a process: all of it, unless said otherwise."""
    everything = {
        "ppid": 1, "name": "made", "create_time": BEGIN_NS / 1e9, "num_threads": 2, "status": psutil.STATUS_RUNNING,
        "cpu_times": SimpleNamespace(user=0.57, system=1.15), "memory_info": SimpleNamespace(rss=10, vms=20),
        "io_counters": SimpleNamespace(read_bytes=3, write_bytes=4), "num_fds": None, "num_handles": 9,
        "cmdline": ["made", "a b"], "username": "HOST\\somebody", "uids": None, "gids": None,
    }
    return everything | facts


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """Replace psutil's processes by those of a dictionary; an exception is raised when asked."""
    made: dict[int, Any] = {}

    class Process:
        num_handles = io_counters = name = username = cmdline = status = ppid = create_time = cpu_times = None
        memory_info = num_threads = None                 # as on Windows: no num_fds, uids and gids

        def __init__(self, pid: int) -> None:
            if pid not in made:
                raise psutil.NoSuchProcess(pid)
            self.pid = pid

        def __hash__(self) -> int:
            return -self.pid

        def as_dict(self, names: list[str]) -> dict[str, Any]:
            return {name: made[self.pid][name] for name in names}

        def net_connections(self, kind: str) -> list[Any]:
            assert kind == "inet"
            if isinstance(made[self.pid], Exception):
                raise made[self.pid]
            return [connection(None)]

    monkeypatch.setattr(portable.psutil, "Process", Process)
    monkeypatch.setattr(portable.psutil, "pids", lambda: [*made, 99])
    return made


def connection(pid: int | None, status: str = psutil.CONN_ESTABLISHED) -> Any:
    return SimpleNamespace(
        fd=-1, family=socket.AF_INET6, type=socket.SOCK_STREAM, status=status, pid=pid,
        laddr=SimpleNamespace(ip="fe80::1%eth0", port=80), raddr=(),
    )


def test_what_psutil_tells_becomes_a_row(processes: dict[int, Any]) -> None:
    """Seconds become nanoseconds without losing one to rounding; the gone are left out."""
    processes[7] = told()
    (row,) = PsutilReader().processes(EVERYTHING)
    assert (row["pid"], row["identity"], row["start_ns"]) == (7, 2**64 - 7, BEGIN_NS)
    assert (row["user_ns"], row["system_ns"]) == (570_000_000, 1_150_000_000)
    assert (row["memory_bytes"], row["virtual_bytes"], row["threads"], row["handles"]) == (10, 20, 2, 9)
    known = lib.TR_KNOWN_PARENT | lib.TR_KNOWN_BEGIN | lib.TR_KNOWN_USAGE | lib.TR_KNOWN_IO | lib.TR_KNOWN_HANDLES
    assert row["known"] == known


def test_what_psutil_may_not_tell_is_not_known(processes: dict[int, Any]) -> None:
    """Access denied to everything but the name: numbers are 0 and their bits missing."""
    processes[4] = told(**dict.fromkeys(set(told()) - {"name", "status"}))
    (row,) = PsutilReader().processes(EVERYTHING)
    assert (row["pid"], row["name"], row["known"]) == (4, b"made", 0)
    assert (row["start_ns"], row["user_ns"], row["handles"]) == (0, 0, 0)


def test_a_zombie_has_exited_and_has_no_command_line(processes: dict[int, Any]) -> None:
    """Its exit code is not known: psutil does not tell it."""
    processes[5] = told(status=psutil.STATUS_ZOMBIE, cmdline=[])
    reader = PsutilReader()
    (row,) = reader.processes(EVERYTHING)
    assert row["exited"] == 1
    assert not row["known"] & lib.TR_KNOWN_EXIT_CODE
    described = reader.describe(5, int(row["identity"]), "made")
    assert described is not None
    assert (described.command_line, described.whole) == (b"", False)


def test_a_user_without_a_number_is_known_by_name(processes: dict[int, Any]) -> None:
    """On Windows users have names only."""
    processes[5] = told()
    described = PsutilReader().describe(5, 2**64 - 5, "made")
    assert described is not None
    assert (described.user, described.uid) == ("HOST\\somebody", 65534)
    assert described.known == lib.TR_KNOWN_USER | lib.TR_KNOWN_COMMAND_LINE
    assert described.command_line == b"made\0a b\0"


def test_a_command_line_that_is_too_long_is_cut_to_its_first_argument(processes: dict[int, Any]) -> None:
    """Without KNOWN_COMMAND_LINE the payload is at most the executable's path."""
    processes[5] = told(cmdline=["made", "x" * 70_000])
    described = PsutilReader().describe(5, 2**64 - 5, "made")
    assert described is not None
    assert (described.command_line, described.whole) == (b"made\0", False)


def test_without_permission_for_all_connections_those_of_ones_own_are_read(
    processes: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS refuses the list to all but root; processes that refuse are left out, their neighbours are not."""
    def refuse(kind: str) -> list[Any]:
        raise psutil.AccessDenied(msg=kind)

    monkeypatch.setattr(portable.psutil, "net_connections", refuse)
    processes |= {5: told(), 6: psutil.AccessDenied(6)}
    (row,) = PsutilReader().sockets()
    assert (row["pid"], row["family"], row["protocol"], row["local_port"], row["remote_port"]) == (5, 6, 6, 80, 0)
    assert bytes(row["local"]) == socket.inet_pton(socket.AF_INET6, "fe80::1")


def test_a_connection_in_time_wait_is_nobody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has closed, as the native reader has it."""
    found = [connection(None, psutil.CONN_TIME_WAIT), connection(3)]
    monkeypatch.setattr(portable.psutil, "net_connections", lambda _: found)
    rows = PsutilReader().sockets()
    assert rows["pid"].tolist() == [3]


def test_what_psutil_cannot_do_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the operating system names what could not be read."""
    def fail() -> list[int]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(portable.psutil, "pids", fail)
    with pytest.raises(SourceError, match=r"processes: cannot be read: .*Input/output error"):
        PsutilReader().processes(EVERYTHING)


def test_a_machine_without_disks_has_no_disk_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil answers None; fields that a platform lacks are 0."""
    monkeypatch.setattr(machine.psutil, "disk_io_counters", lambda **_: None)
    monkeypatch.setattr(machine.psutil, "cpu_times", lambda **_: [SimpleNamespace(user=0.57, system=2, idle=3, dpc=4)])
    numbers = PsutilReader().numbers()
    assert {number.kind for number in numbers} == {
        lib.TR_SAMPLE_CPU, lib.TR_SAMPLE_MEMORY, lib.TR_SAMPLE_INTERFACE,
    }
    assert numbers[0].values == (570_000_000, 2 * 10**9, 3 * 10**9, 0, 4 * 10**9, 0)


@pytest.mark.parametrize("name", ["\udcff\udcfe", "half \ud800 a pair"])
def test_a_name_that_is_no_unicode_is_a_name_like_any_other(processes: dict[int, Any], name: str) -> None:
    """Any process may take it; it must not end the polling of all."""
    processes[7] = told(name=name, cmdline=[name])
    reader = PsutilReader()
    (row,) = reader.processes(EVERYTHING)
    described = reader.describe(7, int(row["identity"]), "")
    assert row["name"]
    assert described is not None
    assert described.command_line.endswith(b"\0")
