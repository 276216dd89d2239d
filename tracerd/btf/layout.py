"""Where the bytes of a type are: sizes, and the leaves of a struct as columns.

`flatten` gives what a table of values needs: one `Field` per leaf with its dotted path, and for arrays a shape and
strides, so that a column is one numpy view however long the arrays are. Ids refer to the `Btf` given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import prod

from tracerd.btf import types as t
from tracerd.btf.blob import BtfError

POINTER_BYTES = 8

MAX_BYTES = 1 << 31
"""Largest type. Array lengths multiply; nothing in a map or a context comes near."""

MAX_VISITS = 16_384
"""Most members looked at while flattening: nested composites multiply too."""


class Kind(Enum):
    """What a leaf is. `BYTES` is whatever has no number in numpy (`__int128`, `long double`)."""

    INT = "int"
    BOOL = "bool"
    CHAR = "char"
    STRING = "string"        # char[n]: `size` is n
    ENUM = "enum"
    POINTER = "pointer"
    FLOAT = "float"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Field:
    """One leaf of a type. Offsets, sizes and strides in bytes from the type's first byte.

    An element of a scalar field has `size` bytes at `offset`. With a `shape`, element (i, j, …) is at
    `offset + i * strides[0] + j * strides[1] …`; the axes are those of every array on the way to the leaf.

    A bit field (`bits` > 0) is `(load >> shift) & ((1 << bits) - 1)` of the little-endian number of `size` bytes at
    `offset`, sign-extended if `signed`.
    """

    path: str                              # "value.latency"; "" if the type itself is the leaf
    offset: int
    size: int
    kind: Kind
    type: int                              # id as the member declares it, typedefs kept
    signed: bool = False
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    shift: int = 0
    bits: int = 0
    values: tuple[tuple[str, int], ...] = field(default=(), repr=False)    # of an enum

    @property
    def length(self) -> int:
        """Number of elements, 1 for a scalar."""
        return prod(self.shape)

    @property
    def end(self) -> int:
        """The byte after the last element's."""
        return self.offset + self.size + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))


def size_of(btf: t.Btf, type_id: int) -> int:
    """Return the bytes of a type.

    Raises:
        BtfError: it has no size (void, functions, forward declarations) or more than `MAX_BYTES`.
    """
    count = 1
    while True:
        found = btf.resolve(type_id)
        match found:
            case t.Int() | t.Float() | t.Enum() | t.Composite() | t.DataSection():
                size = found.size * count
            case t.Pointer():
                size = POINTER_BYTES * count
            case t.Array():
                count *= found.length
                type_id = found.element
                continue
            case t.Variable():
                type_id = found.type
                continue
            case _:
                raise BtfError(f"a {type(found).__name__.lower()} has no size", type_id)
        if size > MAX_BYTES:
            raise BtfError(f"has {size} bytes, more than {MAX_BYTES}", type_id)
        return size


def flatten(btf: t.Btf, type_id: int) -> tuple[Field, ...]:
    """Return the leaves of a type in memory order of declaration.

    Structs and unions dissolve into dotted paths (members of unnamed ones belong to the parent; those of a union
    overlap), data sections into their variables. Arrays without elements and unnamed bit fields have no leaf.

    Raises:
        BtfError: a member has no size or lies outside its struct, two have one name, or there are too many.
    """
    walk = _Walk(btf, size_of(btf, type_id))
    walk.visit(_At("", 0, walk.size), type_id)
    paths: set[str] = set()
    for each in walk.fields:
        if each.path in paths:
            raise BtfError(f"has two members {each.path!r}", type_id)
        paths.add(each.path)
    return tuple(walk.fields)


@dataclass(frozen=True, slots=True)
class _At:
    """A place on the way down: where it starts, and where the composite around it ends."""

    path: str
    offset: int
    limit: int
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()

    def member(self, name: str, offset: int, limit: int) -> _At:
        path = f"{self.path}.{name}" if self.path and name else self.path or name
        return _At(path, offset, limit, self.shape, self.strides)


class _Walk:
    def __init__(self, btf: t.Btf, size: int) -> None:
        self.btf = btf
        self.size = size
        self.fields: list[Field] = []
        self._visits = 0

    def visit(self, at: _At, type_id: int) -> None:
        """Add the leaves of a type at a place. Depth is bounded by `parse`, breadth here."""
        self._visits += 1
        if self._visits > MAX_VISITS:
            raise BtfError(f"has more than {MAX_VISITS} members, nested ones counted", type_id)
        if at.offset + size_of(self.btf, type_id) > at.limit:
            raise BtfError(f"member {at.path!r} ends behind the {at.limit} bytes around it", type_id)
        found = self.btf.resolve(type_id)
        match found:
            case t.Composite():
                self._composite(at, found)
            case t.DataSection():
                for variable, offset, size in found.variables:
                    self._variable(at, variable, offset, size)
            case t.Array():
                self._array(at, type_id, found)
            case _:
                self.fields.append(_leaf(at, type_id, found))

    def _composite(self, at: _At, found: t.Composite) -> None:
        limit = at.offset + found.size
        for member in found.members:
            if member.bit_size:
                self._bit_field(at, member, limit)
                continue
            if member.bit_offset % 8:
                raise BtfError(f"member {member.name!r} starts inside a byte", member.type)
            inner = self.btf.resolve(member.type)
            if not member.name and not isinstance(inner, t.Composite):
                continue
            self.visit(at.member(member.name, at.offset + member.bit_offset // 8, limit), member.type)

    def _variable(self, at: _At, variable: int, offset: int, size: int) -> None:
        found = self.btf[variable]
        if not isinstance(found, t.Variable):
            raise BtfError("is no variable", variable)
        self.visit(at.member(found.name, at.offset + offset, at.offset + offset + size), found.type)

    def _array(self, at: _At, type_id: int, found: t.Array) -> None:
        if found.length == 0:
            return
        element = self.btf.resolve(found.element)
        if isinstance(element, t.Int) and _is_char(element):
            self.fields.append(
                Field(at.path, at.offset, found.length, Kind.STRING, type_id, False, at.shape, at.strides)
            )
            return
        step = size_of(self.btf, found.element)
        inner = _At(at.path, at.offset, at.offset + step, (*at.shape, found.length), (*at.strides, step))
        self.visit(inner, found.element)

    def _bit_field(self, at: _At, member: t.Member, limit: int) -> None:
        if not member.name:
            return
        first = at.offset * 8 + member.bit_offset
        start, size = _window(first, member.bit_size, limit, member)
        found = self.btf.resolve(member.type)
        if not isinstance(found, t.Int | t.Enum) or member.bit_size > found.size * 8:
            raise BtfError(f"bit field {member.name!r} has {member.bit_size} bits of something else", member.type)
        plain = _leaf(at.member(member.name, start, limit), member.type, found)
        kind = Kind.INT if plain.kind in (Kind.CHAR, Kind.BYTES) else plain.kind
        self.fields.append(
            Field(
                plain.path, start, size, kind, member.type, plain.signed, at.shape, at.strides,
                first - start * 8, member.bit_size, plain.values,
            )
        )  # fmt: skip


def _window(first: int, bits: int, limit: int, member: t.Member) -> tuple[int, int]:
    """Return (offset, size) of the smallest number that holds the bits and ends before `limit`.

    Aligned if one is; fields of packed structs may need an unaligned one.
    """
    for size in (1, 2, 4, 8):
        for start in (first // 8 // size * size, first // 8):
            if (start + size) * 8 >= first + bits and start + size <= limit:
                return start, size
    raise BtfError(f"bit field {member.name!r} of {bits} bits lies in no number of 1 to 8 bytes", member.type)


def _is_char(found: t.Int) -> bool:
    """Tell `char` from `signed char` and `unsigned char`: clang sets no encoding for it, the name does."""
    return found.size == 1 and (found.char or found.name == "char")


def _leaf(at: _At, type_id: int, found: t.Type) -> Field:
    place = (at.shape, at.strides)
    match found:
        case t.Int(size=size, signed=signed):
            if size > 8:
                return Field(at.path, at.offset, size, Kind.BYTES, type_id, signed, *place)
            kind = Kind.BOOL if found.bool_ else Kind.CHAR if _is_char(found) else Kind.INT
            return Field(at.path, at.offset, size, kind, type_id, signed, *place)
        case t.Enum(size=size, signed=signed, values=values):
            return Field(at.path, at.offset, size, Kind.ENUM, type_id, signed, *place, values=values)
        case t.Pointer():
            return Field(at.path, at.offset, POINTER_BYTES, Kind.POINTER, type_id, False, *place)
        case t.Float(size=size):
            kind = Kind.FLOAT if size in (2, 4, 8) else Kind.BYTES
            return Field(at.path, at.offset, size, kind, type_id, True, *place)
        case _:
            raise BtfError(f"a {type(found).__name__.lower()} holds no value", type_id)
