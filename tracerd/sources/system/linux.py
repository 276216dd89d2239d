"""Linux: /proc and sock_diag, read in the core (native/border/proc.h). The machine's own numbers come from psutil."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tracerd.errors import SourceError
from tracerd.native import ffi, lib
from tracerd.sources.system.layouts import ROW, SOCKET, UNKNOWN_ID, Rows, native
from tracerd.sources.system.machine import read_numbers
from tracerd.sources.system.portable import refused
from tracerd.sources.system.reader import Description, Number, Wants

_FIRST_ROWS = 4096


class LinuxReader:
    """Reads this machine: processes of this pid namespace, sockets of this network namespace."""

    name = "native"

    def __init__(self) -> None:
        self._rows = np.zeros(_FIRST_ROWS, ROW)
        self._sockets = np.zeros(_FIRST_ROWS, SOCKET)
        self._told: Any = ffi.new("struct tr_proc_description *")
        self._users: dict[int, str] = {}
        diag = lib.tr_proc_sockets(ffi.NULL, 0, lib.TR_PROC_DIAG) >= 0
        self._way = lib.TR_PROC_DIAG if diag else lib.TR_PROC_TABLES

    def processes(self, wants: Wants) -> Rows:
        """Return a ROW for each process."""
        bits = lib.TR_PROC_IO * wants.io | lib.TR_PROC_HANDLES * wants.handles

        def read(rows: Any, room: int) -> int:
            return int(lib.tr_proc_read(rows, room, bits))

        self._rows, found = _read("processes", "struct tr_proc_row[]", self._rows, read)
        return found

    def describe(self, pid: int, identity: int, name: str) -> Description | None:
        """Describe the process of a row; its long name too, if the kernel cut it."""
        told = self._told
        if not lib.tr_proc_describe(pid, identity, told):
            return None
        line = bytes(ffi.buffer(told.command_line, told.bytes))
        return Description(
            _long_name(name, line), told.uid, told.gid, self._user(told.uid), line, bool(told.whole)
        )

    def sockets(self) -> Rows:
        """Return a SOCKET for each TCP and UDP socket of a process."""

        def read(rows: Any, room: int) -> int:
            return int(lib.tr_proc_sockets(rows, room, self._way))

        self._sockets, found = _read("connections", "struct tr_proc_socket[]", self._sockets, read)
        return found

    def find_owners(self, sockets: Rows, likely: Iterable[int]) -> None:
        """Look for the sockets in the open files of the likely processes, then of all."""
        if not len(sockets):
            return
        first = [pid for pid in likely if pid]
        pids = list(dict.fromkeys([*first, *_pids()]))
        inodes = np.sort(sockets["identity"])
        owners = np.zeros(len(inodes), np.uint32)
        searched = native("uint32_t[]", np.array(pids, np.uint32))
        lib.tr_proc_owners(searched, len(pids), native("uint64_t[]", inodes), native("uint32_t[]", owners), len(inodes))
        sockets["pid"] = owners[np.searchsorted(inodes, sockets["identity"])]

    def owner(self, pid: int) -> Description | None:
        """Describe the process that has a pid now."""
        task: Any = ffi.new("struct tr_task *")
        if not lib.tr_task_read(pid, task):
            return None
        name = bytes(ffi.buffer(task.comm)).rstrip(b"\0").decode(errors="replace")
        return Description(name, task.uid, task.gid, self._user(task.uid))

    def numbers(self) -> list[Number]:
        """Return the machine's own numbers; of disks, those that are no partitions of another."""
        with refused("system numbers"):
            whole = {disk.name for disk in Path("/sys/block").iterdir()} if Path("/sys/block").is_dir() else None
            return list(read_numbers(lambda name: whole is None or name in whole))

    def _user(self, uid: int) -> str:
        """Return a user's name, looked up once: it may come from a server far away."""
        if uid not in self._users:
            try:
                self._users[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self._users[uid] = "" if uid == UNKNOWN_ID else str(uid)
        return self._users[uid]


def _read(what: str, ctype: str, rows: Rows, read: Callable[[Any, int], int]) -> tuple[Rows, Rows]:
    """Return the room, made larger until it suffices, and the rows in it."""
    while (count := read(native(ctype, rows), len(rows))) > len(rows):
        rows = np.zeros(2 * count, rows.dtype)
    if count < 0:
        raise SourceError(what, f"cannot be read: {os.strerror(-count)}")
    return rows, rows[:count]


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]     # noqa: PTH208
    except OSError as error:
        raise SourceError("processes", f"cannot be listed: {error.strerror}") from error


def _long_name(name: str, line: bytes) -> str:
    """The kernel cuts names to 15 bytes; the first argument often has the rest, as psutil knows."""
    if len(name.encode()) < 15:
        return name
    program = line.partition(b"\0")[0].rpartition(b"/")[2].decode(errors="replace")
    return program if program.startswith(name) else name
