"""Live maps: made from an object's specs, used by programs through their address, read here at any time.

Keys and values are bytes; `views` gives them meaning. A per-CPU value is the values of all CPUs one after the other,
each padded to 8 bytes, as in bpf(2).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from tracerd.elf.spec import MapSpec
from tracerd.errors import RunError
from tracerd.native import ffi, lib
from tracerd.platforms.model import MapKind
from tracerd.snapshot import MapSnapshot

_ERROR_SIZE = 256
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

    `handle` is the native `struct tr_map *`.
    """

    def __init__(self, spec: MapSpec, kind: MapKind, cpus: int = 1) -> None:
        """Make the map and give it its initial contents.

        Raises:
            RunError: the core refuses its shape, or there is no memory.
        """
        error = ffi.new("char[]", _ERROR_SIZE)
        flags = spec.flags | (lib.TR_MAP_F_RDONLY_PROG if spec.read_only else 0)
        self.name = spec.name
        self.kind = kind
        self.key_size = spec.key_size
        self.value_size = spec.value_size
        self.max_entries = spec.max_entries
        self.read_only = spec.read_only
        self.handle: Any = lib.tr_map_new(
            kind.value, spec.key_size, spec.value_size, spec.max_entries, flags, cpus, error, _ERROR_SIZE
        )
        if not self.handle:
            raise RunError(f"map {spec.name!r}", native_text(error))
        self.cpus = self.layout.cpus
        if spec.contents:
            self._check(lib.tr_map_write(self.handle, 0, spec.contents, len(spec.contents)), "write")

    def __enter__(self) -> Map:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory. May be called twice."""
        if self.handle:
            lib.tr_map_free(self.handle)
            self.handle = ffi.NULL

    @property
    def address(self) -> int:
        """What programs pass to the map helpers."""
        return int(ffi.cast("uintptr_t", self._open()))

    @property
    def layout(self) -> MapLayout:
        """Where the values are; addresses never change."""
        native: Any = ffi.new("struct tr_map_layout *")
        lib.tr_map_layout(self._open(), native)
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
        return MapSnapshot(self.name, taken, keys, values, self.max_entries, stats.refused)

    def read(self) -> list[bytes]:
        """Take all finished records out of a ring buffer, oldest first. One reader at a time.

        Raises:
            RunError: this map is not a ring buffer.
        """
        buffer = bytearray(self.max_entries)
        records: list[bytes] = []
        while True:
            size = lib.tr_ring_read(self._open(), ffi.from_buffer(buffer), len(buffer))
            self._check(size, "read")
            if size == 0:
                return records
            records.extend(_records(memoryview(buffer)[:size]))

    @property
    def _whole_value(self) -> int:
        return self.layout.cpu_stride * self.cpus if self.kind.per_cpu else self.value_size

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
