"""From values as Python has them to bytes by their BTF type; what does not fit is told in words people can act on."""

from __future__ import annotations

import struct

from tracerd.btf import types as t
from tracerd.btf.blob import BtfError
from tracerd.btf.layout import POINTER_BYTES, size_of
from tracerd.views.numbers import is_char, letter_of


def write(btf: t.Btf, type_id: int, data: bytearray, at: int, value: object) -> None:
    """Write a value into `data` at an offset.

    Raises:
        ValueError: it has not the type's shape or range; says what it must be.
        BtfError: the type has no form in Python.
    """
    found = btf.resolve(type_id)
    match found:
        case t.Composite() | t.DataSection():
            _write_members(btf, found, data, at, value)
        case t.Array():
            _write_array(btf, found, data, at, value)
        case _:
            letter = letter_of(found)
            if not letter:
                raise BtfError("has no form in Python: give bytes", type_id)
            try:
                struct.pack_into(f"<{letter}", data, at, value)
            except (struct.error, OverflowError, TypeError):
                raise ValueError(f"must be {wanted(btf, type_id)}") from None


def wanted(btf: t.Btf, type_id: int) -> str:
    """Return what a value of a type looks like, to follow "must be" or "give"."""
    found = btf.resolve(type_id)
    match found:
        case t.Composite() | t.DataSection():
            return f"JSON with its members: {', '.join(_places(btf, found)) or 'none'}"
        case t.Array(length=length):
            return f"a text of at most {length} bytes" if is_char(btf.resolve(found.element)) else f"a list of {length}"
        case t.Float():
            return "a number"
        case t.Int(size=size, signed=signed) | t.Enum(size=size, signed=signed) if letter_of(found):
            return _whole(size, signed=signed)
        case t.Pointer():
            return _whole(POINTER_BYTES, signed=False)
        case _:
            return "its bytes"


def _whole(size: int, *, signed: bool) -> str:
    most = (1 << 8 * size - signed) - 1
    return f"a whole number from {-most - 1 if signed else 0} to {most}"


def _write_members(btf: t.Btf, found: t.Composite | t.DataSection, data: bytearray, at: int, value: object) -> None:
    """Write the members that are given and leave the others."""
    members = _places(btf, found)
    if not isinstance(value, dict):
        kind = f"{found.name} is" if found.name else "it is"
        raise ValueError(f"{kind} a struct: give JSON with its members: {', '.join(members) or 'none'}")
    for name, each in value.items():
        if name not in members:
            raise ValueError(f"{found.name} has no plain member {name!r}; it has: {', '.join(members)}")
        type_id, offset = members[name]
        try:
            write(btf, type_id, data, at + offset, each)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def _union(found: t.Composite | t.DataSection) -> bool:
    return isinstance(found, t.Composite) and found.union


def _places(btf: t.Btf, found: t.Composite | t.DataSection) -> dict[str, tuple[int, int]]:
    """Return (type, offset in bytes) of every member that can be written alone."""
    if isinstance(found, t.Composite):
        plain = [member for member in found.members if member.name and not member.bit_size]
        return {member.name: (member.type, member.bit_offset // 8) for member in plain}
    variables = [(btf[variable], offset) for variable, offset, _ in found.variables]
    return {named.name: (named.type, offset) for named, offset in variables if isinstance(named, t.Variable)}


def _write_array(btf: t.Btf, found: t.Array, data: bytearray, at: int, value: object) -> None:
    if isinstance(value, str) and is_char(btf.resolve(found.element)):
        text = value.encode()
        if len(text) > found.length:
            raise ValueError(f"there is room for {found.length} bytes")
        data[at : at + len(text)] = text
        return
    if not isinstance(value, list | tuple) or len(value) != found.length:
        raise ValueError(f"an array is given as a list of {found.length}")
    step = size_of(btf, found.element)
    for i, each in enumerate(value):
        write(btf, found.element, data, at + i * step, each)
