"""What the source asks of an operating system, and the one place that chooses who answers."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tracerd.native import lib
from tracerd.sources.system.layouts import UNKNOWN_ID, Rows


@dataclass(frozen=True, slots=True)
class Wants:
    """What to read of each process beyond the basics: each costs a system call or more."""

    io: bool
    handles: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What of a process changes seldom: read once, and again after an exec."""

    name: str
    uid: int = UNKNOWN_ID
    gid: int = UNKNOWN_ID
    user: str = ""
    command_line: bytes = b""    # each argument ended by a NUL
    whole: bool = False          # False: not readable, or cut to the first argument

    @property
    def known(self) -> int:
        """Return the TR_KNOWN_* bits of what is told."""
        user = self.uid != UNKNOWN_ID or bool(self.user)
        return int(lib.TR_KNOWN_USER * user | lib.TR_KNOWN_COMMAND_LINE * self.whole)


@dataclass(frozen=True, slots=True)
class Number:
    """One core, disk or interface, or the memory: totals in the order of struct sample_context's member."""

    kind: int                    # TR_SAMPLE_*
    name: str
    values: tuple[int, ...]


class Reader(Protocol):
    """Reads what is there now. Every method raises SourceError if the system refuses, and leaves out who is gone."""

    name: str

    def processes(self, wants: Wants) -> Rows:
        """Return a ROW for each process, in any order."""

    def describe(self, pid: int, identity: int, name: str) -> Description | None:
        """Describe the process of a row with that short name; None if it is gone. Never another with its pid."""

    def sockets(self) -> Rows:
        """Return a SOCKET for each TCP and UDP socket that belongs to a process, in any order."""

    def find_owners(self, sockets: Rows, likely: Iterable[int]) -> None:
        """Fill in the pids of rows where they are not known yet; `likely` processes are searched first."""

    def owner(self, pid: int) -> Description | None:
        """Describe the process that has a pid now, without its command line."""

    def numbers(self) -> list[Number]:
        """Return the machine's own numbers."""


def choose_reader() -> Reader:
    """Return the reader for this operating system."""
    if sys.platform == "linux":
        from tracerd.sources.system.linux import LinuxReader

        return LinuxReader()
    from tracerd.sources.system.portable import PsutilReader

    return PsutilReader()
