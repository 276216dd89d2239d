"""A host without engines: what the API needs of a daemon, in memory, so that tests see what was asked of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from tracerd.daemon.feed import ListingLine, Verification
from tracerd.elf.spec import ProgramSpec, SourceLine, Subprogram
from tracerd.errors import ConfigError, NotFound, RunError, UnfitValue
from tracerd.isa.assemble import assemble
from tracerd.runtime.objects import Changes, LinkInfo, MapInfo, PinInfo, ProbeInfo, ProgramInfo
from tracerd.runtime.printed import PrintedFollower, PrintedLines
from tracerd.runtime.upload import Upload
from tracerd.snapshot import (
    ExporterStatistics,
    Ledger,
    Meaning,
    Moment,
    ProbeMoment,
    ProgramStatistics,
    RingSnapshot,
    Table,
)
from tracerd.views.spec import ColumnSpec, ViewSpec

COUNTS, EVENTS = 3, 4
"""Ids of the two maps: a hash, and a ring buffer."""

PRINTED = 300
"""Printed lines that are kept."""

VIEW = ViewSpec(
    "calls", "counts", (ColumnSpec("comm", "key.comm"), ColumnSpec("count", "value", unit="count", rate=True))
)


SLOTS = (0, 0, 0, 0, 0, 0, 14, 0, 0, 1)
"""How long the program's timed runs took: 14 of 64 to 127 ns, one of 512 to 1023."""


def program(**changes: Any) -> ProgramInfo:
    """Return the one program's row."""
    values: dict[str, Any] = {
        "id": 1, "name": "on_enter", "probe": "calls", "type": "tracepoint", "tag": "0123456789abcdef",
        "engine": "jit", "reason": "nothing forbids it", "maps": (COUNTS, EVENTS), "instructions": 12,
        "verify_seconds": 0.002, "terminates": True, "loaded_ns": 1_800_000_000_000_000_000, "runs": 1000,
        "aborted": 0, "mean_ns": 123.4, "slots": SLOTS,
    }
    return ProgramInfo(**{**values, **changes})


def map_info(map_id: int, name: str, kind: str) -> MapInfo:
    """Return a map's row."""
    return MapInfo(map_id, name, "calls", kind, 4, 8, 1024, 2, 0, 65536, 1, False)


PROVED = Verification(
    "on_enter", "tracepoint/x/y", "tracepoint", "accept", instructions=2, most_states=1, seconds=0.01, peak_mb=40.5,
    terminates=True, fuel_edges=(), lines=(ListingLine(0, "r0 = 0x0", "calls.bpf.c:7: return 0;"),),
    states={0: ("r1=context",), 1: ("r0=0 r1=context",)},
)  # fmt: skip
REFUSED = Verification(
    "on_exit", "tracepoint/x/z", "tracepoint", "reject", "r2: needs a, has b", 3, "r2", "a", "b", "calls.bpf.c:9: *x;",
    instructions=4, seconds=0.02, peak_mb=40.5, slice=(0, 3), lines=(ListingLine(0, "r2 = r1"),), states={}, cut=True,
)  # fmt: skip
"""What it says of any object."""


class FakeMap:
    """A map of small numbers."""

    def __init__(self, info: MapInfo, elements: dict[int, int]) -> None:
        self.info = info
        self._elements = elements

    def entries(self, limit: int) -> list[dict[str, object]]:
        return [{"key": key, "value": value} for key, value in list(self._elements.items())[:limit]]

    def lookup(self, key: object) -> object | None:
        return self._elements.get(self._number("key", key))

    def update(self, key: object, value: object, flags: int) -> None:
        at = self._number("key", key)
        if flags == 1 and at in self._elements:
            raise RunError(f"map {self.info.name!r}", "has this key already")
        if flags == 2 and at not in self._elements:
            raise NotFound("such key")
        self._elements[at] = self._number("value", value)

    def delete(self, key: object) -> bool:
        return self._elements.pop(self._number("key", key), None) is not None

    def columns(self) -> Mapping[str, np.ndarray]:
        return {
            "key": np.array(list(self._elements), dtype=np.uint32),
            "value": np.array(list(self._elements.values()), dtype=np.uint64),
        }

    def _number(self, what: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
            where = f"{what} of map {self.info.name!r}"
            raise UnfitValue(where, f"cannot be {value!r}: it is an unsigned number of 32 bits")
        return value


class FakeFollower:
    """A queue of records that only so many wait in."""

    def __init__(self, room: int) -> None:
        self._records: deque[bytes] = deque()
        self._room = room
        self._more = threading.Condition()
        self.lost = 0
        self.closed = self.ended = False

    def put(self, record: bytes) -> None:
        with self._more:
            if len(self._records) >= self._room:
                self.lost += 1
                return
            self._records.append(record)
            self._more.notify()

    def take(self, seconds: float) -> tuple[list[bytes], int]:
        with self._more:
            if not self._records:
                self._more.wait(seconds)
            taken = list(self._records)
            self._records.clear()
            return taken, self.lost

    def decode(self, record: bytes) -> object:
        return {"pid": int.from_bytes(record[:4], "little"), "size": len(record)}

    def close(self) -> None:
        self.closed = True


class FakeHost:
    """See `tracerd.daemon.api.host.Host`. `asked` is what changed anything, `proved` what was only looked at."""

    def __init__(self, rows: int = 3) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.proved: list[tuple[Upload, str, str | None]] = []
        self.fail: Exception | None = None
        self.slow = 0.0
        self.unloads = False
        self.rows = rows
        self.elements = {1: 10, 2: 20}
        self.followers: list[FakeFollower] = []
        self.printed = PrintedLines(kept=PRINTED)
        self._maps = [map_info(COUNTS, "counts", "hash"), map_info(EVENTS, "events", "ringbuf")]
        self._links = [LinkInfo(5, 1, "on_enter", "calls", "syscall:read:enter", 7, 0)]
        self._pins: list[PinInfo] = []

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        time.sleep(self.slow)
        if self.fail is not None:
            raise self.fail

    def probes(self) -> list[ProbeInfo]:
        return [ProbeInfo("calls", "config", "counts calls", (1,), (COUNTS, EVENTS), (5,), ("calls",))]

    def programs(self) -> list[ProgramInfo]:
        if self.fail is not None:
            raise self.fail
        return [program()]

    def maps(self) -> list[MapInfo]:
        return self._maps

    def links(self) -> list[LinkInfo]:
        return self._links

    def pins(self) -> list[PinInfo]:
        return self._pins

    def pin_entries(self, name: str, limit: int) -> list[dict[str, object]]:
        if name != "kept":
            raise NotFound(f"pin {name!r}", ("kept",))
        return [{"key": number, "value": 10 * number} for number in range(5)][:limit]

    def program_text(self, program_id: int) -> tuple[ProgramSpec, Any]:
        if program_id != 1:
            raise NotFound(f"program {program_id}", ("1",))
        line = SourceLine("calls.bpf.c", 7, "\treturn 0;")
        instructions = tuple(assemble("mov %r0, 0\nexit"))
        return ProgramSpec("on_enter", "tp/x/y", instructions, (Subprogram("on_enter", 0, 2),), ((0, line),)), None

    def verify(self, upload: Upload, platform: str, type_name: str | None) -> list[Verification]:
        self.proved.append((upload, platform, type_name))
        time.sleep(self.slow)
        if self.fail is not None:
            raise self.fail
        return [PROVED, REFUSED]

    def load(self, upload: Upload) -> ProbeInfo:
        self._ask("load", upload)
        return ProbeInfo(upload.name or "mine", "runtime", "")

    def unload(self, probe: str) -> None:
        self._ask("unload", probe)
        if self.unloads:
            return
        if probe == "calls":
            raise ConfigError(f"probe {probe!r}", "comes from the configuration; take it out there")
        raise NotFound(f"probe {probe!r}", ("calls",))

    def attach(self, program_id: int, source: str) -> LinkInfo:
        self._ask("attach", program_id, source)
        overlaps = ("syscall:read:enter",) if source == "syscall:*:enter" else ()
        return LinkInfo(6, program_id, "on_enter", "calls", source, 0, 0, overlaps=overlaps)

    def detach(self, link_id: int) -> None:
        self._ask("detach", link_id)
        if link_id != 5:
            raise NotFound(f"link {link_id}", ("5",))

    def pin(self, map_id: int, name: str) -> PinInfo:
        self._ask("pin", map_id, name)
        return PinInfo(name, map_id, "calls", "counts", "hash", 65536)

    def unpin(self, name: str) -> None:
        self._ask("unpin", name)

    def map(self, map_id: int) -> FakeMap:
        for info in self._maps:
            if info.id == map_id:
                return FakeMap(info, self.elements)
        raise NotFound(f"map {map_id}", (str(COUNTS), str(EVENTS)))

    def reload(self) -> Changes:
        self._ask("reload")
        return Changes(loaded=("new",), unchanged=("calls",))

    def moment(self, max_age: float = 0.0) -> Moment:  # noqa: ARG002  a fresh one is young enough
        ring = RingSnapshot("events", 9, 1, (b"x",))
        statistics = ProgramStatistics(
            "on_enter", "jit", "nothing forbids it", 1000, 0, 123.4, 0.002, 12, "calls", 15, 1851, SLOTS
        )
        exporters = (ExporterStatistics("otlp", 5, 1, 0, 9, 2, 0, MappingProxyType({"metrics.sent": 4})),)
        probe = ProbeMoment("calls", {}, {"calls": self._table()}, {"events": ring})
        ledger = {"syscall:read:enter": Ledger(10, 8, filtered=2)}
        own = {"cpu_seconds": 0.5}
        return Moment(
            time.time_ns(), 5_000_000_000, 42, {"calls": probe}, (statistics,), ledger, own, exporters=exporters
        )

    def table(self, probe: str, table: str) -> tuple[ViewSpec, Table]:
        if (probe, table) != ("calls", "calls"):
            raise NotFound(f"table {table!r} of probe {probe!r}", ("calls",))
        return VIEW, self._table()

    def _table(self) -> Table:
        names = np.array([f"program {number % 100}" for number in range(self.rows)], dtype=object)
        meanings = {"comm": Meaning(key=True), "count": Meaning("count", rate=True)}
        return Table("calls", {"comm": names, "count": np.arange(self.rows, dtype=np.uint64)}, meanings)

    def follow(self, map_id: int, queue_bytes: int) -> FakeFollower:
        assert queue_bytes > 0
        if map_id != EVENTS:
            raise ConfigError(f"map {map_id}", "is no ring buffer")
        self.followers.append(FakeFollower(room=100))
        return self.followers[-1]

    def follow_printed(self) -> PrintedFollower:
        return self.printed.follow()
