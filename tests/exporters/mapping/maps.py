"""Maps to be exported: C-like structs as BTF, entries as Python dictionaries, moments of one probe `p`."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tracerd.btf import types as t
from tracerd.elf.spec import MapSpec
from tracerd.signals import AttributeSpec, LogSpec, MetricSpec, Signals, SpanSpec
from tracerd.snapshot import NO_PROCESSES, MapSnapshot, Moment, ProbeMoment, Process, Processes, RecordBatch
from tracerd.views.signals import Resolved, resolve

TAKEN_NS = 1_790_000_000_123_456_789
SINCE_NS = TAKEN_NS - 3_600_000_000_000

_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s8": 1, "s16": 2, "s32": 4, "s64": 8, "f32": 4, "f64": 8}
_LETTERS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "s8": "b", "s16": "h", "s32": "i", "s64": "q", "f32": "f",
            "f64": "d"}  # fmt: skip


class Struct:
    """A packed struct: {"pid": "u32", "comm": "char[16]", "slots": "u64[8]"}."""

    def __init__(self, name: str, fields: Mapping[str, str], types: list[t.Type]) -> None:
        self.fields = dict(fields)
        members, at = [], 0
        for field, kind in fields.items():
            type_id, size = _type(kind, types)
            members.append(t.Member(field, type_id, 8 * at, 0))
            at += size
        self.size = at
        types.append(t.Composite(name, at, tuple(members), False))
        self.type_id = len(types) - 1

    def pack(self, values: Mapping[str, Any]) -> bytes:
        """Return a struct's bytes; what is not given is zero."""
        return b"".join(_pack(kind, values.get(name)) for name, kind in self.fields.items())


def _type(kind: str, types: list[t.Type]) -> tuple[int, int]:
    base, _, count = kind.rstrip("]").partition("[")
    if base == "char":
        types.append(t.Int("char", 1, True, False, True))
        size = 1
    elif base in ("f32", "f64"):
        size = _SIZES[base]
        types.append(t.Float("double" if size == 8 else "float", size))
    else:
        size = _SIZES[base]
        types.append(t.Int(base, size, base[0] == "s", False, False))
    element = len(types) - 1
    if not count:
        return element, size
    types.append(t.Array(element, 1, int(count)))
    return len(types) - 1, size * int(count)


def _pack(kind: str, value: Any) -> bytes:
    base, _, count = kind.rstrip("]").partition("[")
    if base == "char":
        raw = value.encode() if isinstance(value, str) else bytes(value or b"")
        return raw[: int(count)].ljust(int(count), b"\0")
    many = int(count or 1)
    values = list(value) if isinstance(value, Sequence | np.ndarray) else [value or 0]
    return struct.pack(f"<{many}{_LETTERS[base]}", *(values + [0] * (many - len(values))))


class Map:
    """A map with struct keys and values, and how it looks to exporters."""

    def __init__(self, key: Mapping[str, str], value: Mapping[str, str], name: str = "m") -> None:
        types: list[t.Type] = [t.Void(), t.Int("u32", 4, False, False, False)]
        self.name = name
        self.key, self.value = Struct("key", key, types), Struct("value", value, types)
        self.btf = t.Btf(tuple(types))
        sizes = (self.key.size, self.value.size)
        self.spec = MapSpec(name, 1, *sizes, 1 << 20, 0, self.key.type_id, self.value.type_id)

    def resolve(self, *metrics: MetricSpec) -> Resolved:
        return resolve(Signals(metrics), [self.spec], [], self.btf)

    def snapshot(
        self, entries: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], taken_ns: int = TAKEN_NS,
        since_ns: int = SINCE_NS,
    ) -> MapSnapshot:  # fmt: skip
        pairs = list(entries)
        keys = b"".join(self.key.pack(key) for key, _ in pairs)
        values = b"".join(self.value.pack(value) for _, value in pairs)
        shape = (len(pairs), self.key.size), (len(pairs), 1, self.value.size)
        raw = (np.frombuffer(each, np.uint8).reshape(size) for each, size in zip((keys, values), shape, strict=True))
        return MapSnapshot(self.name, taken_ns, *raw, 1 << 20, 0, since_ns)


def moment_of(
    exported: Resolved, *snapshots: MapSnapshot, processes: Processes = NO_PROCESSES, probe: str = "p"
) -> Moment:
    """Return a moment of one probe."""
    maps = {each.name: each for each in snapshots}
    one = ProbeMoment(probe, maps, {}, {}, exported.signals, exported.maps)
    taken = max(each.taken_ns for each in snapshots)
    return Moment(taken, 5, 0, {probe: one}, (), {}, {}, processes)


class Ring:
    """A ring buffer whose records are structs."""

    def __init__(self, fields: Mapping[str, str], name: str = "r") -> None:
        types: list[t.Type] = [t.Void(), t.Int("u32", 4, False, False, False)]
        self.name = name
        self.record = Struct("record", fields, types)
        self.btf = t.Btf(tuple(types))
        self.spec = MapSpec(name, 27, 0, 0, 4096, 0, None, self.record.type_id)

    def batch(
        self, signals: Sequence[LogSpec | SpanSpec], records: Iterable[Mapping[str, Any] | bytes], offset_ns: int = 0,
        taken_ns: int = TAKEN_NS,
    ) -> RecordBatch:  # fmt: skip
        logs = tuple(each for each in signals if isinstance(each, LogSpec))
        spans = tuple(each for each in signals if isinstance(each, SpanSpec))
        found = resolve(Signals((), logs, spans), [self.spec], [self.name], self.btf)
        raw = tuple(each if isinstance(each, bytes) else self.record.pack(each) for each in records)
        return RecordBatch("p", self.name, raw, taken_ns, offset_ns, found.signals, found.records[self.name])


def named(source: str, name: str, **more: Any) -> AttributeSpec:
    """An attribute."""
    return AttributeSpec(source, name, **more)


class Known:
    """Processes that a test says are alive, or have ended."""

    def __init__(self) -> None:
        self.alive: dict[int, str] = {}
        self.ended: dict[int, str] = {}

    def look(self, pids: Iterable[int]) -> Mapping[int, Process]:
        found = {}
        for pid in pids:
            if pid in self.alive:
                found[pid] = Process(self.alive[pid], self.alive[pid], alive=True)
            elif pid in self.ended:
                found[pid] = Process(self.ended[pid], self.ended[pid], alive=False)
        return found
