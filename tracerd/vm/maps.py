"""Live maps: made from an object's specs, used by programs through their address, read here at any time.

Keys and values are bytes; `views` gives them meaning. A per-CPU value is the values of all CPUs one after the other,
each padded to 8 bytes, as in bpf(2). A map may live in a file and so outlive the process (docs/pins.md): from the start
(`Map.in_file`), or from when it is pinned, while programs hold its addresses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.linux.memory import resident_bytes
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.snapshot import MapSnapshot
from tracerd.vm.map_blocks import Repair, asked, block_bytes, create_block, open_block, shape_of
from tracerd.vm.map_files import LockedFile, file_name
from tracerd.vm.map_home import Home
from tracerd.vm.map_reader import MapFile as MapFile

_LENGTH_BYTES = 4
_NO_KEY = -2
_CAUSES = {
    _NO_KEY: "there is no such key",
    -7: "the map is full or the key is beyond its end",
    -17: "the key is already there",
    -22: "this kind of map cannot do that",
}


@dataclass(frozen=True, slots=True)
class MapLayout:
    """Where values are: element `i` on CPU `c` has its value at `values + i * stride + c * cpu_stride`. Bytes."""

    values: int
    stride: int
    cpu_stride: int
    cpus: int


@dataclass(frozen=True, slots=True)
class MapStatistics:
    """A map's counts at one moment. For a ring buffer `count` is bytes not yet read, `refused` records without room."""

    count: int
    max_entries: int
    refused: int
    memory_bytes: int


class Map:
    """One live map. Programs that use it must be gone before it is closed.

    `handle` is the native `struct tr_map *`. `writing` is held by whoever changes the map beside its programs, or moves
    it into a file: several probes may have the same map.
    """

    def __init__(self, spec: MapSpec, kind: MapKind, cpus: int = 1) -> None:
        """Make the map and give it its initial contents.

        Raises:
            RunError: the core refuses its shape, or there is no memory.
        """
        shape = shape_of(spec, kind, cpus)[0]
        numbers = (shape.kind, shape.key_size, shape.value_size, shape.max_entries, shape.flags, shape.cpus)
        self._begin(spec, kind)
        self._take(asked(f"map {spec.name!r}", lambda error, size: lib.tr_map_new(*numbers, error, size)))
        self._fill(spec)

    @classmethod
    def in_file(cls, spec: MapSpec, kind: MapKind, cpus: int, path: Path) -> Self:
        """Open a map's file, or make it if there is none. `repaired` says what had to be mended.

        What is in a file that was there counts: initial contents are only written when it is made. Constant data is the
        exception, since proofs and code rely on it: it must be what the object says.

        Raises:
            RunError: the file is in use, damaged, of another shape or not ours; or there is no room for it.
            NotPermitted, NotSupported: the system refuses, or cannot.
        """
        made = cls.__new__(cls)
        made._begin(spec, kind)
        shape = shape_of(spec, kind, cpus)
        file = LockedFile.open(path)
        try:
            if file:
                made._reopen(file, shape, spec)
            else:
                file = LockedFile.draft(path, block_bytes(spec.name, shape))
                made._make(file, shape, spec)
        except BaseException:
            if file:
                file.close()
            made.close()
            raise
        made._home.file = file
        return made

    def _begin(self, spec: MapSpec, kind: MapKind) -> None:
        self.name = spec.name
        self.kind = kind
        self.since_ns = time.time_ns()       # since when it counts
        self.key_size = spec.key_size
        self.value_size = spec.value_size
        self.max_entries = spec.max_entries
        self.read_only = spec.read_only
        self.repaired = Repair()
        self.writing = threading.Lock()
        self._reading = threading.Lock()
        self.handle: Any = ffi.NULL
        self._home = Home(spec.name)

    def _take(self, handle: Any) -> None:
        self.handle = handle
        self.cpus = self.layout.cpus

    def _fill(self, spec: MapSpec) -> None:
        if spec.contents:
            self._check(lib.tr_map_write(self.handle, 0, spec.contents, len(spec.contents)), "write")

    def _make(self, draft: LockedFile, shape: Any, spec: MapSpec) -> None:
        """Only what is whole and on the disk gets its name."""
        try:
            self._take(create_block(draft, shape))
            self._fill(spec)
            draft.sync()
            draft.publish()
        except BaseException:
            draft.remove()
            raise
        draft.sync()

    def _reopen(self, file: LockedFile, shape: Any, spec: MapSpec) -> None:
        handle, self.repaired = open_block(file, spec.name, shape)
        self._take(handle)
        if spec.read_only and spec.contents:
            layout: Any = self._native_layout()
            there = bytes(ffi.buffer(ffi.cast("char *", layout.values), layout.stride * self.max_entries))
            # Padding as well: compiled code has the whole value as a constant.
            if there != spec.contents.ljust(len(there), b"\0"):
                cause = f"holds other constants than the object's {spec.name!r}; remove the file to start anew"
                raise RunError(file_name(file.path), cause)

    def __enter__(self) -> Map:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory. A file stays, and its lock is let go. May be called twice."""
        self._home.close()
        if self.handle:
            lib.tr_map_free(self.handle)
            self.handle = ffi.NULL

    @property
    def path(self) -> Path | None:
        """The file that holds the map; None while it is only in memory."""
        return self._home.file.path if self._home.file else None

    def prepare_pin(self, path: Path) -> None:
        """Make a file for the map and copy the map into it, beside running programs: all of pinning that takes time.

        Raises:
            RunError: the map is in a file already, the name is taken, or there is no room; nothing has changed.
            NotPermitted, NotSupported: the system refuses, or cannot; nothing has changed.
        """
        self._home.prepare(self._open(), self.statistics.memory_bytes, path)

    def commit_pin(self) -> None:
        """Let the map live in the file from now on. No address changes.

        Nothing may write the map meanwhile (its programs are stopped); snapshots may be taken. What programs wrote
        since `prepare_pin` is on the disk after the next `sync`.

        Raises:
            RunError, NotPermitted: the name is taken meanwhile, or the system refuses; the map is as it was.
        """
        self._home.commit()

    def abort_pin(self) -> None:
        """Forget a pin that was prepared: its file is removed. Without one, do nothing."""
        self._home.abort()

    def unpin(self) -> bool:
        """Remove the map's file; the map lives on in its memory. False if the file was gone or replaced by another.

        Raises:
            RunError: the map is in no file, or the disk fails.
            NotPermitted: the system refuses; the map is pinned still.
        """
        return self._home.leave()

    def sync(self, *, wait: bool = True) -> None:
        """Write a map in a file to the disk: what was synced survives a loss of power. Without a file, do nothing.

        Raises:
            RunError: the disk fails.
        """
        self._home.sync(self._open(), wait=wait)

    @property
    def address(self) -> int:
        """What programs pass to the map helpers."""
        return int(ffi.cast("uintptr_t", self._open()))

    @property
    def layout(self) -> MapLayout:
        """Where the values are; addresses never change."""
        native = self._native_layout()
        return MapLayout(native.values, native.stride, native.cpu_stride, native.cpus)

    @property
    def statistics(self) -> MapStatistics:
        native = self._stats()
        return MapStatistics(native.count, native.max_entries, native.refused, native.bytes)

    def lookup(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None if the map does not have it."""
        value = ffi.new("uint8_t[]", self._whole_value)
        result = lib.tr_map_lookup(self._open(), self._key(key), value)
        if result == _NO_KEY:
            return None
        self._check(result, "lookup")
        return bytes(ffi.buffer(value))

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        """Set a value. `flags`: 0, 1 (only if the key is new) or 2 (only if it is there).

        Raises:
            RunError: the map is full, `flags` forbids it, or a size is wrong.
        """
        if len(value) != self._whole_value:
            raise RunError(f"map {self.name!r}", f"a value has {self._whole_value} bytes, not {len(value)}")
        self._check(lib.tr_map_update(self._open(), self._key(key), value, flags), "update")

    def delete(self, key: bytes) -> bool:
        """Remove a key; False if it was not there.

        Raises:
            RunError: this kind of map does not delete.
        """
        result = lib.tr_map_delete(self._open(), self._key(key))
        if result == _NO_KEY:
            return False
        self._check(result, "delete")
        return True

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values (per-CPU values unpadded, one after the other) as they are now, in slot order."""
        copy = self.snapshot()
        for key, value in zip(copy.keys, copy.values, strict=True):
            yield key.tobytes(), value.tobytes()

    @property
    def resident_bytes(self) -> int:
        """How much of its block is in memory: it fills with its entries."""
        stats = self._stats()
        return resident_bytes(stats.address, stats.bytes)

    def snapshot(self) -> MapSnapshot:
        """Copy the map in one native call, beside running programs.

        Rows come in slot order, which is the same in every replay. A key is always whole.
        """
        taken = time.time_ns()
        stats = self._stats()
        keys = np.empty((stats.rows, self.key_size), np.uint8)
        values = np.empty((stats.rows, self.cpus, self.value_size), np.uint8)
        rows = lib.tr_map_copy(
            self._open(), ffi.cast("void *", keys.ctypes.data), ffi.cast("void *", values.ctypes.data), stats.rows
        )
        keys, values = keys[:rows], values[:rows]
        keys.flags.writeable = values.flags.writeable = False
        return MapSnapshot(self.name, taken, keys, values, self.max_entries, stats.refused, self.since_ns)

    def read(self) -> list[bytes]:
        """Take all finished records out of a ring buffer, oldest first. Readers wait for one another.

        Raises:
            RunError: this map is not a ring buffer.
        """
        if self.kind is not MapKind.RINGBUF:
            raise RunError(f"map {self.name!r}", "read refused: this kind of map cannot do that")
        records: list[bytes] = []
        with self._reading:                  # the core knows one reader, and probes that share a ring have one each
            while True:
                # Packed, records take less than in the ring. A ring may have a GiB: room for all of it costs too much.
                buffer = bytearray(min(self._stats().count, self.max_entries))
                if not buffer:
                    return records
                size = lib.tr_ring_read(self._open(), ffi.from_buffer(buffer), len(buffer))
                self._check(size, "read")
                if size == 0:
                    return records
                records.extend(_records(memoryview(buffer)[:size]))

    @property
    def _whole_value(self) -> int:
        return self.layout.cpu_stride * self.cpus if self.kind.per_cpu else self.value_size

    def _native_layout(self) -> Any:
        native: Any = ffi.new("struct tr_map_layout *")
        lib.tr_map_layout(self._open(), native)
        return native

    def _open(self) -> Any:
        if not self.handle:
            raise RunError(f"map {self.name!r}", "is closed")
        return self.handle

    def _key(self, key: bytes) -> bytes:
        if len(key) != self.key_size:
            raise RunError(f"map {self.name!r}", f"a key has {self.key_size} bytes, not {len(key)}")
        return key

    def _stats(self) -> Any:
        native = ffi.new("struct tr_map_stats *")
        lib.tr_map_stats(self._open(), native)
        return native

    def _check(self, result: int, what: str) -> None:
        if result < 0:
            raise RunError(f"map {self.name!r}", f"{what} refused: {_CAUSES.get(result, f'error {-result}')}")


def native_text(buffer: Any) -> str:
    """Return the sentence that the core left in an error buffer."""
    text: Any = ffi.string(buffer)
    return str(text.decode())


def _records(packed: memoryview) -> Iterator[bytes]:
    at = 0
    while at < len(packed):
        end = at + _LENGTH_BYTES + int.from_bytes(packed[at : at + _LENGTH_BYTES], "little")
        yield bytes(packed[at + _LENGTH_BYTES : end])
        at = end
