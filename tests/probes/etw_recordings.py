"""Recordings whose truth is known, for tests of the etw probes, and what a probe makes of a recording.

Events are written by the names of their fields, in the layout of a shipped schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tracerd
from tests.sources.schema_support import Encoder
from tracerd.sources.etl_writer import EtlWriter
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.model import Field, Provider
from tracerd.vm.policy import Asked

START_NS = 1_700_000_000_000_000_000
TICKS = 1_000_000
"""The time at START_NS; a tick is 100 ns."""

Tables = dict[str, list[dict[str, Any]]]

_ENGINES: tuple[Asked, Asked] = ("jit", "interpreter")
_NONE: dict[str, Any] = {"utf16z": "", "ansiz": "", "guid": bytes(16), "sid": b"\1\0" + bytes(6), "wbemsid": bytes(4)}


def provider(name: str) -> Provider:
    """Return a shipped provider or class."""
    (found,) = Catalog().by_name(name)
    return found


def payload(name: str, number: int, version: int, values: Mapping[str, Any], pointer_size: int = 8) -> bytes:
    """Return an event's payload; fields that are not given are zero or empty, one that it does not have is an error."""
    fields = provider(name).events[number, version].fields
    assert {each.name for each in fields} >= values.keys(), f"{name} {number} version {version}"
    return Encoder(pointer_size).fields(fields, {each.name: values.get(each.name, _none(each)) for each in fields})


def _none(field: Field) -> Any:
    return [] if field.count is not None else _NONE.get(field.type, 0)


class Recording:
    """A recording being made: one event after the other, `after` ticks later than the one before."""

    def __init__(self, path: Path, *, pointer_size: int = 8, cpus: int = 1) -> None:
        self.path = path
        self.ticks = TICKS
        self.pointer_size = pointer_size
        self._writer = EtlWriter(
            path, cpus=cpus, start_ns=START_NS, start_ticks=TICKS, pointer_size=pointer_size, buffer_size=1 << 18
        )

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def event(
        self, name: str, number: int, version: int, values: Mapping[str, Any] | None = None, *, after: int = 0,
        cut: int | None = None, labelled: int | None = None, **header: Any,
    ) -> None:
        """Write an event of a manifest provider; `cut` bytes of its payload, and with `labelled` as its version."""
        self.ticks += after
        whole = payload(name, number, version, values or {}, self.pointer_size)
        said = version if labelled is None else labelled
        self._writer.manifest_event(self.ticks, provider(name).guid, number, whole[:cut], version=said, **header)

    def kernel(
        self, name: str, opcode: int, version: int, values: Mapping[str, Any] | None = None, *, after: int = 0,
        cut: int | None = None, **header: Any,
    ) -> None:
        """Write an event of a kernel class by its hook; of PerfInfo with the header that names no thread."""
        self.ticks += after
        found = provider(name)
        assert found.group is not None
        whole = payload(name, opcode, version, values or {}, self.pointer_size)[:cut]
        write = self._writer.perfinfo_event if name == "PerfInfo" else self._writer.system_event
        write(self.ticks, found.group << 8 | opcode, whole, version=version, **header)

    def process(self, pid: int, image: str, *, opcode: int = 3, after: int = 0) -> None:
        """Tell of a process by the kernel's class; 1 start, 2 end, 3 it ran when the recording began."""
        self.kernel("Process", opcode, 4, {"ProcessId": pid, "ImageFileName": image}, after=after)

    def at(self) -> int:
        """The unix time of the last event, in ns."""
        return self._writer.unix_ns(self.ticks)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a probe made of a recording."""

    tables: Tables
    records: list[Any]                   # of its ring buffer
    refused: dict[str, int]              # updates for which a map had no room
    via: str                             # what the source says of events that could not be read

    def totals(self, **expected: int) -> None:
        """See that the probe's totals are these, and all others 0."""
        (row,) = self.tables["totals"]
        assert row == dict.fromkeys(row, 0) | expected


def replay_both(probe: str, recording: Path, ring: str | None = None, type_: str | None = None) -> Replayed:
    """Run a shipped probe over a recording with both engines, which must agree."""
    jit, interpreter = (replay(probe, recording, ring, type_, engine) for engine in _ENGINES)
    assert jit == interpreter
    return jit


def replay(
    probe: str, recording: Path, ring: str | None = None, type_: str | None = None, engine: Asked = "interpreter"
) -> Replayed:
    """Run a shipped probe over a recording; `type_` is that of the records of its ring buffer."""
    settings = tracerd.Settings(recording=recording, engine=engine, wait_for_code=True)
    with tracerd.Session(settings) as session:
        obj = tracerd.Object.open(probe)
        session.load(obj)
        session.start()
        assert session.wait(60)
        records = list(obj.maps[ring].records(type=type_)) if ring else []
        snapshot = session.stop()
        assert {row.missing for row in snapshot.ledger.values()} == {0}
        tables = {view.name: table.rows() for view, table in session.tables(snapshot)}
        refused = {name: each.refused for name, each in snapshot.maps[obj.name].items() if each.refused}
        said = {row.via for row in snapshot.ledger.values() if row.via}
        return Replayed(tables, records, refused, "; ".join(sorted(said)))


def rows(table: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of a table, row by row."""
    return [tuple(row[name] for name in columns) for row in table]
