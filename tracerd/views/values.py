"""Single keys, values and records as Python has them, by their BTF type: for scripts, where `columns` is for tables.

Numbers become int or float, bool stays bool, `char[n]` becomes text up to its first NUL, other arrays become lists,
structs and unions dictionaries (members of unnamed ones belong to the parent), data sections dictionaries of their
variables. What has no type, or none that Python has a number for, is bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from tracerd.btf import types as t
from tracerd.btf.layout import flatten, size_of
from tracerd.errors import UnfitValue
from tracerd.text import cut
from tracerd.views.numbers import is_bool, is_char, letter_of
from tracerd.views.writing import wanted, write

Reader = Callable[[bytes, int], object]


class Codec:
    """Reads and writes one type. `size` in bytes."""

    def __init__(self, btf: t.Btf | None, type_id: int | None, size: int) -> None:
        """Look the type up, once; without one there are only bytes.

        Raises:
            BtfError: the type is damaged.
        """
        self.size = size
        if btf is not None and type_id:
            flatten(btf, type_id)     # every member lies inside: reading needs no checks
        self._type = (btf, type_id) if btf is not None and type_id else None
        self._read = _reader(*self._type) if self._type else _bytes_reader(size)

    @classmethod
    def of(cls, btf: t.Btf, type_id: int) -> Codec:
        """Return the codec of a type."""
        return cls(btf, type_id, size_of(btf, type_id))

    @classmethod
    def index(cls) -> Codec:
        """Return the codec of an array's key, which an object need not declare (data sections do not)."""
        return cls(t.Btf((t.Void(), t.Int("unsigned int", 4, False, False, False))), 1, 4)

    def decode(self, data: bytes) -> object:
        """Return what `size` bytes mean."""
        return self._read(data, 0)

    @property
    def variables(self) -> bool:
        """True if this is a data section: a dictionary written to it changes only the variables it names."""
        return self._type is not None and isinstance(self._type[0].resolve(self._type[1]), t.DataSection)

    @property
    def text(self) -> bool:
        """True if values are given and read as text: `char[n]`."""
        found = self._type[0].resolve(self._type[1]) if self._type is not None else None
        return self._type is not None and isinstance(found, t.Array) and is_char(self._type[0].resolve(found.element))

    @property
    def wanted(self) -> str:
        """What a value looks like, for messages: "a whole number from 0 to 255"."""
        return wanted(*self._type) if self._type is not None else "nothing else: it has no BTF type"

    def encode(self, value: object, what: str, before: bytes | None = None) -> bytes:
        """Return the bytes of a value; bytes of the right length are taken as they are.

        Members of a struct that are not given have their bytes of `before`, or are zero.

        Raises:
            UnfitValue: `what` does not have the type's shape or range.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            if len(value) != self.size:
                raise UnfitValue(what, f"has {self.size} bytes, not {len(value)}")
            return bytes(value)
        if self._type is None:
            raise UnfitValue(what, f"has no BTF type: give its {self.size} bytes")
        data = bytearray(before or self.size)
        try:
            write(*self._type, data, 0, value)
        except (ValueError, OverflowError, RecursionError) as error:
            raise UnfitValue(what, f"cannot be {cut(value)}: {error}") from error
        return bytes(data)


def named_type(btf: t.Btf | None, name: str) -> int | None:
    """Return the id of the struct, union, typedef, enum or int of a name."""
    named = (t.Composite, t.Alias, t.Enum, t.Int)
    types = enumerate(btf.types if btf is not None else ())
    return next((i for i, found in types if isinstance(found, named) and found.name == name), None)


def merge(values: Iterable[object]) -> object:
    """Make one value of all CPUs': numbers are added, of texts the first that is not empty is taken."""
    many = list(values)
    first = many[0]
    if len(many) == 1:
        return first
    if isinstance(first, dict):
        return {name: merge(each[name] for each in many if isinstance(each, dict)) for name in first}
    if isinstance(first, list):
        return [merge(column) for column in zip(*(each for each in many if isinstance(each, list)), strict=True)]
    if isinstance(first, int | float):
        return sum(each for each in many if isinstance(each, int | float))
    return next((each for each in many if each), first)


def _reader(btf: t.Btf, type_id: int) -> Reader:
    """Return a function that reads a type; everything about the type is looked up once, here."""
    found = btf.resolve(type_id)
    match found:
        case t.Composite() | t.DataSection():
            return _struct_reader(btf, found)
        case t.Array():
            return _array_reader(btf, found)
        case t.Variable():
            return _reader(btf, found.type)
        case _:
            letter = letter_of(found)
            return _number_reader(found, letter) if letter else _bytes_reader(size_of(btf, type_id))


def _struct_reader(btf: t.Btf, found: t.Composite | t.DataSection) -> Reader:
    parts = [(name, offset, read) for name, offset, read in _parts(btf, found)]

    def read_struct(data: bytes, at: int) -> object:
        made: dict[str, object] = {}
        for name, offset, read in parts:
            value = read(data, at + offset)
            if name:
                made[name] = value
            elif isinstance(value, dict):
                made.update(value)
        return made

    return read_struct


def _parts(btf: t.Btf, found: t.Composite | t.DataSection) -> Iterable[tuple[str, int, Reader]]:
    if isinstance(found, t.DataSection):
        for variable, offset, _ in found.variables:
            named = btf[variable]
            if isinstance(named, t.Variable):
                yield named.name, offset, _reader(btf, named.type)
        return
    for member in found.members:
        if not member.bit_size:
            # What has no name is padding, which `flatten` did not check, unless its members are the struct's own.
            if member.name or isinstance(btf.resolve(member.type), t.Composite):
                yield member.name, member.bit_offset // 8, _reader(btf, member.type)
        elif member.name:
            yield member.name, 0, _bit_reader(btf, member)


def _bit_reader(btf: t.Btf, member: t.Member) -> Reader:
    first, end = member.bit_offset // 8, (member.bit_offset + member.bit_size + 7) // 8
    shift, mask = member.bit_offset % 8, (1 << member.bit_size) - 1
    whole = btf.resolve(member.type)
    sign = 1 << member.bit_size - 1 if isinstance(whole, t.Int | t.Enum) and whole.signed else 0

    def read_bits(data: bytes, at: int) -> object:
        number = int.from_bytes(data[at + first : at + end], "little") >> shift & mask
        return (number ^ sign) - sign

    return read_bits


def _array_reader(btf: t.Btf, found: t.Array) -> Reader:
    element = btf.resolve(found.element)
    length = found.length
    if is_char(element):
        return lambda data, at: data[at : at + length].split(b"\0", 1)[0].decode("utf-8", "replace")
    letter = letter_of(element)
    if letter and not is_bool(element):
        whole = struct.Struct(f"<{length}{letter}")
        return lambda data, at: list(whole.unpack_from(data, at))
    step = size_of(btf, found.element)
    if not length * step:
        # Nothing lies there, however many elements it is said to have; `flatten` does not count what is inside either.
        return lambda _data, _at: []
    read = _reader(btf, found.element)
    return lambda data, at: [read(data, at + i * step) for i in range(length)]


def _number_reader(found: t.Type, letter: str) -> Reader:
    number = struct.Struct(f"<{letter}")
    if is_bool(found):
        return lambda data, at: data[at] != 0
    return lambda data, at: number.unpack_from(data, at)[0]


def _bytes_reader(size: int) -> Reader:
    return lambda data, at: data[at : at + size]
