"""What an attach name of ETW means: which provider or kernel group, which event. Pure.

    etw:PROVIDER[:EVENT]              a manifest provider by name or GUID, an event by name or id; "Microsoft-Windows-"
                                      may be left out; *NAME is whoever made its GUID of its name, as TraceLogging
                                      providers and EventSources do
    etw-kernel:GROUP[:EVENT]          a kernel group by name, an event by name or opcode
    etl:FILE[:PROVIDER[:EVENT]]       the same of a recording; PROVIDER may also be a kernel group's name
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from tracerd.errors import ConfigError
from tracerd.sources.schema.catalog import load, shipped, spellings
from tracerd.sources.schema.etw_names import KERNEL_GROUPS, PROVIDERS, KernelGroup, Provider

_GUID = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_FILE = re.compile(r"(?P<file>.+?\.etl)(?::(?P<rest>.+))?", re.IGNORECASE | re.DOTALL)

_NAMESPACE = UUID("482c2db2-c390-47c8-87f8-1a15bfc130fb").bytes        # of GUIDs that are made of a provider's name

_ANY = "any provider can be named by its GUID, one of TraceLogging or an EventSource as *NAME"

_NAMES = [row.name for row in PROVIDERS] + [row.name for row in KERNEL_GROUPS]
_PROVIDER_BY_NAME = {provider.name.lower(): provider for provider in PROVIDERS}
_GROUP_BY_NAME = {group.name.lower(): group for group in KERNEL_GROUPS}
_PROVIDER_BY_GUID = {UUID(provider.guid): provider for provider in PROVIDERS}
_GROUP_BY_GUID = {UUID(group.guid): group for group in KERNEL_GROUPS}


@dataclass(frozen=True, slots=True)
class EtwMatch:
    """Which events a name means; None is "any".

    `event` is compared with the id of manifest events and with the opcode of all others. A kernel group has both a
    GUID (classic events) and a group number (events by hook): an event of either kind fits.
    """

    provider: UUID | None = None
    group: int | None = None
    event: int | None = None


def parse_etw(rest: str) -> EtwMatch:
    """Return what "PROVIDER[:EVENT]" means. PROVIDER is a name of ours, a kernel group's name, a GUID or *NAME.

    Raises:
        ConfigError: the provider or the event is not known by that name.
    """
    name, _, event = rest.partition(":")
    known = _provider_of(name, rest)
    if known is None:
        return EtwMatch(_guid_in(name), None, _event_of(event, {}, rest))
    group = known.group if isinstance(known, KernelGroup) else _group_of(known)
    return EtwMatch(UUID(known.guid), group, _event_of(event, known.events, rest))


def parse_etw_kernel(rest: str) -> EtwMatch:
    """Return what "GROUP[:EVENT]" of `etw-kernel:` means. GROUP is a name.

    Raises:
        ConfigError: the group or the event is not known by that name.
    """
    name, _, event = rest.partition(":")
    group = _GROUP_BY_NAME.get(name.lower())
    if group is None:
        names = [each.name for each in KERNEL_GROUPS]
        raise ConfigError(f"etw-kernel:{rest}", _unknown("kernel group", name, names))
    named = _with_shipped(group)
    return EtwMatch(UUID(group.guid), group.group, _event_of(event, named.events, f"etw-kernel:{rest}"))


def split_file(rest: str) -> tuple[str, str]:
    """Split "FILE[:PROVIDER[:EVENT]]" after ".etl" into the file and the rest; a file of another name has no rest."""
    found = _FILE.fullmatch(rest)
    return (found["file"], found["rest"] or "") if found else (rest, "")


def parse_name(event: str) -> EtwMatch:
    """Return what a whole attach name means to a recording: `etl:`, `etw:` or `etw-kernel:`.

    Raises:
        ConfigError: the name does not start with one of those, or names something unknown.
    """
    prefix, _, rest = event.partition(":")
    if prefix == "etw" and rest:
        return parse_etw(rest)
    if prefix == "etw-kernel" and rest:
        return parse_etw_kernel(rest)
    if prefix == "etl" and rest:
        wanted = split_file(rest)[1]
        return parse_etw(wanted) if wanted else EtwMatch()
    raise ConfigError(event, "is not an event of a recording; these start with etl:, etw: or etw-kernel:")


def guid_of_name(name: str) -> UUID:
    """Return the GUID that TraceLogging providers and EventSources have by convention: a hash of their name."""
    digest = hashlib.sha1(_NAMESPACE + name.upper().encode("utf-16-be"), usedforsecurity=False).digest()
    made = bytearray(digest[:16])
    made[7] = made[7] & 0x0F | 0x50
    return UUID(bytes_le=bytes(made))


def provider_name(guid: UUID) -> str | None:
    """Return the name of a provider or kernel class, if it is one of ours."""
    known = _PROVIDER_BY_GUID.get(guid) or _GROUP_BY_GUID.get(guid)
    if known:
        return known.name
    return next((head.name for head in shipped().values() if head.guid == guid), None)


def hook_name(hook: int) -> str | None:
    """Return the kernel group of a hook, and the event if it has a name: "Process DCStart" of 0x0303."""
    group = next((each for each in KERNEL_GROUPS if each.group == hook >> 8), None)
    heads = (head for head in shipped().values() if head.group == hook >> 8)
    row = group or next((KernelGroup(head.name, hook >> 8, str(head.guid)) for head in heads), None)
    if row is None:
        return None
    names = {number: name for name, number in _with_shipped(row).events.items()}
    return f"{row.name} {names.get(hook & 0xFF, '')}".rstrip()


def _provider_of(name: str, whole: str) -> Provider | KernelGroup | None:
    """Return the table row, with the events of the shipped schemas; None for a GUID that is not known."""
    guid = _guid_in(name)
    if guid is not None:
        known = _PROVIDER_BY_GUID.get(guid) or _GROUP_BY_GUID.get(guid) or _shipped(guid=guid)
    else:
        known = next((row for each in spellings(name) if (row := _named(each))), None)
    if known is None and guid is None:
        names = [*_NAMES, *(head.name for head in shipped().values())]
        raise ConfigError(whole, f"{_unknown('provider', name, names)} ({_ANY})")
    return _with_shipped(known) if known else None


def _guid_in(name: str) -> UUID | None:
    """Return the GUID that a provider's name says; None if it does not say one."""
    if len(name) > 1 and name.startswith("*"):
        return guid_of_name(name[1:])
    return UUID(name) if _GUID.fullmatch(name) else None


def _named(name: str) -> Provider | KernelGroup | None:
    return _PROVIDER_BY_NAME.get(name) or _GROUP_BY_NAME.get(name) or _shipped(name=name)


def _shipped(*, name: str = "", guid: UUID | None = None) -> Provider | None:
    for head in shipped().values():
        if head.guid == guid or head.name.lower() == name.lower():
            return Provider(head.name, str(head.guid))
    return None


def _group_of(provider: Provider) -> int | None:
    return next((head.group for head in shipped().values() if str(head.guid) == provider.guid), None)


def _with_shipped(row: Provider | KernelGroup) -> Provider | KernelGroup:
    """Add the events that the shipped schemas name; what the row names stays."""
    for path, head in shipped().items():
        if head.guid == UUID(row.guid):
            return replace(row, events={**load(path).numbers(), **row.events})
    return row


def _event_of(event: str, names: Mapping[str, int], whole: str) -> int | None:
    if not event:
        return None
    if event.isascii() and event.isdigit():
        if int(event) > 0xFFFF:
            raise ConfigError(whole, f"event {event} is above 65535")
        return int(event)
    for name, number in names.items():
        if name.lower() == event.lower():
            return number
    raise ConfigError(whole, _unknown("event", event, names) if names else f"event {event!r}: give its number here")


def _unknown(what: str, name: str, valid: Iterable[str]) -> str:
    names = sorted(set(valid))
    near = difflib.get_close_matches(name, names, 1)
    return f"unknown {what} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}")
