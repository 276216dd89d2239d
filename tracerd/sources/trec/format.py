"""The bytes of a `.trec`: its head, the headers of its blocks, checksums and codecs (docs/trec.md). Nothing is read
or written here; everything that comes from a file is checked here before anybody relies on it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Any

import zstandard

FILE_MAGIC = b"\x89TREC\r\n\x1a"
VERSION = 1
FILE_HEAD = struct.Struct("<8sHHI")          # magic, version, bytes of this head, zero

BLOCK_MAGIC = b"\xb7TRBLK\r\n"
_FIELDS = struct.Struct("<8sHHIIIQQII")      # magic, kind, codec, stored, raw, events, first, last, number, data CRC
_CHECK = struct.Struct("<II")                # zero, CRC of the 52 bytes before this word
HEADER_BYTES = _FIELDS.size + _CHECK.size

MOST_BYTES = 16 << 20
"""Of a block, stored or raw. A header that says more is none: what a file makes us allocate has a limit."""

MOST_TOLD = 4 << 20
"""Of a block that is not events, decoded: what is made of its bytes takes many times their room, and time."""

LEVEL = 1
"""Of zstd, where nobody asks for another."""


@unique
class BlockKind(IntEnum):
    """What is in a block."""

    META = 1         # JSON: `meta.Meta`
    BTF = 2          # the layouts of the events
    EVENTS = 3       # a batch (native/border/batch.h)
    END = 4          # JSON: `meta.End`


@unique
class Codec(IntEnum):
    """How the bytes of a block are stored."""

    NONE = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block's header. Of what `kind` and `codec` are, a later version may know more: they are plain numbers here."""

    kind: int
    codec: int
    stored: int                  # bytes in the file, behind the header
    raw: int                     # bytes once decoded
    events: int
    first_ns: int                # earliest and latest time in it; 0 in blocks without events
    last_ns: int
    number: int                  # blocks are numbered from 0, so that a missing one is seen
    data_crc: int


def file_head() -> bytes:
    """Return the first bytes of a recording."""
    return FILE_HEAD.pack(FILE_MAGIC, VERSION, FILE_HEAD.size, 0)


def version_of(head: bytes) -> int | None:
    """Return the version that a file's first bytes say, or None if it is not a recording of ours."""
    if len(head) < FILE_HEAD.size or not head.startswith(FILE_MAGIC):
        return None
    return int(FILE_HEAD.unpack_from(head)[1])


def pack_header(header: BlockHeader) -> bytes:
    """Return a header's bytes, checksum included."""
    fields = _FIELDS.pack(
        BLOCK_MAGIC, header.kind, header.codec, header.stored, header.raw, header.events, header.first_ns,
        header.last_ns, header.number, header.data_crc,
    )
    covered = fields + bytes(4)
    return covered + zlib.crc32(covered).to_bytes(4, "little")


def unpack_header(data: bytes | memoryview) -> BlockHeader | None:
    """Return the header at the start of some bytes; None if there is none that can be believed."""
    if len(data) < HEADER_BYTES or data[: len(BLOCK_MAGIC)] != BLOCK_MAGIC:
        return None
    covered = data[: HEADER_BYTES - 4]
    if _CHECK.unpack_from(data, _FIELDS.size)[1] != zlib.crc32(covered):
        return None
    header = BlockHeader(*_FIELDS.unpack_from(data)[1:])
    return header if max(header.stored, header.raw) <= MOST_BYTES else None


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a block. `data` is bytes or anything with a buffer."""

    kind: BlockKind
    data: Any
    events: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Encoder:
    """Makes blocks. One thread uses it."""

    def __init__(self, codec: Codec, level: int = LEVEL) -> None:
        self._codec = codec
        self._zstd = zstandard.ZstdCompressor(level=level)

    def block(self, content: Content, number: int) -> bytes:
        """Return a whole block. Compressing releases the GIL."""
        raw = memoryview(content.data)
        stored = self._zstd.compress(raw) if self._codec is Codec.ZSTD else bytes(raw)
        header = BlockHeader(
            content.kind, self._codec, len(stored), raw.nbytes, content.events, content.first_ns, content.last_ns,
            number, zlib.crc32(stored),
        )
        return pack_header(header) + stored


class Decoder:
    """Decodes the bytes of blocks. One thread uses it."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()

    def data(self, header: BlockHeader, stored: bytes) -> bytes | None:
        """Return a block's data, or None if it is damaged or its codec is not known."""
        if header.kind != BlockKind.EVENTS and header.raw > MOST_TOLD:
            return None
        if len(stored) != header.stored or zlib.crc32(stored) != header.data_crc:
            return None
        if header.codec == Codec.NONE:
            return stored if header.stored == header.raw else None
        if header.codec != Codec.ZSTD:
            return None
        return self._decompressed(header, stored)

    def _decompressed(self, header: BlockHeader, stored: bytes) -> bytes | None:
        """The frame's own idea of its size is asked first: the library would allocate whatever it says."""
        try:
            if zstandard.frame_content_size(stored) != header.raw:
                return None
            data: bytes = self._zstd.decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError:
            return None
        return data if len(data) == header.raw else None
