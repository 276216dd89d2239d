"""Parse .BTF: bytes to frozen types (linux/btf.h; Documentation/bpf/btf.rst).

One function per kind, one table of them. Checked here, so that nobody else must: every id is in range, every record
lies inside the type section, nothing contains itself by value. Pointers may form cycles, C wants them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracerd.btf import types as t
from tracerd.btf.blob import BtfError, Strings, open_blob

MAX_TYPES = 0xFFFFF
"""BTF_MAX_TYPE: type ids have 20 bits."""

MAX_NESTING = 64
"""Most typedefs, arrays and composites inside one another. The kernel follows 32; recursion below stays bounded."""

_TYPE = struct.Struct("<III")       # struct btf_type: name_off, info, size or type
_WORD = struct.Struct("<I")
_ARRAY = struct.Struct("<III")      # struct btf_array: type, index_type, nelems
_MEMBER = struct.Struct("<III")     # struct btf_member: name_off, type, offset
_ENUM = struct.Struct("<Ii")        # struct btf_enum: name_off, val
_ENUM_UNSIGNED = struct.Struct("<II")
_ENUM64 = struct.Struct("<Iq")      # struct btf_enum64: name_off, val_lo32, val_hi32
_ENUM64_UNSIGNED = struct.Struct("<IQ")
_PARAMETER = struct.Struct("<II")   # struct btf_param: name_off, type
_SECTION = struct.Struct("<III")    # struct btf_var_secinfo: type, offset, size
_TAG = struct.Struct("<i")          # struct btf_decl_tag: component_idx

_SIGNED, _CHAR, _BOOL = 1, 2, 4


class _Record(NamedTuple):
    """A `struct btf_type` and the bytes behind it (`tail`, as long as its kind and `vlen` want)."""

    name: str
    vlen: int
    flag: bool
    value: int          # size or type id, as the kind has it
    tail: bytes
    strings: Strings


def parse(blob: bytes) -> t.Btf:
    """Parse a .BTF section or /sys/kernel/btf/vmlinux.

    Raises:
        BtfError: names the type and what is wrong with it.
    """
    opened = open_blob(blob)
    found: list[t.Type] = [t.Void()]
    for record, read in _records(opened.types, opened.strings):
        if len(found) > MAX_TYPES:
            raise BtfError(f"more than {MAX_TYPES} types")
        try:
            found.append(read(record))
        except BtfError as fault:
            raise BtfError(fault.cause, len(found)) from None
    _check_references(found)
    _check_nesting(found)
    return t.Btf(tuple(found))


def _records(data: bytes, strings: Strings) -> Iterator[tuple[_Record, Callable[[_Record], t.Type]]]:
    offset, type_id = 0, 1
    size = len(data)
    while offset < size:
        if offset + _TYPE.size > size:
            raise BtfError("the type section ends inside a type", type_id)
        name, info, value = _TYPE.unpack_from(data, offset)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        known = _KINDS.get(kind)
        if known is None:
            raise BtfError(f"kind {kind} is not known, known are 1 to {max(_KINDS)}; it needs a newer tracerd", type_id)
        read, fixed, each = known
        start = offset + _TYPE.size
        offset = start + fixed + each * count
        if offset > size:
            raise BtfError("the type section ends inside a type", type_id)
        try:
            name = strings.name(name)
        except BtfError as fault:
            raise BtfError(fault.cause, type_id) from None
        yield _Record(name, count, bool(info >> 31), value, data[start:offset], strings), read
        type_id += 1


def _int(record: _Record) -> t.Type:
    (info,) = _WORD.unpack(record.tail)
    encoding, offset, bits = info >> 24 & 0xF, info >> 16 & 0xFF, info & 0xFF
    if record.value not in (1, 2, 4, 8, 16):
        raise BtfError(f"integer {record.name!r} has {record.value} bytes")
    if offset or bits != record.value * 8:
        # Bit fields were once integers of odd width; since 2018 (kind_flag) the member says it.
        raise BtfError(
            f"integer {record.name!r} has {bits} bits at bit {offset} of its {record.value} bytes: bit fields of that "
            "old form are not supported, compile with clang 8 or newer"
        )
    return t.Int(record.name, record.value, bool(encoding & _SIGNED), bool(encoding & _BOOL), bool(encoding & _CHAR))


def _float(record: _Record) -> t.Type:
    if record.value not in (2, 4, 8, 12, 16):
        raise BtfError(f"floating-point type {record.name!r} has {record.value} bytes")
    return t.Float(record.name, record.value)


def _pointer(record: _Record) -> t.Type:
    return t.Pointer(record.value)


def _array(record: _Record) -> t.Type:
    return t.Array(*_ARRAY.unpack(record.tail))


def _composite(union: bool) -> Callable[[_Record], t.Type]:
    def read(record: _Record) -> t.Type:
        name = record.strings.name
        if record.flag:
            members = tuple(
                t.Member(name(text), type_id, where & 0xFFFFFF, where >> 24)
                for text, type_id, where in _MEMBER.iter_unpack(record.tail)
            )
        else:
            members = tuple(
                t.Member(name(text), type_id, where, 0) for text, type_id, where in _MEMBER.iter_unpack(record.tail)
            )
        return t.Composite(record.name, record.value, members, union)

    return read


def _enum(signed: struct.Struct, unsigned: struct.Struct) -> Callable[[_Record], t.Type]:
    def read(record: _Record) -> t.Type:
        if record.value not in (1, 2, 4, 8):
            raise BtfError(f"enum {record.name!r} has {record.value} bytes")
        # Compilers before clang 15 never set the flag: their negative values read as large ones, as in bpftool.
        layout = signed if record.flag else unsigned
        name = record.strings.name
        values = tuple((name(text), value) for text, value in layout.iter_unpack(record.tail))
        return t.Enum(record.name, record.value, record.flag, values)

    return read


def _alias(kind: str) -> Callable[[_Record], t.Type]:
    def read(record: _Record) -> t.Type:
        return t.Alias(kind, record.name, record.value)

    return read


def _forward(record: _Record) -> t.Type:
    return t.Forward(record.name, record.flag)


def _function(record: _Record) -> t.Type:
    return t.Function(record.name, record.value, record.vlen)


def _prototype(record: _Record) -> t.Type:
    name = record.strings.name
    parameters = tuple((name(text), type_id) for text, type_id in _PARAMETER.iter_unpack(record.tail))
    return t.FunctionPrototype(record.value, parameters)


def _variable(record: _Record) -> t.Type:
    (linkage,) = _WORD.unpack(record.tail)
    return t.Variable(record.name, record.value, linkage)


def _data_section(record: _Record) -> t.Type:
    return t.DataSection(record.name, record.value, tuple(_SECTION.iter_unpack(record.tail)))


def _declaration_tag(record: _Record) -> t.Type:
    (component,) = _TAG.unpack(record.tail)
    return t.DeclarationTag(record.name, record.value, component)


# BTF_KIND_* -> (reader, bytes behind the btf_type, bytes for each of its vlen).
# A function's vlen is its linkage, so it has nothing behind it.
_KINDS: dict[int, tuple[Callable[[_Record], t.Type], int, int]] = {
    1: (_int, 4, 0),
    2: (_pointer, 0, 0),
    3: (_array, 12, 0),
    4: (_composite(union=False), 0, 12),
    5: (_composite(union=True), 0, 12),
    6: (_enum(_ENUM, _ENUM_UNSIGNED), 0, 8),
    7: (_forward, 0, 0),
    8: (_alias("typedef"), 0, 0),
    9: (_alias("volatile"), 0, 0),
    10: (_alias("const"), 0, 0),
    11: (_alias("restrict"), 0, 0),
    12: (_function, 0, 0),
    13: (_prototype, 0, 8),
    14: (_variable, 4, 0),
    15: (_data_section, 0, 12),
    16: (_float, 0, 0),
    17: (_declaration_tag, 4, 0),
    18: (_alias("type_tag"), 0, 0),
    19: (_enum(_ENUM64, _ENUM64_UNSIGNED), 0, 12),
}


def _check_references(found: list[t.Type]) -> None:
    """Refuse ids that no type has, and functions and sections made of something else."""
    size = len(found)
    for type_id, each in enumerate(found):
        for target in _targets(each):
            if target >= size:
                raise BtfError(f"refers to type {target}, there are {size}", type_id)
        if isinstance(each, t.Function) and not isinstance(found[each.prototype], t.FunctionPrototype):
            raise BtfError(f"function {each.name!r} has type {each.prototype}, which is no prototype", type_id)
        if isinstance(each, t.DataSection):
            for variable, _, _ in each.variables:
                # libbpf puts extern functions into .ksyms beside variables.
                if not isinstance(found[variable], t.Variable | t.Function):
                    raise BtfError(f"section {each.name!r} holds type {variable}, which is no variable", type_id)


def _targets(each: t.Type) -> tuple[int, ...]:
    match each:
        case t.Pointer() | t.Alias() | t.DeclarationTag():
            return (each.target,)
        case t.Composite():
            return tuple([member.type for member in each.members])
        case t.FunctionPrototype():
            return (each.returns, *[type_id for _, type_id in each.parameters])
        case t.Array():
            return (each.element, each.index)
        case t.Function():
            return (each.prototype,)
        case t.Variable():
            return (each.type,)
        case t.DataSection():
            return tuple([variable for variable, _, _ in each.variables])
        case _:
            return ()


def _contained(each: t.Type) -> tuple[int, ...]:
    """Return what a type consists of by value: what its size depends on, or what it is another name of."""
    match each:
        case t.Composite():
            return tuple([member.type for member in each.members])
        case t.Alias():
            return (each.target,)
        case t.Array():
            return (each.element,)
        case _:
            return ()


_UNKNOWN, _OPEN = 0, -1


def _check_nesting(found: list[t.Type]) -> None:
    """Refuse types that contain themselves, and deep nesting, so that `resolve` and every walk by value ends.

    Depth-first with its own stack; `depth` of a type is 1 more than that of the deepest type it consists of.
    """
    depth = [_UNKNOWN] * len(found)
    for root in range(len(found)):
        if depth[root] != _UNKNOWN:
            continue
        stack = [root]
        while stack:
            type_id = stack[-1]
            inner = _contained(found[type_id])
            if depth[type_id] == _UNKNOWN:
                depth[type_id] = _OPEN
                waiting = [each for each in inner if depth[each] <= _UNKNOWN]
                if any(depth[each] == _OPEN for each in waiting):
                    raise BtfError("contains itself", type_id)
                if waiting:
                    stack += waiting
                    continue
            stack.pop()
            if depth[type_id] == _OPEN:
                depth[type_id] = 1 + max((depth[each] for each in inner), default=0)
                if depth[type_id] > MAX_NESTING:
                    raise BtfError(f"is nested more than {MAX_NESTING} levels deep", type_id)
