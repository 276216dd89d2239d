"""Write a `.trec`: the head and the blocks, one write each, so that what is in the file is always a whole recording up
to its last block.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from tracerd.errors import ConfigError, SourceError
from tracerd.sources.trec.format import LEVEL, MOST_TOLD, BlockKind, Codec, Content, Encoder, file_head
from tracerd.sources.trec.meta import End, Meta, readable


class Full(SourceError):
    """The recording has reached the size it may have. Nothing is wrong."""


class TrecWriter:
    """A recording on its way to disk. One thread uses it. What the reader would refuse is refused here."""

    def __init__(self, path: Path, codec: Codec, *, force: bool = False, limit: int | None = None) -> None:
        """Say where it goes. With `force` it takes the place of a file; `limit` is the most bytes it may have."""
        self.path = path
        self.bytes = 0
        self.events = 0
        self._number = 0                         # of the next block
        self._limit = limit
        self._encoder = Encoder(codec, LEVEL)
        self._force = force
        self._file = -1

    def begin(self, meta: Meta, btf: bytes) -> None:
        """Make the file, readable by its owner only, and write what the recording says of itself.

        Raises:
            ConfigError: the file exists and `force` is not set, or it cannot be made.
            SourceError: nobody could read what it says of itself; nothing is made. Or the system refuses the write; the
                file is taken away again.
        """
        told = readable(meta)
        if told is None or max(len(told), len(btf)) > MOST_TOLD:
            raise SourceError(str(self.path), "is not made: what it would say of its events makes no sense")
        self._file = _create(self.path, force=self._force)
        try:
            self._write(file_head())
            self._write_block(Content(BlockKind.META, told))
            self._write_block(Content(BlockKind.BTF, btf))
        except SourceError:
            if self.path.is_file():
                self.path.unlink()
            raise

    def events_block(self, data: Any, events: int, first_ns: int, last_ns: int) -> None:
        """Write a block of events; `data` has a buffer.

        Raises:
            Full: it would be larger than it may.
            SourceError: the system refuses the write. The file ends where the block before did.
        """
        self._write_block(Content(BlockKind.EVENTS, data, events, first_ns, last_ns), self._limit)
        self.events += events

    def finish(self, end: End) -> None:
        """Write the last block.

        Raises:
            SourceError: the system refuses the write, or nobody could read the ledger. What is there stays readable.
        """
        told = readable(end)
        if told is None or len(told) > MOST_TOLD:
            raise SourceError(str(self.path), "has no end: the ledger of its events makes no sense")
        self._write_block(Content(BlockKind.END, told))

    def close(self) -> None:
        """Close the file. May be called twice.

        Raises:
            SourceError: the system could not keep what was written (a network's disk says so only here).
        """
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.close(file)
            except OSError as error:
                raise _refused(self.path, error) from error

    def _write_block(self, content: Content, limit: int | None = None) -> None:
        block = self._encoder.block(content, self._number)
        if limit is not None and self.bytes + len(block) > limit:
            raise Full(str(self.path), f"has reached {limit} bytes")
        self._write(block)
        self._number += 1

    def _write(self, data: bytes) -> None:
        """Write as a whole, or leave the file as it was."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError as error:
            self._take_back()
            raise _refused(self.path, error) from error
        self.bytes += len(data)

    def _take_back(self) -> None:
        if stat.S_ISREG(os.fstat(self._file).st_mode):
            os.ftruncate(self._file, self.bytes)
            os.lseek(self._file, self.bytes, os.SEEK_SET)


def _create(path: Path, *, force: bool) -> int:
    """Make the file. With `force` one that is there is put out of the way, not written over: who reads it goes on."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        if force and path.is_file():
            path.unlink()
        elif force and path.exists() and not path.is_dir():
            flags &= ~(os.O_CREAT | os.O_EXCL)           # a device: /dev/null
        file = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise ConfigError(str(path), "exists; --force writes over it") from error
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), f"cannot be written: {getattr(error, 'strerror', None) or error}") from error
    if not flags & os.O_EXCL and stat.S_ISREG(os.fstat(file).st_mode):
        # In a folder of somebody else's the device was exchanged for a link to a file while we looked.
        os.close(file)
        raise ConfigError(str(path), "was exchanged for another file meanwhile")
    return file


def _refused(path: Path, error: OSError) -> SourceError:
    return SourceError(str(path), f"recording ended: {error.strerror}")
