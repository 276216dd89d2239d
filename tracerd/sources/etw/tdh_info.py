"""What TDH answers, as bytes: TRACE_EVENT_INFO, EVENT_MAP_INFO and their like, read into the shape of a dump. Pure.

Layouts: tdh.h. Offsets in these structs are from their start; names are UTF-16 with a zero.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_DESCRIPTOR = struct.Struct("<HBBBBHQ")                  # id, version, channel, level, opcode, task, keyword
_EVENT_INFO = struct.Struct("<16s16sHBBBBHQ" + "I" * 16)
_PROPERTY = struct.Struct("<IIHHIHHI")                   # flags, name, in/start, out/members, map, count, length, tags
_MAP_INFO = struct.Struct("<IIII")
_PROVIDER = struct.Struct("<16sII")
_KEYWORD = struct.Struct("<IIQ")

_STRUCT, _LENGTH_FIELD, _COUNT_FIELD, _FIXED_LENGTH, _FIXED_COUNT = 0x1, 0x2, 0x4, 0x10, 0x20
_VALUE_MAP, _BIT_MAP = 1, 2

IN_TYPES = {
    1: "UnicodeString", 2: "AnsiString", 3: "Int8", 4: "UInt8", 5: "Int16", 6: "UInt16", 7: "Int32", 8: "UInt32",
    9: "Int64", 10: "UInt64", 11: "Float", 12: "Double", 13: "Boolean", 14: "Binary", 15: "GUID", 16: "Pointer",
    17: "FILETIME", 18: "SYSTEMTIME", 19: "SID", 20: "HexInt32", 21: "HexInt64", 22: "ManifestCountedString",
    23: "ManifestCountedAnsiString", 25: "ManifestCountedBinary", 300: "CountedString", 301: "CountedAnsiString",
    304: "NonNullTerminatedString", 305: "NonNullTerminatedAnsiString", 306: "UnicodeChar", 307: "AnsiChar",
    308: "SizeT", 310: "WbemSid",
}  # fmt: skip
"""TDH_INTYPE_*, by the names of manifests. Reversed counted strings and hex dumps are in no manifest."""

OUT_TYPES = {
    1: "string", 4: "unsignedByte", 8: "unsignedInt", 10: "unsignedLong", 13: "boolean", 15: "HexBinary", 16: "HexInt8",
    17: "HexInt16", 18: "HexInt32", 19: "HexInt64", 22: "Port", 23: "IPv4", 24: "IPv6", 25: "SocketAddress",
    29: "ErrorCode", 30: "Win32Error", 31: "NTSTATUS", 32: "HResult", 37: "CodePointer",
}  # fmt: skip
"""TDH_OUTTYPE_* that change how a value is shown."""


class Senseless(ValueError):
    """What TDH answered cannot be, or has a type that dumps do not have."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """EVENT_DESCRIPTOR: `raw` is its bytes."""

    id: int
    version: int
    raw: bytes


def descriptors(data: bytes) -> list[Descriptor]:
    """Read PROVIDER_EVENT_INFO: which events a provider has."""
    found = []
    for at in _elements(data, _DESCRIPTOR.size):
        number, version, *_ = _unpack(_DESCRIPTOR, data, at)
        found.append(Descriptor(number, version, data[at : at + _DESCRIPTOR.size]))
    return found


def providers(data: bytes) -> dict[str, UUID]:
    """Read PROVIDER_ENUMERATION_INFO: every registered provider by its name."""
    found = {}
    for at in _elements(data, _PROVIDER.size):
        guid, _source, name = _unpack(_PROVIDER, data, at)
        found[_text(data, name)] = UUID(bytes_le=guid)
    return found


def keywords(data: bytes) -> dict[str, int]:
    """Read PROVIDER_FIELD_INFOARRAY: masks by name."""
    return {
        _text(data, name): value
        for at in _elements(data, _KEYWORD.size)
        for name, _description, value in [_unpack(_KEYWORD, data, at)]
    }


def value_map(data: bytes) -> dict[str, Any] | None:
    """Read EVENT_MAP_INFO into the shape of a dump; None for a kind of map that dumps do not have."""
    _name, kind, count, _type = _unpack(_MAP_INFO, data, 0)
    if kind not in (_VALUE_MAP, _BIT_MAP):
        return None
    values = {}
    for at in range(_MAP_INFO.size, _MAP_INFO.size + 8 * count, 8):
        output, value = struct.unpack_from("<II", _at_least(data, at + 8), at)
        values[str(value)] = _text(data, output).rstrip()
    return {"values": values, "bits": kind == _BIT_MAP}


def event(data: bytes) -> dict[str, Any]:
    """Read TRACE_EVENT_INFO into the shape of a dump's event.

    Raises:
        Senseless: a field has a type that dumps do not have, or the bytes are no such struct.
    """
    head = _unpack(_EVENT_INFO, data, 0)
    number, version, _channel, level, opcode, task, keyword = head[2:9]
    offsets = head[9:]
    properties = [
        _unpack(_PROPERTY, data, _EVENT_INFO.size + _PROPERTY.size * index) for index in range(min(offsets[13], 4096))
    ]
    names = [_text(data, each[1]) for each in properties]
    reader = _Properties(data, properties, names)
    task_name, opcode_name = (_text(data, offsets[at]).strip() if offsets[at] else "" for at in (5, 6))
    return {
        "id": number, "version": version, "name": task_name or f"Event{number}", "level": level, "opcode": opcode,
        "task": task, "keyword": keyword, "fields": reader.fields(range(min(offsets[14], len(properties)))),
        "opcode_name": opcode_name,
    }


class _Properties:
    """The EVENT_PROPERTY_INFO array of one event: those of structs lie behind those on top."""

    def __init__(self, data: bytes, properties: list[tuple[Any, ...]], names: list[str]) -> None:
        self._data, self._properties, self._names = data, properties, names
        self._left = len(properties)             # members in structs in structs could otherwise go round in circles

    def fields(self, indexes: range) -> list[dict[str, Any]]:
        return [self._field(index) for index in indexes]

    def _field(self, index: int) -> dict[str, Any]:
        if index >= len(self._properties) or self._left == 0:
            raise Senseless("a field that is not there")
        self._left -= 1
        flags, _name, first, second, map_name, count, length, _tags = self._properties[index]
        field: dict[str, Any] = {"name": self._names[index]}
        if flags & _COUNT_FIELD:
            field["count"] = self._named(count)
        elif flags & _FIXED_COUNT or count > 1:
            field["count"] = count
        if flags & _STRUCT:
            return {"count": 1, **field, "fields": self.fields(range(first, first + second))}
        if first not in IN_TYPES:
            raise Senseless(f"InType {first}")
        field["in_type"] = IN_TYPES[first]
        if second in OUT_TYPES:
            field["out_type"] = OUT_TYPES[second]
        if flags & _LENGTH_FIELD:
            field["length"] = self._named(length)
        elif flags & _FIXED_LENGTH or (length and IN_TYPES[first] == "Binary"):
            field["length"] = length
        if OUT_TYPES.get(second) == "IPv6" and "length" not in field:
            field["length"] = 16
        if map_name:
            field["map"] = _text(self._data, map_name)
        return field

    def _named(self, index: int) -> str:
        if index >= len(self._names):
            raise Senseless("a length or count by a field that is not there")
        return self._names[index]


def map_names(fields: list[dict[str, Any]]) -> set[str]:
    """Return the maps that fields of an event use."""
    found = {field["map"] for field in fields if "map" in field}
    return found.union(*(map_names(field.get("fields", [])) for field in fields))


def _elements(data: bytes, size: int) -> Iterator[int]:
    """Yield where the elements of {u32 count, u32, elements …} begin."""
    (count, _reserved) = struct.unpack_from("<II", _at_least(data, 8))
    _at_least(data, 8 + count * size)
    yield from range(8, 8 + count * size, size)


def _unpack(layout: struct.Struct, data: bytes, at: int) -> tuple[Any, ...]:
    return layout.unpack_from(_at_least(data, at + layout.size), at)


def _at_least(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise Senseless("shorter than it says")
    return data


def _text(data: bytes, offset: int) -> str:
    """Return the UTF-16 text at an offset."""
    end = offset
    while data[end : end + 2] not in (b"\0\0", b"", b"\0"):
        end += 2
    return data[offset:end].decode("utf-16-le", "replace")
