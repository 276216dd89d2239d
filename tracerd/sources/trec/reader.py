"""Read a `.trec`, one block after the other, whatever happened to it: what is damaged is skipped and counted.

A file may be hostile. At most two blocks' worth of `format.MOST_BYTES` is in memory here at once, and the time is
proportional to the file's length: a header whose checksum is right is believed about its length, so no byte is looked
at twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracerd.btf import types as t
from tracerd.btf.blob import BtfError
from tracerd.btf.parse import parse
from tracerd.errors import NotSupported, SourceError
from tracerd.sources.files import open_regular
from tracerd.sources.trec.format import (
    BLOCK_MAGIC,
    FILE_HEAD,
    HEADER_BYTES,
    MOST_BYTES,
    VERSION,
    BlockHeader,
    BlockKind,
    Decoder,
    unpack_header,
    version_of,
)
from tracerd.sources.trec.meta import End, Meta, decode_end, decode_meta

_SCAN_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of events, decoded."""

    data: bytes
    events: int
    first_ns: int
    last_ns: int


@dataclass(slots=True)
class Damage:
    """What could not be read so far."""

    blocks: int = 0              # damaged, of a codec not known, or missing
    events: int = 0              # in the damaged blocks whose header was sound
    torn: bool = False           # the file ends inside a block


class Reader:
    """A recording, read from its start to its end, once. Opening it reads what it says of itself.

    Raises:
        SourceError: the file cannot be read, or is no recording of ours.
        NotSupported: it has a version of the format that does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = Damage()
        self.end: End | None = None
        self.blocks = 0                          # of events, read so far
        self.first_ns: int | None = None         # the earliest and the latest time in them
        self.last_ns = 0
        self._btf: tuple[t.Type, ...] = (t.Void(),)
        self._decoder = Decoder()
        self._number = 0                         # of the next block
        self._told: dict[int, int] = {}          # where the first BTF block and the first end are: `peek` sees them too
        self._file = os.fdopen(open_regular(path), "rb")
        try:
            self.file_bytes = os.fstat(self._file.fileno()).st_size
            self._check_head()
            self.meta = self._read_meta()
        except BaseException:
            self._file.close()
            raise

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._file.tell()

    @property
    def types(self) -> tuple[t.Type, ...]:
        """The types of the BTF block; only void before it was read, or if it is damaged."""
        return self._btf

    def batches(self) -> Iterator[Batch]:
        """Yield the blocks of events that are sound, in the order of the file."""
        for header, data in self._blocks():
            if header.kind == BlockKind.EVENTS:
                yield self._batch(header, data)
            elif header.kind in (BlockKind.BTF, BlockKind.END):
                self._take_told(header, data)

    def peek(self) -> int | None:
        """Read on to the first block of events, past the types: returns its earliest time, or None if there is none.

        The reader is left where it was.
        """
        here, number, damage = self._file.tell(), self._number, self.damage
        self.damage = Damage()
        first = next(self.batches(), None)
        self._file.seek(here)
        self._number, self.damage, self.blocks = number, damage, 0
        return first.first_ns if first is not None else None

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._file.close()

    def _check_head(self) -> None:
        version = version_of(self._file.read(FILE_HEAD.size))
        if version is None:
            raise SourceError(str(self.path), "is not a recording of tracerd: it does not begin with \\x89TREC")
        if version != VERSION:
            raise NotSupported(f"recording {self.path}", f"it has version {version} of the format, known is {VERSION}")

    def _read_meta(self) -> Meta:
        header, data = next(self._blocks(), (None, b""))
        meta = decode_meta(data) if header is not None and header.kind == BlockKind.META else None
        if meta is None:
            raise SourceError(str(self.path), "its first block is damaged: nothing says what its events are")
        return meta

    def _batch(self, header: BlockHeader, data: bytes) -> Batch:
        self.blocks += 1
        self.first_ns = header.first_ns if self.first_ns is None else min(self.first_ns, header.first_ns)
        self.last_ns = max(self.last_ns, header.last_ns)
        return Batch(data, header.events, header.first_ns, header.last_ns)

    def _take_told(self, header: BlockHeader, data: bytes) -> None:
        """Take what is told once. No recorder writes a second one: a small file of many would take hours to read."""
        here = self._file.tell()
        if self._told.setdefault(header.kind, here) != here:
            self.damage.blocks += 1
        elif header.kind == BlockKind.BTF:
            self._take_types(data)
        else:
            self._take_end(data)

    def _take_types(self, data: bytes) -> None:
        try:
            self._btf = parse(data).types
        except BtfError:
            self.damage.blocks += 1

    def _take_end(self, data: bytes) -> None:
        self.end = decode_end(data)
        self.damage.blocks += self.end is None

    def _blocks(self) -> Iterator[tuple[BlockHeader, bytes]]:
        """Yield every sound block from here on."""
        while (header := self._next_header()) is not None:
            data = self._data(header)
            if data is not None:
                yield header, data

    def _next_header(self) -> BlockHeader | None:
        """Read the header that should be here, or look for the next one; None at the end of the file."""
        head = self._file.read(HEADER_BYTES)
        if not head:
            return None
        header = unpack_header(head) or self._search(head)
        if header is None:
            self.damage.torn = True
            return None
        if header.number > self._number:
            self.damage.blocks += header.number - self._number
        self._number = header.number + 1
        return header

    def _search(self, window: bytes) -> BlockHeader | None:
        """Return the next sound header behind the first byte of `window`, which was read last."""
        at = 1
        while True:
            at = window.find(BLOCK_MAGIC, at)
            if at < 0 or at + HEADER_BYTES > len(window):
                keep = window[at:] if at >= 0 else window[-len(BLOCK_MAGIC) + 1 :]
                more = self._file.read(_SCAN_BYTES)
                if not more:
                    return None
                window, at = keep + more, 0
                continue
            header = unpack_header(memoryview(window)[at:])
            if header is not None:
                self._file.seek(at + HEADER_BYTES - len(window), os.SEEK_CUR)
                return header
            at += 1

    def _data(self, header: BlockHeader) -> bytes | None:
        """Read and decode a block; None if it cannot be, which is then counted."""
        assert header.stored <= MOST_BYTES
        stored = self._file.read(header.stored)
        data = self._decoder.data(header, stored)
        if data is None:
            self.damage.blocks += 1
            self.damage.events += header.events
            self.damage.torn |= len(stored) < header.stored
        return data


def is_trec(path: Path) -> bool:
    """Return whether a file is one of ours, by its first bytes; False if it cannot be read."""
    try:
        if not path.is_file():               # opening a pipe would wait for its other end
            return False
        with path.open("rb") as file:
            return version_of(file.read(FILE_HEAD.size)) is not None
    except (OSError, ValueError):
        return False
