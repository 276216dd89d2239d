"""One request as a file of the spool: its name says what is in it, its head proves that all of it is there.

NUMBER-SIGNAL-ITEMS.otlp1, for instance 0000000000000042-metrics-1200.otlp1. The 1 is the version of the form: files of
another are left alone. The name is enough to count what a damaged file had.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import cast

from exporters.otlp.request import Request, Signal

HEAD = struct.Struct("<4sB3xQQI")
"""Magic, signal, items, length of the body, CRC32 of all before it and of the body. Little endian."""

UNFINISHED = ".otlp1.tmp"

_MAGIC = b"TOT1"
_NUMBERS: dict[Signal, int] = {"metrics": 1, "logs": 2, "traces": 3}
_NAME = re.compile(r"(\d{16})-(metrics|logs|traces)-(\d{1,18})\.otlp1")


@dataclass(slots=True)
class Entry:
    """A request on disk. `pinned` while it is being sent: it does not make room for others then."""

    number: int
    signal: Signal
    items: int
    bytes: int                           # of the whole file
    pinned: bool = False

    @property
    def name(self) -> str:
        return f"{self.number:016d}-{self.signal}-{self.items}.otlp1"


def named(name: str, size: int) -> Entry | None:
    """Return the entry that a file name stands for, or None if it is no name of ours."""
    found = _NAME.fullmatch(name)
    return Entry(int(found[1]), cast(Signal, found[2]), int(found[3]), size) if found else None


def packed(request: Request) -> bytes:
    """Return a request as a file's content."""
    head = HEAD.pack(_MAGIC, _NUMBERS[request.signal], request.items, len(request.body), 0)[:-4]
    return head + struct.pack("<I", zlib.crc32(request.body, zlib.crc32(head))) + request.body


def unpacked(content: bytes, entry: Entry) -> Request | None:
    """Return the request in a file, or None if it is damaged or is not what its name says."""
    if len(content) < HEAD.size:
        return None
    magic, number, items, length, crc = HEAD.unpack_from(content)
    body = content[HEAD.size :]
    if (magic, number, items, length) != (_MAGIC, _NUMBERS[entry.signal], entry.items, len(body)):
        return None
    if crc != zlib.crc32(body, zlib.crc32(content[: HEAD.size - 4])):
        return None
    return Request(entry.signal, body, entry.items)
