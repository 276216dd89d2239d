"""Names of ETW events for `tracerd list`, and the fields of those whose schema is shipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from uuid import UUID

from tracerd.sources.schema.catalog import Catalog, load, shipped
from tracerd.sources.schema.etw_names import KERNEL_GROUPS, PROVIDERS
from tracerd.sources.schema.model import Event, Field, Provider
from tracerd.sources.schema.types import TYPES

_POINTER = 8                     # offsets are those of a 64-bit machine
_IN_GROUPS = frozenset(UUID(group.guid) for group in KERNEL_GROUPS)


def etw_names() -> Iterator[str]:
    """Yield `etw:PROVIDER:EVENT` for what has names: our own tables, and the shipped schemas."""
    own = {UUID(row.guid): (row.name, row.events) for row in PROVIDERS}
    for path, head in shipped().items():
        if head.guid not in _IN_GROUPS:
            name, events = own.get(head.guid, (head.name, {}))
            own[head.guid] = (name, {**load(path).numbers(), **events})
    for name, events in own.values():
        yield from _names("etw", name, events)


def etw_kernel_names() -> Iterator[str]:
    """Yield `etw-kernel:GROUP:EVENT`."""
    for group in KERNEL_GROUPS:
        shipped_too = {k: v for known in Catalog().by_guid(UUID(group.guid)) for k, v in known.numbers().items()}
        yield from _names("etw-kernel", group.name, {**shipped_too, **group.events})


def _names(prefix: str, name: str, events: Mapping[str, int]) -> Iterable[str]:
    return [f"{prefix}:{name}:{event}" for event in events] or [f"{prefix}:{name}"]


def etw_fields(name: str) -> dict[str, object] | None:
    """Return what a row says of an event's schema in its newest version; None if there is none."""
    _, provider_name, event_name = (*name.split(":"), "")[:3]
    guids = {UUID(each.guid) for each in (*PROVIDERS, *KERNEL_GROUPS) if each.name == provider_name}
    own = {k: v for each in (*PROVIDERS, *KERNEL_GROUPS) if each.name == provider_name for k, v in each.events.items()}
    known = [each for guid in guids for each in Catalog().by_guid(guid)] or list(Catalog().by_name(provider_name))
    for provider in known:
        number = own.get(event_name, provider.numbers().get(event_name))
        versions = provider.versions(number) if number is not None else []
        if versions and number is not None:
            return _row(provider, provider.events[number, versions[-1]], versions)
    return None


def _row(provider: Provider, event: Event, versions: list[int]) -> dict[str, object]:
    number = {"opcode" if provider.is_class else "id": event.number}
    return {**number, "version": event.version, "versions": versions, "fields": list(_fields(event.fields))}


def _fields(fields: Iterable[Field]) -> Iterator[dict[str, object]]:
    """Yield fields with their offset for as long as it is the same in every payload."""
    at: int | None = 0
    for each in fields:
        size = _size(each)
        named = {"map": each.map} if each.map else {}
        yield {"name": each.name, "type": replace(each, map="").declared, "offset": at, "size": size, **named}
        at = at + size if at is not None and size is not None else None


def _size(field: Field) -> int | None:
    count = 1 if field.count is None else field.count
    if field.type == "struct":
        sizes = [_size(member) for member in field.members]
        one = None if None in sizes else sum(size or 0 for size in sizes)
    elif isinstance(field.length, int):
        one = field.length * (2 if field.type == "utf16" else 1)
    else:
        one = _POINTER if field.type in ("ptr", "size") else TYPES[field.type].bytes
    return one * count if one is not None and isinstance(count, int) else None
