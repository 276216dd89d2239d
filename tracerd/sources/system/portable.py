"""Any operating system, through psutil: one call per fact and process, so a larger machine is polled less often.

Not run on Windows or macOS.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import psutil

from tracerd.errors import SourceError
from tracerd.native import lib
from tracerd.sources.system.layouts import ROW, SOCKET, UNKNOWN_ID, Rows
from tracerd.sources.system.machine import read_numbers
from tracerd.sources.system.reader import Description, Number, Wants

_BASICS = ("ppid", "name", "create_time", "cpu_times", "memory_info", "num_threads", "status")
_HANDLES = ("num_fds", "num_handles")
_STATES = {
    psutil.CONN_ESTABLISHED: 1, psutil.CONN_SYN_SENT: 2, psutil.CONN_SYN_RECV: 3, psutil.CONN_FIN_WAIT1: 4,
    psutil.CONN_FIN_WAIT2: 5, psutil.CONN_TIME_WAIT: 6, psutil.CONN_CLOSE: 7, psutil.CONN_CLOSE_WAIT: 8,
    psutil.CONN_LAST_ACK: 9, psutil.CONN_LISTEN: 10, psutil.CONN_CLOSING: 11,
}
"""Numbers of the Linux kernel (include/net/tcp_states.h)."""

_OWNERLESS = (psutil.CONN_TIME_WAIT, psutil.CONN_SYN_RECV)


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Turn what the system refuses into an error of ours."""
    try:
        yield
    except (psutil.Error, OSError) as error:
        raise SourceError(what, f"cannot be read: {error}") from error


class PsutilReader:
    """Reads this machine through psutil."""

    name = "psutil"

    def processes(self, wants: Wants) -> Rows:
        """Return a ROW for each process."""
        names = [*_BASICS, *(["io_counters"] if wants.io else []), *(_HANDLES if wants.handles else ())]
        attributes = [name for name in names if hasattr(psutil.Process, name)]
        rows = np.zeros(4096, ROW)
        count = 0
        with refused("processes"):
            for pid in psutil.pids():
                if count == len(rows):
                    rows = np.concatenate([rows, np.zeros(count, ROW)])
                count += _fill_row(rows[count], pid, attributes)
        return rows[:count]

    def describe(self, pid: int, identity: int, name: str) -> Description | None:
        """Describe the process of a row."""
        with refused("processes"), suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if _identity(process) == identity:
                told = process.as_dict(_known(("name", "username", "uids", "gids", "cmdline", "status")))
                line = told["cmdline"] if told["status"] != psutil.STATUS_ZOMBIE else None
                return _description(told, name, line)
        return None

    def sockets(self) -> Rows:
        """Return a SOCKET for each TCP and UDP socket; without permission for all, those of processes one may see."""
        with refused("connections"):
            found = [(each, pid) for each, pid in _connections() if each.status not in _OWNERLESS]
            rows = np.zeros(len(found), SOCKET)
            for row, (each, pid) in zip(rows, found, strict=True):
                _fill_socket(row, each, pid)
            return rows

    def find_owners(self, sockets: Rows, likely: Iterable[int]) -> None:
        """Nothing to find: psutil tells the owner with the socket, or not at all."""

    def owner(self, pid: int) -> Description | None:
        """Describe the process that has a pid now."""
        with refused("processes"), suppress(psutil.NoSuchProcess):
            told = psutil.Process(pid).as_dict(_known(("name", "username", "uids", "gids")))
            return _description(told, "", None)
        return None

    def numbers(self) -> list[Number]:
        """Return the machine's own numbers, of every disk that psutil names."""
        with refused("system numbers"):
            return list(read_numbers(lambda _: True))


def _known(names: tuple[str, ...]) -> list[str]:
    """Return those that psutil has on this platform."""
    return [name for name in names if hasattr(psutil.Process, name)]


def _raw(text: str) -> bytes:
    """Return the bytes that psutil made a text of: any, on POSIX. On Windows halves of pairs may stand alone in it."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="replace")


def _identity(process: psutil.Process) -> int:
    """psutil's own identity, by pid and a creation time that does not move when the clock is set."""
    return hash(process) & 0xFFFFFFFFFFFFFFFF


def _fill_row(row: Any, pid: int, attributes: list[str]) -> bool:
    """Fill a row; returns whether the process is still there.

    A new Process each time: those of process_iter() are kept, and would give a reused pid the old one's begin.
    """
    try:
        process = psutil.Process(pid)
        told = process.as_dict(attributes)
    except psutil.NoSuchProcess:
        return False
    row["pid"], row["identity"] = pid, _identity(process)
    row["name"] = _raw(told["name"] or "")[:15]
    row["exited"] = told["status"] == psutil.STATUS_ZOMBIE
    for fill in (_fill_begin, _fill_usage, _fill_io, _fill_handles):
        row["known"] |= fill(row, told)
    return True


def _fill_begin(row: Any, told: dict[str, Any]) -> int:
    """Return the bits of what is known, as the others do."""
    row["parent"] = told["ppid"] or 0
    row["start_ns"] = round((told["create_time"] or 0) * 1e9)
    return (lib.TR_KNOWN_BEGIN if told["create_time"] else 0) | (lib.TR_KNOWN_PARENT if told["ppid"] is not None else 0)


def _fill_usage(row: Any, told: dict[str, Any]) -> int:
    times, memory = told["cpu_times"], told["memory_info"]
    if times is None or memory is None:
        return 0
    row["user_ns"], row["system_ns"] = round(times.user * 1e9), round(times.system * 1e9)
    row["memory_bytes"], row["virtual_bytes"] = memory.rss, memory.vms
    row["threads"] = told["num_threads"] or 0
    return int(lib.TR_KNOWN_USAGE)


def _fill_io(row: Any, told: dict[str, Any]) -> int:
    counted = told.get("io_counters")
    if counted is None:
        return 0
    row["read_bytes"], row["write_bytes"] = counted.read_bytes, counted.write_bytes
    return int(lib.TR_KNOWN_IO)


def _fill_handles(row: Any, told: dict[str, Any]) -> int:
    counts = [told[name] for name in _HANDLES if told.get(name) is not None]
    row["handles"] = counts[0] if counts else 0
    return lib.TR_KNOWN_HANDLES if counts else 0


def _description(told: dict[str, Any], name: str, line: list[str] | None) -> Description:
    """A command line that is too long is cut to its first argument."""
    text = b"".join(_raw(part) + b"\0" for part in line or ())
    whole = line is not None and len(text) < lib.TR_PROC_COMMAND_LINE
    if text and not whole:
        text = text.partition(b"\0")[0][: lib.TR_PROC_COMMAND_LINE - 1] + b"\0"
    uids, gids = told.get("uids"), told.get("gids")
    return Description(
        told["name"] or name,
        uids.real if uids else UNKNOWN_ID,
        gids.real if gids else UNKNOWN_ID,
        told.get("username") or "",
        text,
        whole,
    )


def _connections() -> Iterator[tuple[Any, int]]:
    """Yield all connections with their pids, or (macOS without root) those of the processes that may be asked."""
    try:
        yield from ((each, each.pid or 0) for each in psutil.net_connections("inet"))
        return
    except psutil.AccessDenied:
        pids = psutil.pids()
    for pid in pids:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            yield from ((each, pid) for each in psutil.Process(pid).net_connections("inet"))


def _fill_socket(row: Any, told: Any, pid: int) -> None:
    """Who a connection is: besides its addresses, its process and its number there, where the system tells it."""
    row["identity"] = pid << 32 | (told.fd & 0xFFFFFFFF)
    row["family"] = 6 if told.family == socket.AF_INET6 else 4
    row["protocol"] = socket.IPPROTO_TCP if told.type == socket.SOCK_STREAM else socket.IPPROTO_UDP
    row["local"], row["local_port"] = _endpoint(told.family, told.laddr)
    row["remote"], row["remote_port"] = _endpoint(told.family, told.raddr)
    row["state"] = _STATES.get(told.status, 0)
    row["uid"] = UNKNOWN_ID
    row["pid"] = pid


def _endpoint(family: int, address: Any) -> tuple[list[int], int]:
    """Return the 16 bytes of an address, in network order, and a port."""
    if not address:
        return [0] * 16, 0
    packed = socket.inet_pton(family, address.ip.partition("%")[0])
    return list(packed.ljust(16, b"\0")), address.port
