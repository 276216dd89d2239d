"""Manifests that EventSources of .NET write into the stream: XML in chunks, each an event of the provider itself.

Format: ManifestEnvelope of dotnet/runtime's System.Diagnostics.Tracing (MIT): u8 format (1: XML in UTF-8), u8 major and
u8 minor version, u8 0x5B, u16 total of chunks, u16 number of this one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from tracerd.errors import ConfigError
from tracerd.sources.schema.events_file import parse_fields
from tracerd.sources.schema.manifest import providers_of
from tracerd.sources.schema.model import Event, Provider
from tracerd.sources.schema.xml_tree import parse_xml

MANIFEST_EVENT = 0xFFFE
MAX_BYTES = 4 << 20
"""Of one manifest: ten times the largest that .NET itself has."""

_SOURCE = "the manifest that its EventSource wrote into the recording"
_ENVELOPE = struct.Struct("<4B2H")
_FORMAT, _MAGIC = 1, 0x5B
_EVENT = Event(
    MANIFEST_EVENT, 1, "ManifestData",
    parse_fields("Format:u8 MajorVersion:u8 MinorVersion:u8 Magic:x8 TotalChunks:u16 ChunkNumber:u16 Data:ansiz", {}),
)


@dataclass
class Chunks:
    """The chunks of one process' manifest of one provider, which may come in any order and more than once."""

    _envelope: tuple[int, ...] = ()
    _parts: dict[int, bytes] = field(default_factory=dict)

    def add(self, payload: bytes) -> bytes | None:
        """Take the payload of an event; return the whole manifest when this was the chunk that lacked.

        Raises:
            ConfigError: it is no chunk of a manifest, or the manifest grows too large.
        """
        if len(payload) < _ENVELOPE.size:
            raise ConfigError("manifest", "a chunk is shorter than its envelope")
        style, major, minor, magic, total, number = _ENVELOPE.unpack_from(payload)
        if (style, magic) != (_FORMAT, _MAGIC) or number >= total:
            raise ConfigError("manifest", "a chunk has no envelope of one")
        if (major, minor, total) != self._envelope:              # another manifest begins
            self._envelope, self._parts = (major, minor, total), {}
        self._parts[number] = payload[_ENVELOPE.size:]
        if sum(map(len, self._parts.values())) > MAX_BYTES:
            self._parts.clear()
            raise ConfigError("manifest", f"is larger than {MAX_BYTES >> 20} MiB")
        if len(self._parts) < total:
            return None
        whole = b"".join(self._parts[each] for each in range(total))
        self._parts.clear()
        return whole

    @property
    def unfinished(self) -> bool:
        """Whether some of its chunks are still missing."""
        return bool(self._parts)


def read_event_source(manifest: bytes, where: str) -> list[Provider]:
    """Return the providers of a whole manifest, with the event that carries it.

    Raises:
        ConfigError: it is no manifest, or something in it makes no sense.
    """
    return [
        replace(each, events={**each.events, (MANIFEST_EVENT, _EVENT.version): _EVENT})
        for each in providers_of(parse_xml(manifest, where), where, _SOURCE)
    ]
