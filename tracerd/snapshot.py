"""What crosses a thread: frozen views of what was collected, at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tracerd.signals import NO_SIGNALS, Signals

Column = npt.NDArray[np.generic]
Bytes = npt.NDArray[np.uint8]


HELPING = "also taken, to tell process events"
"""The `via` of events that no program asked for."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One event's balance, in events. `produced` and `lost` come from the producer, never from what was delivered."""

    produced: int
    delivered: int
    lost_in_kernel: int = 0      # the producer had no room (perf: PERF_FORMAT_LOST)
    lost_in_session: int = 0     # a session or recording says it lost them (ETW EventsLost)
    dropped_in_ring: int = 0     # damaged or unparsable records
    filtered: int = 0            # our own process's events, unless asked for
    failed: int = 0              # handed to a program that was aborted, or too short for it
    via: str = ""                # where the events come from, and what that way cannot see; "" where the name says it

    @property
    def lost(self) -> int:
        return self.lost_in_kernel + self.lost_in_session

    @property
    def missing(self) -> int:
        """Events that the balance does not explain; 0 when the source is drained."""
        explained = self.delivered + self.lost + self.dropped_in_ring + self.filtered + self.failed
        return self.produced - explained

    def __add__(self, other: Ledger) -> Ledger:
        """Return the balance of both together; `via` is the first's."""
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in LEDGER_COUNTS})


LEDGER_COUNTS = (
    "produced", "delivered", "lost_in_kernel", "lost_in_session", "dropped_in_ring", "filtered", "failed",
)
"""The fields of a ledger that are numbers of events: those of the native `struct tr_ledger`."""


@dataclass(frozen=True, slots=True)
class MapSnapshot:
    """One map at one moment, as bytes: row i of `keys` belongs to row i of `values`.

    `keys` is uint8 of shape (rows, key_size); `values` is uint8 of shape (rows, cpus, value_size), with one CPU for a
    map that is not per-CPU. Both are read-only. `tracerd.views` turns them into BTF columns.
    """

    name: str
    taken_ns: int                # unix time
    keys: npt.NDArray[np.uint8]
    values: npt.NDArray[np.uint8]
    max_entries: int
    refused: int                 # updates refused so far because the map was full
    since_ns: int = 0            # unix time since when it counts: what is not in it was 0 then; 0: not known


class MapLayout(Protocol):
    """How a map's bytes are read, by BTF path (`tracerd.views.columns.MapColumns`)."""

    def read(self, snapshot: MapSnapshot, path: str, merge: str) -> Column:
        """Return a column: (rows,) for a scalar, (rows, n) for an array, text as objects."""


class RecordLayout(Protocol):
    """How records of one type are read (`tracerd.views.columns.RecordColumns`)."""

    @property
    def size(self) -> int:
        """Bytes of a record; shorter ones are not of this type."""

    def read(self, records: Bytes, path: str) -> Column:
        """Return a column of `records`, shape (n, size)."""

    def raw(self, records: Bytes, path: str) -> Bytes:
        """Return a field's own bytes, shape (n, bytes)."""


@dataclass(frozen=True, slots=True)
class Process:
    """What is known of a process."""

    name: str
    command_line: str
    alive: bool


class Processes(Protocol):
    """Who is behind process ids. Thread-safe."""

    def look(self, pids: Iterable[int]) -> Mapping[int, Process]:
        """Return what is known now: one that ended as it was last seen, if ever. What cannot be told is left out."""


class _NoProcesses:
    def look(self, pids: Iterable[int]) -> Mapping[int, Process]:  # noqa: ARG002
        return {}


NO_PROCESSES: Processes = _NoProcesses()


@dataclass(frozen=True, slots=True)
class RingSnapshot:
    """What came out of one ring buffer so far."""

    name: str
    records: int
    dropped: int                 # records that found no room
    latest: tuple[bytes, ...]    # the last few, oldest first


@dataclass(frozen=True, slots=True)
class HookStatistics:
    """What came of one link of a program for eBPF for Windows. Verdicts are only counted, they have no effect."""

    source: str                                  # the attach name
    verdicts: tuple[tuple[int, str, int], ...]   # value, what it means ("" where nobody says), runs that returned it
    others: int                                  # runs with further values
    passed: int                                  # events that are none of the hook's: the program was not run
    unknown: int                                 # events that could not be taken apart: failed in the ledger


@dataclass(frozen=True, slots=True)
class ProgramStatistics:
    """One program's counts at one moment. `mean_ns` is measured on one run in 64.

    `slots` are the timed runs by how long they took: slot i how many took [2**i, 2**(i+1)) ns, slot 0 also 0 ns, the
    40th all that took longer. Empty slots at the end are left out, so two moments' may differ in length.
    """

    name: str
    engine: str
    reason: str
    runs: int
    aborted: int
    mean_ns: float
    verify_seconds: float
    instructions: int
    probe: str = ""
    timed_runs: int = 0                # one run in 64
    timed_ns: int = 0                  # all of those together
    slots: tuple[int, ...] = ()        # of those, by how long they took
    hooks: tuple[HookStatistics, ...] = ()


@dataclass(frozen=True, slots=True)
class ExporterStatistics:
    """One exporter's totals so far. `counts` are its own."""

    name: str
    exports: int
    failures: int
    skipped: int
    records: int
    records_lost: int
    records_failed: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a table's column is. `rate`: its change per second is told; `key`: it is part of what tells rows apart.

    `about`: it is worked out of a histogram, and right within a factor of two. `unit` is one of
    `views.spec.ColumnSpec`.
    """

    unit: str = ""
    rate: bool = False
    key: bool = False
    about: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What a user sees: named columns of equal length, in display order. Columns without a meaning are as they are."""

    name: str
    columns: Mapping[str, Column]
    meanings: Mapping[str, Meaning] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def rows(self) -> list[dict[str, object]]:
        """Return the rows as dictionaries of plain Python values (JSON's `tables`)."""
        names = list(self.columns)
        values = zip(*(self.columns[name].tolist() for name in names), strict=True)
        return [dict(zip(names, row, strict=True)) for row in values]


@dataclass(frozen=True, slots=True)
class ProbeMoment:
    """What one probe has collected. `signals` is what it exports, `layouts` how the maps for it are read."""

    name: str
    maps: Mapping[str, MapSnapshot]
    tables: Mapping[str, Table]
    rings: Mapping[str, RingSnapshot]
    signals: Signals = NO_SIGNALS
    layouts: Mapping[str, MapLayout] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything a daemon has collected, at one moment: what exporters and streams get. Times in ns."""

    taken_ns: int                                # unix time
    uptime_ns: int
    clock_offset_ns: int                         # unix time minus the clock of the events
    probes: Mapping[str, ProbeMoment]
    programs: tuple[ProgramStatistics, ...]
    ledger: Mapping[str, Ledger]                 # event -> balance since the daemon's start
    own: Mapping[str, float]                     # tracerd's own metrics: name -> value
    processes: Processes = NO_PROCESSES
    exporters: tuple[ExporterStatistics, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one ring buffer, in order, for one exporter. Times in ns."""

    probe: str
    ring: str
    records: tuple[bytes, ...]
    taken_ns: int                                # unix time
    clock_offset_ns: int                         # unix time minus the clock of the events
    signals: Signals
    layouts: Mapping[str, RecordLayout]          # by name of the type; "": what the ring buffer declares
    processes: Processes = NO_PROCESSES
