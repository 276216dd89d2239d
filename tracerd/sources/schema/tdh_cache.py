"""What Windows itself knows of providers (TDH), dumped once on that machine: a JSON document, read here on any.

`sources.etw.tdh` makes it; docs/etw.md has the shape. InTypes and OutTypes are the names of
manifests, "UnicodeString", "NTSTATUS"; a length or a count is a number or the name of a field before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import msgspec

from tracerd.errors import ConfigError
from tracerd.sources.schema.model import Event, Field, Provider, ValueMap
from tracerd.sources.schema.types import NUMBERS, SIZED, from_manifest

FORMAT = "tracerd-tdh-1"
MAX_BYTES = 256 << 20


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    in_type: str = ""
    out_type: str = ""
    length: int | str | None = None
    count: int | str | None = None
    map: str = ""
    fields: list[_Field] = []


class _Map(msgspec.Struct, forbid_unknown_fields=True):
    values: dict[str, str]
    bits: bool = False


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    version: int
    name: str
    fields: list[_Field] = []
    level: int | None = None
    opcode: int | None = None
    task: int | None = None
    keyword: int | None = None


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    guid: UUID
    events: list[_Event]
    maps: dict[str, _Map] = {}
    keywords: dict[str, int] = {}
    is_class: bool = False
    group: int | None = None


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    windows: str
    providers: list[_Provider]


def read_cache(path: Path) -> list[Provider]:
    """Return the providers of a dump.

    Raises:
        ConfigError: it cannot be read, or has not the shape of one.
    """
    try:
        with path.open("rb") as file:
            return read_document(str(path), file.read(MAX_BYTES + 1))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror or error}") from error


def read_document(where: str, data: bytes) -> list[Provider]:
    """Return the providers of a dump that came from `where`.

    Raises:
        ConfigError: it has not the shape of one.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ConfigError(where, f"is no dump of schemas: {error}") from error
    if document.format != FORMAT:
        raise ConfigError(where, f"has the format {document.format!r}; this version reads {FORMAT!r}")
    return [_provider(where, each, document.windows) for each in document.providers]


def _provider(whence: str, raw: _Provider, windows: str) -> Provider:
    where = f"{whence}: {raw.name}"
    maps = {name: ValueMap(_numbered(where, each.values), each.bits) for name, each in raw.maps.items()}
    events = {}
    for each in raw.events:
        if not (0 <= each.id <= 0xFFFF and 0 <= each.version <= 0xFF):
            raise ConfigError(where, f"event {each.id} version {each.version}: up to 65535 and 255")
        fields = _fields(f"{where}: event {each.id}", each.fields, maps, ())
        events[each.id, each.version] = Event(
            each.id, each.version, each.name, fields, each.level, each.opcode, each.task, each.keyword
        )
    source = f"TDH of Windows {windows}"
    return Provider(raw.name, raw.guid, raw.is_class, raw.group, events, maps, raw.keywords, (source,))


def _numbered(where: str, values: Mapping[str, str]) -> dict[int, str]:
    try:
        return {int(value, 0): text for value, text in values.items()}
    except ValueError as error:
        raise ConfigError(where, f"a map's value is no number: {error}") from error


def _fields(
    where: str, raw: list[_Field], maps: Mapping[str, ValueMap], around: tuple[Field, ...]
) -> tuple[Field, ...]:
    fields: tuple[Field, ...] = ()
    for each in raw:
        fields += (_field(f"{where}: field {each.name}", each, maps, (*around, *fields)),)
    return fields


def _field(where: str, raw: _Field, maps: Mapping[str, ValueMap], before: tuple[Field, ...]) -> Field:
    for ref in (raw.length, raw.count):
        if isinstance(ref, str) and not any(f.name == ref and f.type in NUMBERS and f.count is None for f in before):
            raise ConfigError(where, f"{ref!r} is no number before it")
    if raw.fields:
        return Field(raw.name, "struct", count=raw.count, members=_fields(where, raw.fields, maps, before))
    kind = from_manifest(raw.in_type, raw.out_type)
    if kind is None:
        raise ConfigError(where, f"there is no type {raw.in_type!r}")
    if raw.length is not None and kind in ("utf16z", "ansiz"):
        kind = kind[:-1]
    if kind in SIZED and raw.length is None:
        raise ConfigError(where, f"{raw.in_type} needs a length")
    return Field(
        raw.name, kind, raw.length if kind in SIZED else None, raw.count, raw.map if raw.map in maps else ""
    )
