"""What TDH says of an event or a map of values, as relogged recordings carry it for the other events in them.

Format: TRACE_EVENT_INFO, EVENT_PROPERTY_INFO and EVENT_MAP_INFO of tdh.h, as MicrosoftDocs/sdk-api describes them.
Offsets of the first count from its start, those of a map from behind its provider's GUID.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from tracerd.errors import ConfigError
from tracerd.native import lib
from tracerd.sources.schema.model import Event, Field, Ref, ValueMap
from tracerd.sources.schema.types import NUMBERS, SIZED, TDH_IN_TYPES, TDH_OUT_TYPES, from_manifest

MAX_FIELDS = lib.TR_ETW_MAX_FIELDS
MAX_DEPTH = lib.TR_ETW_MAX_DEPTH

_HEAD = struct.Struct("<16s16sHBBBBHQ16I")          # up to Flags
_PROPERTY = struct.Struct("<IIHHIHHI")
_MAP = struct.Struct("<16s4I")
_FROM_MANIFEST = 0                                  # DecodingSource
_STRUCT, _LENGTH_REF, _COUNT_REF, _FIXED_LENGTH, _FIXED_COUNT = 1, 2, 4, 0x10, 0x20
_VALUE_MAP, _BIT_MAP = 1, 2
_MAX_TEXT = 256                                     # of names and labels; texts may share their place in a payload


@dataclass(frozen=True, slots=True)
class DescribedEvent:
    """An event of a manifest, and whose it is."""

    provider: UUID
    name: str                    # of the provider
    event: Event


@dataclass(frozen=True, slots=True)
class _Property:
    flags: int
    name: int
    first: int                   # InType, or the index of a struct's first member
    second: int                  # OutType, or how many members
    map: int
    count: int
    length: int
    tags: int


def read_map_info(payload: bytes) -> tuple[UUID, str, ValueMap]:
    """Return whose map it is, its name and its values.

    Raises:
        ConfigError: it makes no sense, or is no map of numbers.
    """
    if len(payload) < _MAP.size:
        raise ConfigError("MapInfo", "is shorter than its head")
    provider, name, kind, count, value_type = _MAP.unpack_from(payload)
    if kind not in (_VALUE_MAP, _BIT_MAP) or value_type or len(payload) < _MAP.size + 8 * count:
        raise ConfigError("MapInfo", "is no map of numbers")
    body = payload[16:]
    entries = struct.iter_unpack("<II", payload[_MAP.size:_MAP.size + 8 * count])
    values = {value: _text(body, offset) for offset, value in entries}
    return UUID(bytes_le=provider), _text(body, name), ValueMap(values, bits=kind == _BIT_MAP)


def read_event_info(payload: bytes, maps: Mapping[tuple[UUID, str], ValueMap]) -> DescribedEvent:
    """Return the event of a manifest that this describes. `maps` are those known, by provider and name.

    Raises:
        ConfigError: it makes no sense, or describes an event that is in no manifest.
    """
    if len(payload) < _HEAD.size:
        raise ConfigError("EventInfo", "is shorter than its head")
    provider, _, number, version, _, level, opcode, task, keyword, source, *offsets = _HEAD.unpack_from(payload)
    if source != _FROM_MANIFEST:
        raise ConfigError("EventInfo", "describes an event that is in no manifest")
    count, top = offsets[12], offsets[13]
    if not top <= count <= MAX_FIELDS or len(payload) < _HEAD.size + count * _PROPERTY.size:
        raise ConfigError("EventInfo", "has more properties than fit into it")
    guid = UUID(bytes_le=provider)
    properties = [_Property(*_PROPERTY.unpack_from(payload, _HEAD.size + n * _PROPERTY.size)) for n in range(count)]
    fields = _Fields(payload, properties, {name for of, name in maps if of == guid}).between(0, top, {}, 0)
    name = _text(payload, offsets[4]) + (_text(payload, offsets[5]) if opcode else "")
    event = Event(number, version, name or f"Event{number}", fields, level, opcode, task, keyword)
    return DescribedEvent(guid, _text(payload, offsets[0]) or str(guid), event)


class _Fields:
    """Fields from properties: members of a struct are properties behind all that are not."""

    def __init__(self, payload: bytes, properties: list[_Property], maps: set[str]) -> None:
        self._payload = payload
        self._properties = properties
        self._maps = maps
        self._left = MAX_FIELDS                      # structs may name the same members twice

    def between(self, first: int, end: int, around: Mapping[str, int], depth: int) -> tuple[Field, ...]:
        """Return the fields of properties. `around` has the numbers before them: the property's index by name."""
        if end > len(self._properties) or depth > MAX_DEPTH:
            raise ConfigError("EventInfo", "has a struct of properties that are not there")
        numbers = dict(around)
        fields = []
        for index in range(first, end):
            self._left -= 1
            if self._left < 0:
                raise ConfigError("EventInfo", f"has more than {MAX_FIELDS} fields")
            field = self._field(self._properties[index], numbers, depth)
            numbers.pop(field.name, None)
            if field.type in NUMBERS and field.count is None:
                numbers[field.name] = index
            fields.append(field)
        return tuple(fields)

    def _field(self, of: _Property, numbers: Mapping[str, int], depth: int) -> Field:
        name = _text(self._payload, of.name)
        count: Ref | None = of.count if of.count > 1 or of.flags & _FIXED_COUNT else None
        if of.flags & _COUNT_REF:
            count = self._number(of.count, numbers)
        if of.flags & _STRUCT:
            members = self.between(of.first, of.first + of.second, numbers, depth + 1)
            return Field(name, "struct", count=count, members=members)
        kind = from_manifest(TDH_IN_TYPES.get(of.first, ""), TDH_OUT_TYPES.get(of.second, ""))
        if kind is None:
            raise ConfigError("EventInfo", f"field {name!r}: there is no InType {of.first}")
        length: Ref | None = of.length if of.length or of.flags & _FIXED_LENGTH else None
        if of.flags & _LENGTH_REF:
            length = self._number(of.length, numbers)
        if length is not None and kind in ("utf16z", "ansiz"):
            kind = kind[:-1]                         # a text with a length has no zero at its end
        if kind in SIZED and length is None:
            raise ConfigError("EventInfo", f"field {name!r} needs a length")
        of_map = _text(self._payload, of.map)
        return Field(
            name, kind, length if kind in SIZED else None, count, of_map if of_map in self._maps else ""
        )

    def _number(self, index: int, numbers: Mapping[str, int]) -> str:
        """Return the name of the property that is a length or a count."""
        for name, at in numbers.items():
            if at == index:
                return name
        raise ConfigError("EventInfo", f"property {index} is no number before the field that it counts")


def _text(data: bytes, offset: int) -> str:
    """Return the UTF-16 text at an offset, up to its zero or the end; "" if there is none."""
    if not 0 < offset < len(data):
        return ""
    text = data[offset:offset + 2 * _MAX_TEXT].decode("utf-16-le", "replace")
    return text.partition("\0")[0].strip()
