"""Inputs for fuzzing the decoder and the callback: events of the samples, with their schemas, and some of each kind."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.sources.etl_support import ALL, SAMPLES, drain
from tests.sources.schema_support import provider_of
from tests.sources.test_etl_demo import DEMO
from tracerd.native import ffi, lib
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etw_schemas import native_layout
from tracerd.sources.schema.catalog import load, shipped
from tracerd.sources.schema.model import Event, Provider

WIDE, DESCRIBED, TRAITS, CLASSIC = 1, 8, 16, 32
_FORMS = range(4)
_NAMES = 52                      # bytes of the target's texts that a name may begin in

_MADE = (
    ("Count:u16 Items:{A:u32 B:utf16z}*Count Rest:rest", struct.pack("<HI4sI2s", 2, 7, b"a\0\0\0", 8, b"\0\0") + b"!"),
    ("Size:u8 Name:utf16[Size] Blob:bytes[Size] Four:x16*4", b"\x03a\0b\0c\0xyz" + bytes(range(8))),
    ("At:filetime When:systemtime Who:sid By:wbemsid", struct.pack("<Q8H", 1 << 57, 2024, 2, 4, 29, 1, 2, 3, 4)
     + b"\1\1\0\0\0\0\0\5\x12\0\0\0" + bytes(4)),
    ("Ratio:f32 Exact:f64 Id:guid Where:ptr Big:size", struct.pack("<fd", 1.1, -1e308) + bytes(range(32))),
    ("From:sockaddr[16] To:sockaddr[28] V4:ipv4 V6:ipv6 P:port",
     struct.pack("<H", 2) + bytes(14) + struct.pack("<H", 23) + bytes(26) + bytes(22)),
    ("A:ansiz B:ansin C:utf16n D:bytesn E:bool32 F:bool8 G:char16*3 H:char8*2",
     b"a\xe9\0\2\0bc\4\0d\0e\0\1\0f\1\0\0\0\1x\0y\0z\0hi"),
)


def write_seeds(folder: Path) -> None:
    """Write them into a folder, each in a form of its own."""
    seeds = [*_of_types(), *_of_recordings()]
    for number, seed in enumerate(seeds):
        flags = seed[0] | _FORMS[number % len(_FORMS)] << 1
        (folder / f"seed{number}").write_bytes(bytes([flags]) + seed[1:])


def write_records(folder: Path) -> None:
    """Write seeds of the callback: threads that start and are switched, items, and what is missing."""
    records = (
        _record(0x100, 1, 3, struct.pack("<II40x", 7, 9)),
        _record(0x100, 1, 36, struct.pack("<II16x", 9, 0), task=(255, 255)),
        _record(0x140, 0, 46, struct.pack("<QII", 1, 9, 1), task=(255, 255)),
        _record(0x41, 2, 7, b"payload", items=((1, b"schema"), (2, b"\x09\0name\0"))),
        _record(0x48, 3, 0, b"message"),
        _record(0x41, 2, 7, b"payload", missing=3, items=((1, b"schema"),)),
    )
    for number, seed in enumerate((*records, b"".join(records))):
        (folder / f"seed{number}").write_bytes(seed)


def _record(
    flags: int, provider: int, opcode: int, payload: bytes, *, task: tuple[int, int] = (7, 9), missing: int = 0,
    items: tuple[tuple[int, bytes], ...] = (),
) -> bytes:
    sizes = bytes(kind | len(data) << 2 for kind, data in items).ljust(3, b"\0")
    fixed = struct.pack("<H8BqBB", flags, provider, opcode, 7, 0, 4, 1, *task, 1000, missing, len(items))
    return fixed + sizes + bytes([len(payload)]) + b"".join(data for _, data in items) + payload


def _of_types() -> Iterator[bytes]:
    for fields, payload in _MADE:
        provider = provider_of(fields)
        yield _input(WIDE, _schema(provider, provider.events[1, 0]), b"", b"", payload)


def _of_recordings() -> Iterator[bytes]:
    """One event of each schema, and of each description that an event brings."""
    by_guid = {provider.guid: provider for provider in map(load, shipped())}
    seen: set[object] = set()
    for path in (DEMO, *sorted(SAMPLES.glob("*.etl"))):
        for told in _told(path):
            key: object = told.schema or (told.provider, told.number, told.version)
            provider = by_guid.get(told.provider)
            event = provider.events.get((told.number, told.version)) if provider else None
            if key in seen or not (event or told.schema):
                continue
            seen.add(key)
            schema = _schema(provider, event) if provider and event else b"\0\0"
            yield _input(told.flags, schema, told.schema, told.traits, told.payload)


class _Told:
    """One event as a program is given it."""

    def __init__(self, context: Any, described: Any) -> None:
        self.provider = UUID(bytes_le=bytes(context.provider))
        self.number = context.id or context.opcode
        self.version = context.version
        self.payload = bytes(ffi.buffer(context.data, context.data_end - context.data))
        self.schema = self.traits = b""
        if described != ffi.NULL and described.schema != ffi.NULL:
            self.schema = bytes(ffi.buffer(described.schema, described.schema_bytes))
        if described != ffi.NULL and described.traits != ffi.NULL:
            self.traits = bytes(ffi.buffer(described.traits, described.traits_bytes))
        classic = context.kind not in (18, 19)
        self.flags = WIDE * (context.pointer_size == 8) | CLASSIC * classic


def _told(path: Path) -> list[_Told]:
    told: list[_Told] = []

    def look(context: Any, run: Any) -> int:
        described = ffi.cast("struct tr_etw_described *", run.described)
        told.append(_Told(ffi.cast("struct tr_etw_context *", context), described))
        return 0

    program: Any = lib.tr_program_new()
    entry = ffi.callback("tr_entry", look)
    lib.tr_program_set_entry(program, entry, ffi.NULL)
    with closing(EtlSource(path)) as source:
        source.open([LinkRequest(ALL, program, 96)])
        drain(source)
    lib.tr_program_free(program)
    return told


def _schema(provider: Provider, event: Event) -> bytes:
    """Return fields and labels as the target reads them: names are bytes of its own."""
    _, (fields, labels, _) = native_layout(event, provider.maps)
    fields, labels = list(fields)[:63], list(labels)[:15]
    out = bytes([len(fields)])
    for number, each in enumerate(fields):
        kinds = (each.type, each.show, each.length_kind, each.count_kind)
        out += struct.pack("<4B3HBB", *kinds, each.length, each.count, each.members, each.map, number * 6 % _NAMES)
    out += bytes([len(labels)])
    for each in labels:
        out += struct.pack("<BBIBB", each.map, each.bit, each.value, 6, 6)
    return out


def _input(flags: int, schema: bytes, description: bytes, traits: bytes, payload: bytes) -> bytes:
    flags |= DESCRIBED * bool(description) | TRAITS * bool(traits)
    sized = b"".join(struct.pack("<H", len(each)) + each for each in (description, traits) if each)
    return bytes([flags, 0, 4]) + schema + sized + payload
