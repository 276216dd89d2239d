"""The three kinds of things that are polled: processes, connections, the machine's numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from tracerd.errors import SourceError
from tracerd.sources.system.batch import Events
from tracerd.sources.system.connections import ConnectionTable
from tracerd.sources.system.machine import MachineTable
from tracerd.sources.system.moment import Moment
from tracerd.sources.system.processes import ProcessTable
from tracerd.sources.system.reader import Reader, Wants


@dataclass
class Reading:
    """One kind of thing that is polled: all or nothing each time."""

    kind: str                                            # before the colon of its events' names
    poll: Callable[[Moment], list[Events]]
    hidden: Callable[[], str] = lambda: ""               # what this user may not see of it, or nothing
    want: Callable[[Set[str]], None] = lambda _: None        # which of its events are linked
    before_ns: int | None = None
    refused: int = 0
    why: str = ""

    def read(self, now_ns: int, *, samples: bool) -> list[Events]:
        """Poll. What the system refuses is counted, and what was known stays as it was.

        Raises:
            SourceError: the first poll is refused, so there will be no events.
        """
        try:
            parts = self.poll(Moment(now_ns, time.time_ns(), self.before_ns, samples))
        except SourceError as error:
            if self.before_ns is None:
                raise
            self.refused += 1
            self.why = str(error)
            return []
        self.before_ns = now_ns
        return parts


def readings_for(names: Set[str], have: Mapping[str, Reading], reader: Reader, cpu: int) -> dict[str, Reading]:
    """Return what has to be read for these events, by kind; what is in `have` already stays as it is."""
    kinds = {name.partition(":")[0] for name in names}
    return {kind: have.get(kind) or make(names, reader, cpu) for kind, make in _MAKERS.items() if kind in kinds}


def _processes(names: Set[str], reader: Reader, cpu: int) -> Reading:
    table = ProcessTable(reader, _wants(names), cpu)

    def want(names: Set[str]) -> None:
        table.wants = _wants(names)

    return Reading("process", table.poll, lambda: _hidden(table.hidden, "IO or open files"), want)


def _connections(names: Set[str], reader: Reader, cpu: int) -> Reading:  # noqa: ARG001  as the others
    table = ConnectionTable(reader, cpu)
    return Reading("net", table.poll, lambda: _hidden(table.hidden, "owners"))


def _machine(names: Set[str], reader: Reader, cpu: int) -> Reading:  # noqa: ARG001  as the others
    table = MachineTable(cpu)
    return Reading("system", lambda now: table.poll(reader.numbers, now))


_MAKERS = {"process": _processes, "net": _connections, "system": _machine}


def _wants(names: Set[str]) -> Wants:
    sampled = "process:sample" in names
    return Wants(io=sampled, handles=sampled)


def _hidden(counted: tuple[int, int], what: str) -> str:
    hidden, everything = counted
    return f"{what} of {hidden} of {everything} not readable" if hidden else ""
