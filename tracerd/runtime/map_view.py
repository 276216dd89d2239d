"""One live map as people and programs see it: keys and values by BTF, as JSON can carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from tracerd.errors import RunError, UnfitValue
from tracerd.runtime.loaded import Loaded
from tracerd.runtime.objects import MapInfo
from tracerd.snapshot import MapSnapshot
from tracerd.text import cut
from tracerd.views.columns import MapColumns
from tracerd.views.values import Codec
from tracerd.vm.maps import Map

MOST_ENTRY_BYTES = 16 << 20
"""Contents of a map that one answer may have as entries."""


class MapView:
    """A map with its types. Bytes without a type are hex, in both directions. Every method raises NotFound once the
    map's probe is unloaded.
    """

    def __init__(self, loaded: Loaded, name: str, info: Callable[[Map], MapInfo]) -> None:
        """Raises NotFound if the probe is unloaded."""
        self._loaded = loaded
        self._info = info
        with loaded.used() as probe:
            live, obj = probe.maps[name], probe.object
        spec = next(each for each in obj.maps if each.name == name)
        self._map = live
        indexed = spec.key_type is None and live.kind.array
        self._key = Codec.index() if indexed else Codec(obj.btf, spec.key_type, spec.key_size)
        self._value = Codec(obj.btf, spec.value_type, spec.value_size)
        self._columns = MapColumns(spec, obj.btf)

    @property
    def info(self) -> MapInfo:
        """What the map is and holds now."""
        with self._loaded.used():
            return self._info(self._map)

    def entries(self, limit: int) -> list[dict[str, object]]:
        """Return at most `limit` entries: {"key", "value"}, or {"key", "values"} with one value per CPU slot.

        Raises:
            RunError: it has no keys, or so many entries would be too much at once: bytes become objects of Python.
        """
        return entries_of(self.snapshot(), self._key, self._value, limit, per_cpu=self._map.kind.per_cpu)

    def lookup(self, key: object) -> object | None:
        """Return the value of a key, of a per-CPU map a list with one for each slot; None if there is no such key.

        Raises:
            UnfitValue: the key does not have its type's shape.
            RunError: the map has no keys.
        """
        self._check_keyed()
        encoded = self._encode(self._key, key, "key")
        with self._loaded.used():
            value = self._map.lookup(encoded)
            step = self._map.layout.cpu_stride if self._map.kind.per_cpu else self._map.value_size
        if value is None:
            return None
        each = [np.frombuffer(value[at : at + self._value.size], np.uint8) for at in range(0, len(value), step)]
        told = [jsonable(self._value.decode(one.tobytes())) for one in each]
        return told if self._map.kind.per_cpu else told[0]

    def update(self, key: object, value: object, flags: int = 0) -> None:
        """Set a value; on every CPU slot of a per-CPU map, unless it is a list with one for each.

        Raises:
            UnfitValue: a shape is wrong.
            RunError: the map is full or read-only or has no keys, or `flags` forbid it.
        """
        self._check_keyed()
        if self._map.read_only:
            raise RunError(f"map {self._map.name!r}", "is read-only: proofs and code rely on what it holds")
        encoded = self._encode(self._key, key, "key")
        with self._loaded.used(), self._map.writing:
            self._map.update(encoded, self._whole(value), flags)

    def delete(self, key: object) -> bool:
        """Remove a key; False if it was not there.

        Raises:
            UnfitValue: the key does not have its type's shape.
            RunError: the map has no keys, or its kind does not delete.
        """
        self._check_keyed()
        with self._loaded.used(), self._map.writing:
            return self._map.delete(self._encode(self._key, key, "key"))

    def snapshot(self) -> MapSnapshot:
        """Copy the map.

        Raises:
            RunError: it has no keys.
        """
        self._check_keyed()
        with self._loaded.used():
            return self._map.snapshot()

    def columns(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return a copy as BTF columns, "key.pid", "value.count" …; those of a per-CPU map have shape (rows, slots)."""
        return self._columns.all(self.snapshot())

    def _check_keyed(self) -> None:
        if not self._map.kind.keyed:
            raise RunError(f"map {self._map.name!r}", "is a ring buffer: follow its records instead")

    def _whole(self, value: object) -> bytes:
        if not self._map.kind.per_cpu:
            return self._encode(self._value, value, "value")
        slots = self._map.cpus
        many = value if isinstance(value, list) and len(value) == slots else [value] * slots
        width = self._map.layout.cpu_stride
        return b"".join(self._encode(self._value, one, "value").ljust(width, b"\0") for one in many)

    def _encode(self, codec: Codec, value: object, what: str) -> bytes:
        where = f"{what} of map {self._map.name!r}"
        if isinstance(value, str) and not codec.text:
            try:
                value = bytes.fromhex(value)
            except ValueError as error:
                wanted = f"{codec.wanted}, or its {codec.size} bytes in hex"
                raise UnfitValue(where, f"cannot be {cut(value)}: give {wanted}") from error
        return codec.encode(value, where)


def entries_of(copied: MapSnapshot, key: Codec, value: Codec, limit: int, *, per_cpu: bool) -> list[dict[str, object]]:
    """Return at most `limit` entries of a copy: {"key", "value"}, or {"key", "values"} with one value per CPU slot.

    Raises:
        RunError: so many would be too much at once.
    """
    slots = copied.values.shape[1]
    size = min(limit, len(copied.keys)) * (key.size + value.size * slots)
    if size > MOST_ENTRY_BYTES:
        most = f"{size >> 20} MiB are too much at once, {MOST_ENTRY_BYTES >> 20} MiB are not"
        raise RunError(f"entries of map {copied.name!r}", f"{most}: ask for fewer, or for its columns")

    def told(values: Iterable[npt.NDArray[np.uint8]]) -> dict[str, object]:
        each = [jsonable(value.decode(one.tobytes())) for one in values]
        return {"values": each} if per_cpu else {"value": each[0]}

    return [
        {"key": jsonable(key.decode(one.tobytes())), **told(values)}
        for one, values in zip(copied.keys[:limit], copied.values[:limit], strict=True)
    ]


def jsonable(value: object) -> object:
    """Return a decoded value as JSON has it: bytes become hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: jsonable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [jsonable(each) for each in value]
    return value
