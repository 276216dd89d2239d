"""Payloads of every shipped event, 32- and 64-bit: written here after its fields, decoded to the last byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from tests.sources.schema_support import decode, run_decoder
from tracerd.sources.etw_decoder import EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.catalog import Catalog, load, shipped
from tracerd.sources.schema.model import REST, Event, Field, Provider, Ref
from tracerd.sources.schema.types import TYPES

NUMBER = 2
"""The value of every whole number, so also of every length and count."""

CLASSIC_KIND = 20
SID = bytes.fromhex("010100000000000512000000")
VARYING: Mapping[str, bytes] = {
    "sid": SID, "utf16z": b"a\0\0\0", "ansiz": b"a\0", "utf16n": b"\2\0a\0", "ansin": b"\2\0ab", "bytesn": b"\2\0ab",
    "rest": b"\1\2\3",
}
UNIT: Mapping[str, int] = {"utf16": 2, "ansi": 1, "bytes": 1, "sockaddr": 1}


def written(fields: tuple[Field, ...], pointer: int) -> bytes:
    """Return a payload with these fields."""
    return b"".join(value(each, pointer) * times(each.count) for each in fields)


def times(ref: Ref | None) -> int:
    """Return the length or count that a reference stands for."""
    return ref if isinstance(ref, int) else 1 if ref is None else 3 if ref == REST else NUMBER


def value(field: Field, pointer: int) -> bytes:
    """Return one value of a field."""
    kind = field.type
    if kind == "struct":
        return written(field.members, pointer)
    if kind in UNIT:
        return b"a\0"[:UNIT[kind]] * times(field.length)
    if kind in VARYING:
        return VARYING[kind]
    if kind == "wbemsid":
        return b"\1" * 2 * pointer + SID
    if kind == "hole":
        return bytes(pointer - 4)
    size = pointer if kind in ("ptr", "size") else TYPES[kind].bytes
    assert size is not None, kind
    return NUMBER.to_bytes(size, "little")


def outcome(decoder: EtwDecoder, provider: Provider, event: Event, pointer: int) -> str:
    """Decode one event; return what is wrong with it, "" if nothing is."""
    header: dict[str, Any] = (
        {"kind": CLASSIC_KIND, "opcode": event.number, "id": 0} if provider.is_class else {"id": event.number}
    )
    before = decoder.counts().decoded
    payload = written(event.fields, pointer)
    run_decoder(decoder, payload, pointer_size=pointer, guid=provider.guid, version=event.version, **header)
    text = decoder.take().decode()
    return "" if decoder.counts().decoded == before + 1 else text


@pytest.mark.parametrize("pointer", [4, 8])
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in shipped()])
def test_every_shipped_event_takes_its_payload_whole(path: Any, pointer: int) -> None:
    """All versions, with pointers of both sizes, lengths and counts of two."""
    provider = load(path)
    with closing(EtwSchemas()) as schemas:
        schemas.add(provider)
        with closing(EtwDecoder(schemas, "json")) as decoder:
            wrong = {
                (event.number, event.version): text
                for event in provider.events.values()
                if (text := outcome(decoder, provider, event, pointer))
            }
    assert wrong == {}


def runtime() -> Provider:
    """Return the .NET runtime's schemas."""
    (found,) = Catalog().by_name("Microsoft-Windows-DotNETRuntime")
    return found


@pytest.mark.parametrize(("pointer", "layout"), [(4, "<IIIII"), (8, "<IIIxxxxQQ")])
def test_the_runtime_leaves_a_hole_in_its_structures_only_where_pointers_are_wide(pointer: int, layout: str) -> None:
    """GCLOHCompact: {u32, u32, u32, size_t, size_t} of each heap, as a compiler lays it out."""
    payload = struct.pack("<HH", 9, 2) + struct.pack(layout, 1, 2, 3, 4, 5) + struct.pack(layout, 6, 7, 8, 9, 10)
    found = decode(payload, [runtime()], pointer_size=pointer, guid=runtime().guid, id=208)
    assert "reason" not in found
    assert [[each[name] for name in ("TimePlan", "TimeCompact", "TimeRelocate", "TotalRefs", "ZeroRefs")]
            for each in found["fields"]["Values"]] == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]


@pytest.mark.parametrize(("pointer", "layout"), [(4, "<HxxII"), (8, "<HxxIQ")])
def test_buckets_have_the_same_hole_in_both(pointer: int, layout: str) -> None:
    """GCFitBucketInfo: {u16, u32, size_t}."""
    payload = struct.pack("<HHQH", 9, 1, 77, 1) + struct.pack(layout, 1, 2, 3)
    found = decode(payload, [runtime()], pointer_size=pointer, guid=runtime().guid, id=209)
    assert "reason" not in found
    assert [found["fields"]["Values"][0][name] for name in ("Index", "Count", "Size")] == [1, 2, 3]
