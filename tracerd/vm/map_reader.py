"""Looking at a map's file from outside: not locked, not mended, beside the process that writes it or without one.

The file is read, never mapped: one that is cut off meanwhile is a short read and not a SIGBUS. Its header gives its own
shape, checked by the core as a stranger's; everything behind follows from that shape alone.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.snapshot import MapSnapshot
from tracerd.vm.map_blocks import asked
from tracerd.vm.map_files import file_name
from tracerd.vm.own_files import failed, require_support

Bytes = npt.NDArray[np.uint8]

_PIECE = 4 << 20         # read at once: a hostile file of 4 GiB of nothing costs time, not memory
_TRIES = 100


class MapFile:
    """A map's file, open for reading. Sizes in bytes; `cpus` is 1 for a map that is not per-CPU."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        layout: Any = ffi.new("struct tr_map_file_layout *")
        head = os.pread(descriptor, lib.TR_MAP_HEAD_BYTES, 0)
        size = os.fstat(descriptor).st_size
        asked(
            file_name(path),
            lambda error, room: lib.tr_map_file_layout(head, len(head), size, layout, error, room),
        )
        self._layout = layout
        self.kind = MapKind(layout.shape.kind)
        self.key_size = int(layout.shape.key_size)
        self.value_size = int(layout.shape.value_size)
        self.max_entries = int(layout.shape.max_entries)
        self.flags = int(layout.shape.flags)
        self.cpus = int(layout.shape.cpus)
        self.refused = int(layout.refused)
        self.bytes = int(layout.bytes)
        self.count = self._count(head)

    @classmethod
    def open_read(cls, path: Path) -> MapFile:
        """Open a file and read its shape.

        Raises:
            RunError: there is none, or it is no map of ours.
            NotPermitted, NotSupported: the system does not let us read it, or has no such files.
        """
        require_support()
        what = file_name(path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise failed(what, error) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RunError(what, "is no regular file; remove it")
            return cls(path, descriptor)
        except OSError as error:
            os.close(descriptor)
            raise failed(what, error) from None
        except BaseException:
            os.close(descriptor)
            raise

    def __enter__(self) -> MapFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def snapshot(self, name: str) -> MapSnapshot:
        """Read the map as `Map.snapshot` does: rows in slot order, whole keys; a ring buffer has none.

        Raises:
            RunError: the file was cut off, or it changes faster than it can be read.
        """
        taken = time.time_ns()
        layout = self._layout
        slots = self.max_entries if self.kind.array else layout.used
        rows = list(self._rows(slots)) if self.kind.keyed else []
        keys = np.concatenate([each for each, _ in rows] or [np.empty((0, self.key_size), np.uint8)])
        values = np.concatenate([each for _, each in rows] or [np.empty((0, self.cpus, self.value_size), np.uint8)])
        keys.flags.writeable = values.flags.writeable = False
        return MapSnapshot(name, taken, keys, values, self.max_entries, layout.refused)

    def _count(self, head: bytes) -> int:
        """Return how many elements the header says there are (docs/pins.md), of a ring buffer its unread bytes.

        Whoever opens the map counts anew: this is to be shown, and no more than there is room for.
        """
        if self.kind.array:
            return self.max_entries
        count, reserved, taken = (int.from_bytes(head[at : at + 8], "little") for at in (128, 192, 256))
        return min(count if self.kind.keyed else max(reserved - taken, 0), self.max_entries)

    def _rows(self, slots: int) -> Iterator[tuple[Bytes, Bytes]]:
        """Yield keys and values, a piece of the file at a time."""
        stride = self._layout.stride
        step = max(_PIECE // stride, 1)
        for first in range(0, slots, step):
            count = min(step, slots - first)
            if self.kind.array:
                elements = self._read(first, count)
                keys = np.arange(first, first + count, dtype=np.uint32)[:, None].view(np.uint8)
            else:
                elements = self._stable(first, count)
                start = self._layout.key_in_element
                keys = elements[:, start : start + self.key_size].copy()
            yield keys, self._values(elements)

    def _values(self, elements: Bytes) -> Bytes:
        """Cut the values out: (rows, cpus, value_size)."""
        start, stride = int(self._layout.value_in_element), int(self._layout.cpu_stride)
        padded = elements[:, start : start + self.cpus * stride].reshape(len(elements), self.cpus, stride)
        values: Bytes = padded[:, :, : self.value_size].copy()
        return values

    def _stable(self, first: int, count: int) -> Bytes:
        """Read elements of a hash; keep those that hold a key, each whole.

        A read copies an element's version before its key, and the version is read again later: if it is odd and the
        same, nobody had replaced the key in between. Elements that changed are read once more, one at a time.
        """
        elements = self._read(first, count)
        again = self._versions(self._read(first, count))
        for row in np.flatnonzero(self._versions(elements) != again):
            elements[row] = self._stable_element(first + int(row))[0]
        holding: Bytes = elements[self._versions(elements) & 1 == 1]
        return holding

    def _stable_element(self, slot: int) -> Bytes:
        for _ in range(_TRIES):
            element = self._read(slot, 1)
            if self._versions(element)[0] == self._versions(self._read(slot, 1))[0]:
                return element
        raise RunError(file_name(self.path), "changes faster than it can be read; ask its daemon instead")

    def _versions(self, elements: Bytes) -> npt.NDArray[np.uint32]:
        start = int(self._layout.version_in_element)
        versions: npt.NDArray[np.uint32] = elements[:, start : start + 4].copy().view(np.uint32)[:, 0]
        return versions

    def _read(self, first: int, count: int) -> Bytes:
        """Read elements into memory of our own: (count, stride)."""
        stride = int(self._layout.stride)
        elements = np.empty((count, stride), np.uint8)
        left = memoryview(elements.data).cast("B")
        at = self._layout.elements_at + first * stride
        while left:
            try:
                got = os.preadv(self._descriptor, [left], at)
            except OSError as error:
                raise failed(file_name(self.path), error) from None
            if not got:
                raise RunError(file_name(self.path), "was cut off while it was read")
            left, at = left[got:], at + got
        return elements
