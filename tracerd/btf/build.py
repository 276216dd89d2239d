"""Write .BTF: frozen types to bytes, the inverse of `parse` (linux/btf.h; Documentation/bpf/btf.rst). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TypeVar

from tracerd.btf import types as t
from tracerd.btf.blob import MAGIC, VERSION, BtfError

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_THREE = struct.Struct("<III")
_TWO = struct.Struct("<II")
_WORD = struct.Struct("<I")

_ALIASES = {"typedef": 8, "volatile": 9, "const": 10, "restrict": 11, "type_tag": 18}
_MOST = 0xFFFF
"""Members, values or parameters of one type: `vlen` has 16 bits."""


def encode(types: Sequence[t.Type]) -> bytes:
    """Return the blob whose types these are; the first must be void, ids are positions.

    Raises:
        BtfError: a type has more parts than the format can say.
    """
    strings = _Strings()
    body = bytearray()
    for type_id, each in enumerate(types[1:], 1):
        try:
            body += _encode(each, strings)
        except (BtfError, struct.error) as fault:
            cause = fault.cause if isinstance(fault, BtfError) else "has a number that does not fit"
            raise BtfError(cause, type_id) from None
    text = bytes(strings.text)
    return _HEADER.pack(MAGIC, VERSION, 0, _HEADER.size, 0, len(body), len(body), len(text)) + bytes(body) + text


class _Strings:
    """The string section: every name once."""

    def __init__(self) -> None:
        self.text = bytearray(b"\0")
        self._offsets = {"": 0}

    def offset(self, name: str) -> int:
        if name not in self._offsets:
            self._offsets[name] = len(self.text)
            self.text += name.encode() + b"\0"
        return self._offsets[name]


def _encode(each: t.Type, strings: _Strings) -> bytes:
    """Return a `struct btf_type` and what follows it."""
    name = strings.offset
    match each:
        case t.Int():
            encoding = each.signed | each.char << 1 | each.bool_ << 2
            return _type(name(each.name), 1, each.size) + _WORD.pack(encoding << 24 | each.size * 8)
        case t.Float():
            return _type(name(each.name), 16, each.size)
        case t.Pointer():
            return _type(0, 2, each.target)
        case t.Array():
            return _type(0, 3, 0) + _THREE.pack(each.element, each.index, each.length)
        case t.Composite():
            return _composite(each, strings)
        case t.Enum():
            return _enum(each, strings)
        case t.Alias():
            return _type(name(each.name), _ALIASES[each.kind], each.target)
        case t.Forward():
            return _type(name(each.name), 7, 0, flag=each.union)
        case _:
            return _code_type(each, strings)


def _code_type(each: t.Type, strings: _Strings) -> bytes:
    """The same for functions, variables and sections."""
    name = strings.offset
    match each:
        case t.FunctionPrototype():
            parameters = _pairs((name(text), type_id) for text, type_id in each.parameters)
            return _type(0, 13, each.returns, _count(each.parameters)) + parameters
        case t.Function():
            return _type(name(each.name), 12, each.prototype, each.linkage)
        case t.Variable():
            return _type(name(each.name), 14, each.type) + _WORD.pack(each.linkage)
        case t.DataSection():
            variables = b"".join(_THREE.pack(*row) for row in each.variables)
            return _type(name(each.name), 15, each.size, _count(each.variables)) + variables
        case t.DeclarationTag():
            return _type(name(each.name), 17, each.target) + struct.pack("<i", each.component)
        case _:
            raise BtfError("only the first type is void")


def _type(name: int, kind: int, value: int, vlen: int = 0, *, flag: bool = False) -> bytes:
    return _TYPE.pack(name, flag << 31 | kind << 24 | vlen, value)


def _composite(each: t.Composite, strings: _Strings) -> bytes:
    """The flag says that offsets have a bit field's width in their high byte."""
    flag = any(member.bit_size for member in each.members)
    if flag and any(member.bit_offset >= 1 << 24 for member in each.members):
        raise BtfError(f"{each.name!r} has bit fields and is too long for them")
    members = b"".join(
        _THREE.pack(strings.offset(member.name), member.type, member.bit_size << 24 | member.bit_offset)
        for member in each.members
    )
    head = _type(strings.offset(each.name), 5 if each.union else 4, each.size, _count(each.members), flag=flag)
    return head + members


def _enum(each: t.Enum, strings: _Strings) -> bytes:
    """Values of more than 32 bits need the kind that has room for them."""
    wide = each.size == 8
    layout = struct.Struct(("<Iq" if each.signed else "<IQ") if wide else "<Ii" if each.signed else "<II")
    values = b"".join(layout.pack(strings.offset(name), value) for name, value in each.values)
    head = _type(strings.offset(each.name), 19 if wide else 6, each.size, _count(each.values), flag=each.signed)
    return head + values


def _pairs(rows: Iterable[tuple[int, int]]) -> bytes:
    return b"".join(_TWO.pack(*row) for row in rows)


Part = TypeVar("Part")


def _count(parts: Sequence[Part]) -> int:
    if len(parts) > _MOST:
        raise BtfError(f"has {len(parts)} parts, the format can say {_MOST}")
    return len(parts)
