"""Decode single payloads in tests, and write payloads of a schema with the values that their decoding must give."""

from __future__ import annotations

import ipaddress
import json
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from tracerd.native import ffi, lib
from tracerd.sources.etw_decoder import EtwDecoder
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.events_file import parse_fields
from tracerd.sources.schema.model import REST, Event, Field, Provider

GUID = UUID("11111111-2222-3333-4444-555555555555")
TIME_NS = 1_700_000_000_123_456_700
MANIFEST_KIND = 19


def provider_of(fields: str | tuple[Field, ...], **of: Any) -> Provider:
    """Return a provider with one event, id 1 version 0, that has these fields."""
    parsed = parse_fields(fields, of.get("maps", {})) if isinstance(fields, str) else fields
    return Provider("Test-Provider", GUID, events={(1, 0): Event(1, 0, "Tested", parsed)}, **of)


def decode(
    payload: bytes,
    providers: Sequence[Provider] = (),
    *,
    pointer_size: int = 8,
    schema: bytes | None = None,
    traits: bytes | None = None,
    guid: UUID = GUID,
    **header: Any,
) -> dict[str, Any]:
    """Return the JSON object of one event. `schema` and `traits` are the data of its extended items."""
    with closing(EtwSchemas()) as schemas:
        for provider in providers:
            schemas.add(provider)
        with closing(EtwDecoder(schemas, "json")) as decoder:
            run_decoder(decoder, payload, pointer_size=pointer_size, schema=schema, traits=traits, guid=guid, **header)
            (line,) = decoder.take().splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


def run_decoder(
    decoder: EtwDecoder,
    payload: bytes,
    *,
    pointer_size: int = 8,
    schema: bytes | None = None,
    traits: bytes | None = None,
    guid: UUID = GUID,
    **header: Any,
) -> Any:
    """Give a decoder one event; return the `struct tr_run *` it ran with."""
    data: Any = ffi.new("uint8_t[]", payload) if payload else ffi.new("uint8_t[1]")
    values = {"kind": MANIFEST_KIND, "id": 1, "hook": 0xFFFFFFFF, "pid": 7, "tid": 9, "time_ns": TIME_NS, **header}
    context: Any = ffi.new("struct tr_etw_context *", {**values, "pointer_size": pointer_size})
    context.provider = guid.bytes_le
    context.data, context.data_end = data, data + len(payload)
    keep = [ffi.new("uint8_t[]", each) for each in (schema or b"\0", traits or b"\0")]
    described: Any = ffi.new("struct tr_etw_described *")
    if schema is not None:
        described.schema, described.schema_bytes = keep[0], len(schema)
    if traits is not None:
        described.traits, described.traits_bytes = keep[1], len(traits)
    run: Any = ffi.new("struct tr_run *", {"described": described})
    lib.tr_program_run(decoder.program, context, run)
    return run


def fields_of(payload: bytes, fields: str, *, pointer_size: int = 8) -> dict[str, Any]:
    """Return what a payload decodes to, which must be all of it."""
    document = decode(payload, [provider_of(fields)], pointer_size=pointer_size)
    assert "reason" not in document, document
    found: dict[str, Any] = document["fields"]
    return found


_INTEGERS = {"i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q", "x8": "B",
             "x16": "H", "x32": "I", "x64": "Q", "bool8": "B", "bool32": "I", "f32": "f", "f64": "d"}


class Encoder:
    """Writes payloads of a schema in Python: the reference that the core is compared with.

    Values: integers for all whole numbers, pointers and FILETIMEs; floats; text; bytes for everything else; a list for
    an array; a mapping for a struct.
    """

    def __init__(self, pointer_size: int = 8) -> None:
        self._pointer = pointer_size

    def fields(self, fields: Sequence[Field], values: Mapping[str, Any]) -> bytes:
        """Return the payload."""
        return b"".join(self._field(each, values[each.name]) for each in fields)

    def shown(self, fields: Sequence[Field], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what decoding must give."""
        return {each.name: self._shown_field(each, values[each.name]) for each in fields}

    def _field(self, field: Field, value: Any) -> bytes:
        if field.count is not None:
            return b"".join(self._value(field, each) for each in value)
        return self._value(field, value)

    def _shown_field(self, field: Field, value: Any) -> Any:
        if field.count is not None:
            return [self._shown(field, each) for each in value]
        return self._shown(field, value)

    def _value(self, field: Field, value: Any) -> bytes:
        kind = field.type
        if kind in _INTEGERS:
            return struct.pack(f"<{_INTEGERS[kind]}", value)
        if kind in ("ptr", "size"):
            return int(value).to_bytes(self._pointer, "little")
        if kind == "filetime":
            return struct.pack("<Q", value)
        if kind == "struct":
            return self.fields(field.members, value)
        if kind.startswith(("utf16", "ansi")):
            raw = value.encode("utf-16-le" if kind.startswith("utf16") else "utf-8")
            zero = b"\0\0" if kind == "utf16z" else b"\0" if kind == "ansiz" else b""
            return (struct.pack("<H", len(raw)) if kind in ("utf16n", "ansin") else b"") + raw + zero
        if kind == "bytesn":
            return struct.pack("<H", len(value)) + bytes(value)
        if kind == "port":
            return struct.pack(">H", value)
        return bytes(value)

    def _shown(self, field: Field, value: Any) -> Any:
        kind = field.type
        if kind in ("x8", "x16", "x32", "x64", "ptr"):
            return hex(value)
        if kind in ("bool8", "bool32"):
            return bool(value)
        if kind == "f32":
            words = (f"{value:.{digits}g}" for digits in range(6, 10))
            return next(float(each) for each in words if np.float32(each) == np.float32(value))
        if kind == "filetime":
            return filetime_text(value)
        if kind == "struct":
            return self.shown(field.members, value)
        if kind == "guid":
            return str(UUID(bytes_le=bytes(value)))
        if kind in ("ipv4", "ipv6"):
            return str(ipaddress.ip_address(bytes(value)))
        if kind == "sid":
            return sid_text(value)
        if isinstance(value, bytes):
            return value.hex()
        return value


def filetime_text(ticks: int) -> str:
    """Return RFC 3339 of a FILETIME, by Python's calendar."""
    moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(seconds=ticks // 10_000_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{ticks % 10_000_000:07}Z"


def sid_text(sid: bytes) -> str:
    """Return the written form of a SID."""
    parts = struct.unpack(f"<{sid[1]}I", sid[8:])
    return "-".join(map(str, ("S", sid[0], int.from_bytes(sid[2:8], "big"), *parts)))


__all__ = ["GUID", "REST", "Encoder", "decode", "fields_of", "provider_of", "run_decoder"]
