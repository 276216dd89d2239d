"""Decoders that ask this machine: users, interfaces, names of addresses, kernel symbols, processes.

Answers are kept, so that ten thousand series do not ask ten thousand times, and they grow old: `changed` tells callers
who keep what was made of them.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable

from exporters.mapping.kallsyms import KernelSymbols
from exporters.mapping.reverse_dns import Resolve, ReverseNames, resolve
from tracerd.signals import MACHINE_DECODERS
from tracerd.snapshot import Column, Processes
from tracerd.views.decoders import DECODERS, decode
from tracerd.views.distinct import Value, distinct, map_distinct, number, plain

try:
    import pwd
except ImportError:                      # Windows numbers nobody
    pwd = None                           # type: ignore[assignment]

MOST_ANSWERS = 4096

FRESH_SECONDS = {
    "user": 300.0, "ifname": 60.0, "dns": 300.0, "ksym": 300.0, "process.name": 10.0, "process.command_line": 10.0,
}  # fmt: skip
"""How long an answer may be told before it is asked for again."""


class Machine:
    """Makes columns readable. Names of addresses are asked for in the background. Not thread-safe."""

    def __init__(
        self,
        ask_name: Resolve = resolve,
        symbols: KernelSymbols | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._dns = ReverseNames(ask_name, clock)
        symbols = symbols or KernelSymbols(clock=clock)
        self._users = _Answers(_user, FRESH_SECONDS["user"], clock)
        self._interfaces = _Answers(_interface, FRESH_SECONDS["ifname"], clock)
        self._decoders: dict[str, Callable[[Value], str]] = {
            "user": lambda value: _of_number(value, lambda uid: self._users.of(uid & 0xFFFFFFFF)),
            "ifname": lambda value: _of_number(value, self._interfaces.of),
            "dns": lambda value: self._dns.name(DECODERS["ip"](value)),
            "ksym": lambda value: _of_number(value, lambda address: symbols.symbol(address % (1 << 64))),
        }
        self._grown_old = 0
        self._due = math.inf             # when the first of the answers given grows old

    @property
    def changed(self) -> int:
        """A counter that grows whenever an answer given before may be another one now."""
        if self._clock() >= self._due:
            self._due = math.inf
            self._grown_old += 1
        return self._grown_old + self._dns.arrived

    def statistics(self) -> dict[str, int]:
        """Return how many names are being asked for, and how many could not be."""
        return {"dns_waiting": self._dns.waiting, "dns_skipped": self._dns.skipped}

    def decode(self, column: Column, decoder: str, processes: Processes) -> Column:
        """Return the column as text. An unknown user, interface or kernel address stays a number, an address without
        a name stays an address; an unknown process has the name and the command line "".

        Raises:
            ConfigError: there is no decoder of that name.
        """
        if decoder not in MACHINE_DECODERS:
            return decode(column, decoder)
        self._due = min(self._due, self._clock() + FRESH_SECONDS[decoder])
        if decoder in self._decoders:
            return map_distinct(column, self._decoders[decoder])
        return _processes(column, decoder, processes)


class _Answers:
    """Answers that are kept for a while: at most so many, the oldest go."""

    def __init__(self, ask: Callable[[int], str], fresh: float, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._fresh = fresh
        self._clock = clock
        self._known: dict[int, tuple[str, float]] = {}

    def of(self, asked: int) -> str:
        known = self._known.get(asked)
        if known is None or self._clock() >= known[1]:
            self._known.pop(asked, None)
            if len(self._known) >= MOST_ANSWERS:
                del self._known[next(iter(self._known))]
            known = self._known[asked] = self._ask(asked), self._clock() + self._fresh
        return known[0]


def _of_number(value: Value, ask: Callable[[int], str]) -> str:
    found = number(value)
    return plain(value) if found is None else ask(found)


def _user(uid: int) -> str:
    if pwd is None:
        return str(uid)
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except (OSError, OverflowError):
        return str(index)


def _processes(column: Column, decoder: str, processes: Processes) -> Column:
    found = distinct(column)
    pids = [number(value) for value in found.values]
    known = processes.look({pid for pid in pids if pid is not None})
    told = [known.get(pid) if pid is not None else None for pid in pids]
    by_name = decoder == "process.name"
    return found.spread([(each.name if by_name else each.command_line) if each else "" for each in told])
