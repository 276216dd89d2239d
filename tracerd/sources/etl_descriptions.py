"""What a recording says of its own events: manifests of EventSources, and TDH's descriptions in relogged files.

One walk looks for the events that carry them, in the core; only those reach Python, and not more than a bounded number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import msgspec

from tracerd.errors import ConfigError
from tracerd.sources.base import LinkRequest
from tracerd.sources.etl import EtlSource
from tracerd.sources.etl_names import EtwMatch
from tracerd.sources.etw_decoder import EtwDecoder, Rule
from tracerd.sources.etw_matcher import CONTEXT_BYTES
from tracerd.sources.etw_schemas import EtwSchemas
from tracerd.sources.schema.event_info import DescribedEvent, read_event_info, read_map_info
from tracerd.sources.schema.event_source import MANIFEST_EVENT, Chunks, read_event_source
from tracerd.sources.schema.model import Provider, ValueMap, flat

TRACE_EVENT_INFO = UUID("bbccf6c1-6cd1-48c4-80ff-839482e37671")
EVENT_INFO, MAP_INFO = 32, 33

MAX_DESCRIPTIONS = 20_000
MAX_BYTES = 32 << 20
"""Events that describe, of one recording, and their payloads. Windows and .NET write a tenth of that."""

MAX_LABELS = 100_000
"""Entries of all maps that TDH describes."""

MAX_WEIGHT = 250_000
"""Fields and map entries of all schemas of one recording, each counted for every event that has it."""

_TURN_MS = 100


@dataclass(frozen=True, slots=True)
class Described:
    """What a recording describes: its providers, and how many descriptions are of no use."""

    providers: tuple[Provider, ...] = ()
    refused: int = 0


class _Line(msgspec.Struct):
    guid: UUID
    id: int
    opcode: int
    payload: str = ""
    pid: int = 0


@dataclass
class _Collected:
    maps: dict[tuple[UUID, str], ValueMap] = field(default_factory=dict)
    infos: dict[bytes, None] = field(default_factory=dict)           # each once, in their order
    chunks: dict[tuple[UUID, int], Chunks] = field(default_factory=dict)
    manifests: dict[bytes, UUID] = field(default_factory=dict)       # every process writes the same one again
    refused: int = 0
    _lines: int = 0
    _bytes: int = 0
    _labels: int = 0

    def take(self, text: bytes) -> None:
        """Take an event as the decoder writes it."""
        self._lines += 1
        self._bytes += len(text) // 2                # a payload is in hex
        if self._lines > MAX_DESCRIPTIONS or self._bytes > MAX_BYTES:
            self.refused += 1
            return
        line = _PARSE(text)
        payload = bytes.fromhex(line.payload)
        try:
            if line.id == MANIFEST_EVENT:
                whole = self.chunks.setdefault((line.guid, line.pid), Chunks()).add(payload)
                if whole is not None:
                    self.manifests.setdefault(whole, line.guid)
            elif line.opcode == MAP_INFO:
                self._take_map(payload)
            elif line.opcode == EVENT_INFO:
                self.infos[payload] = None
        except ConfigError:
            self.refused += 1

    def _take_map(self, payload: bytes) -> None:
        provider, name, values = read_map_info(payload)
        self._labels += len(values.values)
        if self._labels > MAX_LABELS:
            raise ConfigError("MapInfo", "is one map too many")
        self.maps.setdefault((provider, name), values)


_PARSE = msgspec.json.Decoder(_Line).decode


def read_descriptions(path: Path) -> Described:
    """Return what a recording describes. A description that makes no sense is counted, and left out.

    Raises:
        SourceError, NotSupported: the recording cannot be read.
    """
    found = _Collected()
    for text in _lines(path):
        found.take(text)
    weighed = _Weighed(found.refused + sum(each.unfinished for each in found.chunks.values()))
    for manifest, guid in found.manifests.items():
        weighed.add_manifest(manifest, guid)
    weighed.add_infos(found)
    return Described(tuple(weighed.providers), weighed.refused)


def _lines(path: Path) -> Iterator[bytes]:
    rules = (Rule(EtwMatch(TRACE_EVENT_INFO)), Rule(EtwMatch(event=MANIFEST_EVENT)))
    source = EtlSource(path)
    with closing(EtwSchemas()) as none, closing(source), closing(EtwDecoder(none, "json", rules=rules)) as decoder:
        source.open([LinkRequest("etl:recording.etl", decoder.program, CONTEXT_BYTES)])
        while source.pump(_TURN_MS) >= 0:
            yield from decoder.take().splitlines()
        yield from decoder.take().splitlines()


@dataclass
class _Weighed:
    """Providers whose schemas the core takes, as long as they are not too many."""

    refused: int
    providers: list[Provider] = field(default_factory=list)
    _weight: int = 0

    def add_manifest(self, manifest: bytes, guid: UUID) -> None:
        """Add the provider that wrote this manifest; it describes nobody else."""
        try:
            own = [each for each in read_event_source(manifest, str(guid)) if each.guid == guid]
        except ConfigError:
            own = []
        if not own:
            self.refused += 1
        for provider in own:
            self._add(provider)

    def add_infos(self, found: _Collected) -> None:
        """Add the events that TDH describes."""
        by_provider: dict[UUID, list[DescribedEvent]] = {}
        fields = 0
        for payload in found.infos:
            try:
                described = read_event_info(payload, found.maps) if fields < MAX_WEIGHT else None
            except ConfigError:
                described = None
            if described is None:
                self.refused += 1
                continue
            fields += sum(1 for _ in flat(described.event.fields))
            by_provider.setdefault(described.provider, []).append(described)
        for guid, events in by_provider.items():
            self._add(_provider(guid, events, found.maps))

    def _add(self, provider: Provider) -> None:
        kept = {}
        for key, event in provider.events.items():
            weight = sum(
                1 + (len(provider.maps[each.map].values) if each.map else 0) for each in flat(event.fields)
            )
            if self._weight + weight > MAX_WEIGHT or not _makes_sense(replace(provider, events={key: event})):
                self.refused += 1
                continue
            self._weight += weight
            kept[key] = event
        self.providers.append(replace(provider, events=kept))


def _provider(guid: UUID, events: Iterable[DescribedEvent], maps: dict[tuple[UUID, str], ValueMap]) -> Provider:
    by_number: dict[tuple[int, int], DescribedEvent] = {}
    for each in events:
        by_number.setdefault((each.event.number, each.event.version), each)
    own = {name: values for (of, name), values in maps.items() if of == guid}
    name = next(iter(by_number.values())).name
    found = {key: each.event for key, each in by_number.items()}
    return Provider(name, guid, events=found, maps=own, sources=("TDH's descriptions in the recording",))


def _makes_sense(provider: Provider) -> bool:
    with closing(EtwSchemas()) as schemas:
        try:
            schemas.add(provider)
        except ConfigError:
            return False
    return True
