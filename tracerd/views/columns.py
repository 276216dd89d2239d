"""From the bytes of a map to one numpy column per BTF leaf, without a loop over rows.

Paths are "key", "value", "key.pid", "value.latency": the leaf's BTF path behind the half of the map it is in. A map
without BTF types has two columns of bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tracerd.btf.layout import Field, Kind, flatten, size_of
from tracerd.btf.types import Btf
from tracerd.elf.spec import MapSpec
from tracerd.snapshot import Bytes, Column, MapSnapshot

_INTEGER = ("i", "u")
_NUMBERS = {
    Kind.INT: _INTEGER,
    Kind.CHAR: _INTEGER,
    Kind.ENUM: _INTEGER,
    Kind.BOOL: ("u", "u"),
    Kind.POINTER: ("u", "u"),
    Kind.FLOAT: ("f", "f"),
}
"""numpy's letter for a signed and an unsigned number of a kind."""


class MapColumns:
    """The leaves of one map's key and value. Immutable; read any snapshot of that map with it."""

    def __init__(self, spec: MapSpec, btf: Btf | None) -> None:
        self._keys = _leaves("key", btf, spec.key_type, spec.key_size)
        self._values = _leaves("value", btf, spec.value_type, spec.value_size)

    @property
    def paths(self) -> tuple[str, ...]:
        """All columns, key first, in the order of declaration."""
        return (*self._keys, *self._values)

    def field(self, path: str) -> Field:
        """Return the leaf of a path.

        Raises:
            KeyError: the map has no such path.
        """
        return self._keys[path] if path in self._keys else self._values[path]

    def is_array(self, path: str) -> bool:
        """True if a path is an array of numbers (a histogram's slots)."""
        return bool(self.field(path).shape)

    def read(self, snapshot: MapSnapshot, path: str, merge: str) -> Column:
        """Return a column of a snapshot: (rows,) for a scalar, (rows, n) for an array, text as objects.

        A per-CPU value becomes one by `merge`: auto sums numbers and takes the first text that is not empty.

        Raises:
            KeyError: the map has no such path.
        """
        if path in self._keys:
            return _take(snapshot.keys[:, None, :], self._keys[path])[:, 0]
        leaf = self._values[path]
        return _merge(_take(snapshot.values, leaf), leaf, merge)

    def all(self, snapshot: MapSnapshot) -> dict[str, Column]:
        """Return every column, with the values of each CPU: shape (rows, cpus, …) where there are several."""
        taken = {path: _take(snapshot.keys[:, None, :], leaf)[:, 0] for path, leaf in self._keys.items()}
        for path, leaf in self._values.items():
            column = _take(snapshot.values, leaf)
            taken[path] = column[:, 0] if column.shape[1] == 1 else column
        return taken


class RecordColumns:
    """The leaves of a ring buffer's records of one type. Immutable."""

    def __init__(self, btf: Btf, type_id: int) -> None:
        self.size = size_of(btf, type_id)
        self._leaves = {leaf.path or "value": leaf for leaf in flatten(btf, type_id)}

    @property
    def paths(self) -> tuple[str, ...]:
        """All columns, in the order of declaration."""
        return tuple(self._leaves)

    def field(self, path: str) -> Field:
        """Return the leaf of a path.

        Raises:
            KeyError: the type has no such path.
        """
        return self._leaves[path]

    def read(self, records: Bytes, path: str) -> Column:
        """Return a column of `records`, shape (n, size)."""
        return _take(records[:, None, :], self._leaves[path])[:, 0]

    def raw(self, records: Bytes, path: str) -> Bytes:
        """Return a field's own bytes, shape (n, bytes)."""
        leaf = self._leaves[path]
        return records[:, leaf.offset : leaf.end]


def _leaves(half: str, btf: Btf | None, type_id: int | None, size: int) -> dict[str, Field]:
    if btf is None or not type_id:
        return {half: Field(half, 0, size, Kind.BYTES, 0)}
    return {f"{half}.{leaf.path}" if leaf.path else half: leaf for leaf in flatten(btf, type_id)}


def _take(rows: Bytes, leaf: Field) -> Column:
    """Return a leaf of every row and CPU: shape (rows, cpus, *leaf.shape). `rows` is (rows, cpus, size) of bytes."""
    if leaf.end > rows.shape[2]:
        raise IndexError(f"{leaf.path!r} ends at byte {leaf.end} of {rows.shape[2]}")
    # A view, since a list of the bytes' places would take eight times what they do themselves.
    shape, steps = (*rows.shape[:2], *leaf.shape, leaf.size), (*rows.strides[:2], *leaf.strides, rows.strides[2])
    taken = np.ascontiguousarray(as_strided(rows[:, :, leaf.offset :], shape, steps, writeable=False))
    if leaf.kind is Kind.STRING:
        return _text(taken)
    if leaf.kind is Kind.BYTES:
        return taken
    numbers = taken.view(_dtype(leaf))[..., 0]
    return _bit_field(numbers, leaf) if leaf.bits else numbers


def _dtype(leaf: Field) -> np.dtype[np.generic]:
    signed, unsigned = _NUMBERS[leaf.kind]
    return np.dtype(f"<{signed if leaf.signed and not leaf.bits else unsigned}{leaf.size}")


def _bit_field(numbers: Column, leaf: Field) -> Column:
    unsigned = numbers.astype(np.uint64) >> np.uint64(leaf.shift) & np.uint64((1 << leaf.bits) - 1)
    if not leaf.signed:
        return unsigned
    spare = np.int64(64 - leaf.bits)
    return unsigned.view(np.int64) << spare >> spare


def _text(taken: Bytes) -> Column:
    """Return zero-terminated text; each distinct string is decoded once."""
    raw = np.ascontiguousarray(taken).view(f"S{taken.shape[-1]}")[..., 0]
    distinct, places = np.unique(raw, return_inverse=True)
    names = [bytes(each).split(b"\0", 1)[0].decode("utf-8", "replace") for each in distinct]
    decoded = np.array([*names, ""], dtype=object)[:-1]
    return decoded[places.reshape(raw.shape)] if len(distinct) else np.empty(raw.shape, dtype=object)


def _merge(column: Column, leaf: Field, merge: str) -> Column:
    """Make one value of all CPUs' (axis 1)."""
    if column.shape[1] == 1 or (merge == "first" and leaf.kind is not Kind.STRING):
        return column[:, 0]
    if leaf.kind is Kind.STRING:
        return _first_text(column)
    if leaf.kind is Kind.BYTES:
        return column[:, 0]
    if merge in ("max", "min"):
        return np.asarray(column.max(axis=1) if merge == "max" else column.min(axis=1))
    total = np.float64 if leaf.kind is Kind.FLOAT else np.int64 if leaf.signed else np.uint64
    return np.asarray(column.sum(axis=1, dtype=total))


def _first_text(column: Column) -> Column:
    filled = column != ""
    first = np.argmax(filled, axis=1)
    return np.take_along_axis(column, np.expand_dims(first, 1), axis=1)[:, 0]
