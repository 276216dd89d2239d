"""Ask Windows for the schemas of a provider, once, and keep the answer: a JSON document that `schema.tdh_cache` reads
on any system. TDH is never asked per event. Not run on Windows so far.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from tracerd.errors import ConfigError, NotSupported, SourceError
from tracerd.sources.etw import tdh_info
from tracerd.sources.etw.api import Api, load, on_windows
from tracerd.sources.etw.refusals import INSUFFICIENT_BUFFER, NOT_FOUND, SUCCESS, refusal
from tracerd.sources.schema.model import Provider
from tracerd.sources.schema.tdh_cache import FORMAT, read_cache, read_document

_NONE = (2, NOT_FOUND, 1812, 1813, 4306, 15100)
"""There is none: no such file, schema, resource, type of resource, event, text in this language."""

_TRIES = 4                                   # the answer may grow between two questions


@dataclass(frozen=True, slots=True)
class Dump:
    """A provider's schemas as a document of the format "tracerd-tdh-1", and the events that have none of its types."""

    document: dict[str, Any]
    left_out: tuple[str, ...]


class Tdh:
    """Windows' TDH."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @cached_property
    def providers(self) -> dict[str, UUID]:
        """Every registered provider by its name."""
        data = self._answer("TdhEnumerateProviders", self._api.tdh_dll.TdhEnumerateProviders)
        with _sensible("its registered providers"):
            return tdh_info.providers(data) if data else {}

    def find(self, provider: str) -> tuple[str, UUID]:
        """Return name and GUID of a provider that is registered, by either.

        Raises:
            ConfigError: it is not registered here.
        """
        for name, guid in self.providers.items():
            if provider.lower() in (name.lower(), str(guid), f"{{{guid}}}"):
                return name, guid
        raise ConfigError(provider, "is no provider that is registered here; see them with: logman query providers")

    def dump(self, name: str, guid: UUID) -> Dump:
        """Return all schemas of a provider.

        Raises:
            NotPermitted, SourceError: Windows has no manifest of it, or does not answer sensibly.
        """
        native = self._api.guid.from_buffer_copy(guid.bytes_le)
        dll = self._api.tdh_dll
        answer = self._answer(
            "TdhEnumerateManifestProviderEvents", dll.TdhEnumerateManifestProviderEvents, ctypes.byref(native)
        )
        if answer is None:
            raise SourceError(f"ETW provider {name}", "Windows has no manifest; its events may describe themselves")
        with _sensible(name):
            events, left_out = self._events(native, tdh_info.descriptors(answer))
            maps = {each for event in events for each in tdh_info.map_names(event["fields"])}
            provider = {
                "name": name, "guid": str(guid), "events": _told_apart(events), "keywords": self._keywords(native),
                "maps": self._maps(native, maps),
            }
        return Dump(_document(provider), tuple(left_out))

    def _events(
        self, guid: Any, descriptors: Iterable[tdh_info.Descriptor]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the events that can be read again, and why others cannot: one of them must not spoil all."""
        events, left_out = [], []
        for descriptor in descriptors:
            where = f"event {descriptor.id} version {descriptor.version}"
            try:
                event = self._event(guid, descriptor)
                _check(event)
                events.append(event)
            except (tdh_info.Senseless, ConfigError) as error:
                left_out.append(f"{where}: {error}")
        return events, left_out

    def _event(self, guid: Any, descriptor: tdh_info.Descriptor) -> dict[str, Any]:
        raw = ctypes.create_string_buffer(descriptor.raw, len(descriptor.raw))
        call = self._api.tdh_dll.TdhGetManifestEventInformation
        data = self._answer("TdhGetManifestEventInformation", call, ctypes.byref(guid), raw)
        if data is None:
            raise tdh_info.Senseless("Windows has no schema of it")
        return tdh_info.event(data)

    def _keywords(self, guid: Any) -> dict[str, int]:
        kind = self._api.tdh.EventKeywordInformation
        call = self._api.tdh.TdhEnumerateProviderFieldInformation
        data = self._answer(
            "TdhEnumerateProviderFieldInformation", call, ctypes.byref(guid), kind,
            of=ctypes.POINTER(self._api.tdh.PROVIDER_FIELD_INFOARRAY),
        )
        return tdh_info.keywords(data) if data else {}

    def _maps(self, guid: Any, names: Iterable[str]) -> dict[str, Any]:
        """Maps are asked for by an event's record; of it only the provider matters."""
        record = self._api.evntcons.EVENT_RECORD()
        record.EventHeader.ProviderId = guid
        found = {}
        for name in sorted(names):
            data = self._answer(
                "TdhGetEventMapInformation", self._api.tdh.TdhGetEventMapInformation, ctypes.byref(record), name,
                of=ctypes.POINTER(self._api.tdh.EVENT_MAP_INFO),
            )
            known = tdh_info.value_map(data) if data else None
            if known is not None:
                found[name] = known
        return found

    def _answer(self, name: str, call: Callable[..., int], *arguments: Any, of: Any = ctypes.c_void_p) -> bytes | None:
        """Return what a call fills in a buffer, whose size it tells first; None if there is nothing to tell.

        Raises:
            NotPermitted, SourceError: it refuses.
        """
        size = self._api.tdh.wt.ULONG(0)
        buffer: ctypes.Array[ctypes.c_char] | None = None
        status = INSUFFICIENT_BUFFER
        for _ in range(_TRIES):
            place = ctypes.cast(buffer, of) if buffer is not None else None
            status = int(call(*arguments, place, ctypes.byref(size)))
            if status == SUCCESS:
                return buffer.raw[: size.value] if buffer is not None else None
            if status in _NONE:
                return None
            if status != INSUFFICIENT_BUFFER:
                break
            buffer = ctypes.create_string_buffer(max(size.value, 1))
        raise refusal("schemas of Windows", status, name)


class SchemaCache:
    """Schemas that Windows was asked for, in a folder: a file for each provider and version of Windows."""

    def __init__(self, tdh: Tdh, folder: Path) -> None:
        self._tdh = tdh
        self._folder = folder

    def provider(self, guid: UUID) -> Provider | None:
        """Return what Windows knows of a provider; None if nothing.

        Raises:
            ConfigError, NotPermitted, SourceError: it cannot be asked, or its answer makes no sense.
        """
        name = next((name for name, each in self._tdh.providers.items() if each == guid), None)
        if name is None:
            return None
        path = self._folder / f"{guid}-{_version()}.json"
        if not path.exists():
            try:
                write(self._tdh.dump(name, guid), path)
            except SourceError:                  # registered, but without a manifest
                return None
        return read_cache(path)[0]


def registered_here() -> Callable[[UUID], Provider | None] | None:
    """Return how to ask this machine for schemas that tracerd does not ship; None where it is not Windows."""
    if not on_windows():
        return None
    home = os.environ.get("LOCALAPPDATA")
    folder = Path(home) if home else Path.home() / "AppData" / "Local"
    try:
        return SchemaCache(Tdh(load()), folder / "tracerd" / "schemas").provider
    except NotSupported:                         # recordings are decoded without pywintrace too
        return None


def write(dump: Dump, path: Path) -> None:
    """Write a dump: under another name first, so that nobody reads half of it.

    Raises:
        ConfigError: the file cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(dump.document, indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError(str(path), f"cannot be written: {error.strerror or error}") from error


def _document(*providers: dict[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "windows": _version(), "providers": list(providers)}


def _check(event: dict[str, Any]) -> None:
    """See whether the event can be read again.

    Raises:
        ConfigError: it has a length or a type that a dump cannot have.
    """
    alone = {key: value for key, value in event.items() if key != "opcode_name"}
    provider = {"name": "Windows", "guid": str(UUID(int=0)), "events": [alone]}
    read_document("TDH", json.dumps(_document(provider)).encode())


@contextmanager
def _sensible(what: str) -> Iterator[None]:
    try:
        yield
    except tdh_info.Senseless as error:
        raise SourceError(f"schemas of Windows: {what}", f"Windows' answer makes no sense: {error}") from error


def _told_apart(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give events of several ids that share their task's name the opcode's name too, and if need be their number."""
    ids = {(each["name"], each["id"]) for each in events}
    shared = {name for name, count in Counter(name for name, _ in ids).items() if count > 1}
    for each in events:
        opcode = each.pop("opcode_name")
        if each["name"] in shared and opcode:
            each["name"] += opcode
    ids = {(each["name"], each["id"]) for each in events}
    shared = {name for name, count in Counter(name for name, _ in ids).items() if count > 1}
    for each in events:
        if each["name"] in shared:
            each["name"] += f"_{each['id']}"
    return events


def _version() -> str:
    return platform.version()
