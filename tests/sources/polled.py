"""The system source in tests: real programs behind it, and a reader whose processes a test makes up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracerd.config import Probe
from tracerd.errors import SourceError
from tracerd.native import lib
from tracerd.runtime.load import LoadedProbe, load_probe
from tracerd.sources.base import LinkRequest
from tracerd.sources.system import SystemOptions, SystemSource
from tracerd.sources.system.layouts import ROW, SOCKET, Rows
from tracerd.sources.system.reader import Description, Number, Reader, Wants
from tracerd.verifier.job import Options
from tracerd.verifier.sandbox import Verifier

OBJECT = Path(__file__).parent / "objects" / "system.bpf.o"
CPU = 3
AT_ONCE = SystemOptions(interval_ns=0, share=1e9)        # every pump polls
PROGRAMS = {"process": "on_process", "net": "on_net", "system": "on_sample"}
EVENTS = ("process:start", "process:exit", "process:sample", "net:open", "net:close", "system:sample")
START, EXIT, SAMPLE = lib.TR_PROCESS_START, lib.TR_PROCESS_EXIT, lib.TR_PROCESS_SAMPLE
OPEN, CLOSE = lib.TR_NET_OPEN, lib.TR_NET_CLOSE
BEGIN_NS = 1_700_000_000 * 10**9
_BASICS = lib.TR_KNOWN_PARENT | lib.TR_KNOWN_USAGE | lib.TR_KNOWN_BEGIN


@dataclass
class Kept:
    """A source with the programs of system.bpf.c, and what they kept."""

    source: SystemSource
    loaded: LoadedProbe

    def rows(self, map_name: str) -> list[dict[str, Any]]:
        """Return a map's rows as they are now."""
        tables = self.loaded.views.tables(self.loaded.snapshot())
        return next(table.rows() for _, table in tables if table.name == map_name)

    def processes(self, kind: int) -> dict[int, dict[str, Any]]:
        """Return what was kept of the processes' events of that kind, by pid."""
        return {row["pid"]: row for row in self.rows("processes") if row["kind"] == kind}

    def connections(self, kind: int) -> dict[tuple[int, int], dict[str, Any]]:
        """Return what was kept of the connections' events of that kind, by local and remote port."""
        rows = self.rows("connections")
        return {(row["local_port"], row["remote_port"]): row for row in rows if row["kind"] == kind}


@contextmanager
def keeping(*events: str, reader: Reader | None = None, options: SystemOptions = AT_ONCE) -> Iterator[Kept]:
    """Open a source with a program on each event."""
    attach = tuple((PROGRAMS[event.partition(":")[0]], event) for event in events)
    with Verifier() as verifier:
        loaded = load_probe(
            Probe("system", OBJECT, "auto", attach, ()), CPU + 1, verifier,
            asked="interpreter", integrity="auto", options=Options(), background=False,
        )
    source = SystemSource(CPU, options, reader)
    try:
        source.open([
            LinkRequest(event, program.executable.native, program.verified.certificate.context_bytes)
            for name, event in attach
            for program in (loaded.programs[name],)
        ])
        yield Kept(source, loaded)
    finally:
        source.close()
        loaded.close()


@dataclass
class Made:
    """A machine that a test makes up."""

    name: str = "made"
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    told: dict[int, Description] = field(default_factory=dict)
    open: list[dict[str, Any]] = field(default_factory=list)
    machine: list[Number] = field(default_factory=list)
    refuses: bool = False
    described: list[int] = field(default_factory=list)

    def run(self, pid: int, begin: int, name: str = "made", **facts: Any) -> None:
        """Let a process run from now on, or change it."""
        known = facts.pop("known", _BASICS)
        who = {"pid": pid, "identity": begin, "start_ns": BEGIN_NS + begin, "name": name.encode()[:15]}
        self.rows[pid] = who | {"parent": 1, "threads": 1, "known": known} | facts

    def processes(self, wants: Wants) -> Rows:
        assert isinstance(wants, Wants)
        return self._rows(ROW, list(self.rows.values()))

    def describe(self, pid: int, identity: int, name: str) -> Description | None:
        assert identity == self.rows[pid]["identity"]
        self.described.append(pid)
        return self.told.get(pid, Description(name, 1000, 100, "somebody", name.encode() + b"\0", True))

    def sockets(self) -> Rows:
        return self._rows(SOCKET, self.open)

    def find_owners(self, sockets: Rows, likely: Iterable[int]) -> None:
        assert all(isinstance(pid, int) for pid in likely)
        assert len(sockets) <= len(self.open)

    def owner(self, pid: int) -> Description | None:
        return self.told.get(pid)

    def numbers(self) -> list[Number]:
        return self.machine

    def _rows(self, kind: np.dtype[np.void], made: list[dict[str, Any]]) -> Rows:
        if self.refuses:
            raise SourceError("made", "cannot be read: it is made up")
        rows = np.zeros(len(made), kind)
        for row, facts in zip(rows, made, strict=True):
            for name, value in facts.items():
                row[name] = value
        return rows
