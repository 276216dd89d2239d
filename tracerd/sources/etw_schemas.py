"""Schemas in the core: prepared once, looked up by what an event's header says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from tracerd.errors import ConfigError, RunError
from tracerd.native import ffi, lib
from tracerd.sources.schema.model import REST, Event, Field, Provider, Ref, ValueMap, flat
from tracerd.sources.schema.types import TYPES


class EtwSchemas:
    """A table of prepared schemas. `native`, a `struct tr_etw_schemas *`, outlives what looks things up in it."""

    def __init__(self) -> None:
        self.native: Any = lib.tr_etw_schemas_new()
        if self.native == ffi.NULL:
            raise RunError("schemas", "no memory for them")

    def __len__(self) -> int:
        return int(lib.tr_etw_schemas_count(self.native))

    def name(self, guid: UUID, name: str, *, group: int | None = None, is_class: bool = False) -> None:
        """Make a provider's name known, whether or not there are schemas of its events."""
        text = name.encode()
        for key in _keys(guid, group, is_class=is_class):
            if lib.tr_etw_schemas_name(self.native, key, text, len(text)) < 0:
                raise RunError("schemas", "no memory for them")

    def add(self, provider: Provider) -> None:
        """Prepare all schemas of a provider. What is there already stays.

        Raises:
            ConfigError: a schema makes no sense.
        """
        self.name(provider.guid, provider.name, group=provider.group, is_class=provider.is_class)
        for event in provider.events.values():
            layout, _keep = native_layout(event, provider.maps)
            for key in _keys(provider.guid, provider.group, is_class=provider.is_class):
                key.number, key.version = event.number, event.version
                error = lib.tr_etw_schemas_add(self.native, key, layout)
                if error == -1:
                    raise RunError("schemas", "no memory for them")
                if error:
                    where = f"{provider.name}: event {event.number} version {event.version}"
                    raise ConfigError(where, "its fields make no sense: too many, too deep, or a length that is none")

    def close(self) -> None:
        """Release it. May be called twice."""
        if self.native is not None:
            lib.tr_etw_schemas_free(self.native)
            self.native = None


def schema_key(provider: Provider, number: int, version: int) -> Any:
    """Return the key by which an event with a GUID in its header is looked up."""
    key = _keys(provider.guid, None, is_class=provider.is_class)[0]
    key.number, key.version = number, version
    return key


def _keys(guid: UUID, group: int | None, *, is_class: bool) -> list[Any]:
    """Return keys of a provider: of its GUID, and of its group where its events may come by hook."""
    by_guid: Any = ffi.new("struct tr_etw_schema_key *")
    by_guid.provider = guid.bytes_le
    by_guid.space = lib.TR_ETW_BY_CLASS if is_class else lib.TR_ETW_BY_ID
    if group is None:
        return [by_guid]
    by_group: Any = ffi.new("struct tr_etw_schema_key *")
    by_group.provider = bytes([group]) + bytes(15)
    by_group.space = lib.TR_ETW_BY_GROUP
    return [by_guid, by_group]


def native_layout(event: Event, maps: Mapping[str, ValueMap]) -> tuple[Any, list[Any]]:
    """Return a `struct tr_etw_layout *`, and what must live as long as it."""
    texts = _Texts()
    names = [name for name in maps if any(each.map == name for each in flat(event.fields))]
    fields: list[dict[str, Any]] = []
    _put_fields(event.fields, {}, fields, texts, names)
    labels = [
        {"map": number, "bit": maps[name].bits, "value": value & 0xFFFFFFFF, **texts.put("text", label)}
        for number, name in enumerate(names, 1)
        for value, label in maps[name].values.items()
    ]
    layout: Any = ffi.new("struct tr_etw_layout *", texts.put("name", event.name))
    native_fields: Any = ffi.new("struct tr_etw_field[]", fields)
    native_labels: Any = ffi.new("struct tr_etw_label[]", labels)
    text: Any = ffi.new("char[]", bytes(texts.data))
    layout.fields, layout.field_count = native_fields, len(fields)
    layout.labels, layout.label_count = native_labels, len(labels)
    layout.texts, layout.text_bytes = text, len(texts.data)
    return layout, [native_fields, native_labels, text]


class _Texts:
    def __init__(self) -> None:
        self.data = bytearray()

    def put(self, key: str, text: str) -> dict[str, int]:
        """Keep a text; return where it is, for a struct with KEY and KEY_bytes."""
        raw = text.encode("utf-8", "replace")
        self.data += raw
        return {key: len(self.data) - len(raw), f"{key}_bytes": len(raw)}


def _put_fields(
    fields: Iterable[Field], outside: Mapping[str, int], out: list[dict[str, Any]], texts: _Texts, maps: list[str]
) -> None:
    """Append fields, each struct before its members. `outside` are the fields that may be referred to, by name."""
    seen = dict(outside)
    for each in fields:
        kind, index = TYPES[each.type], len(out)
        made: dict[str, Any] = {"type": kind.native, "show": kind.show, **texts.put("name", each.name)}
        made["map"] = maps.index(each.map) + 1 if each.map else 0
        made["length_kind"], made["length"] = _length(each, seen)
        made["count_kind"], made["count"] = _number(each.count, seen, lib.TR_ETW_ONE)
        out.append(made)
        _put_fields(each.members, seen, out, texts, maps)
        made["members"] = len(out) - 1 - index
        seen[each.name] = index


def _length(of: Field, seen: Mapping[str, int]) -> tuple[int, int]:
    kind = TYPES[of.type]
    if kind.length:
        return kind.length, kind.bytes or 0
    return _number(of.length, seen, 0)


def _number(ref: Ref | None, seen: Mapping[str, int], absent: int) -> tuple[int, int]:
    if ref is None:
        return absent, 0
    if isinstance(ref, int):
        return lib.TR_ETW_FIXED, min(ref, 0xFFFF)
    return (lib.TR_ETW_FIELD, seen[ref]) if ref in seen else (lib.TR_ETW_REST, 0) if ref == REST else (255, 0)
