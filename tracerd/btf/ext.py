"""Parse .BTF.ext: which source line each instruction comes from, functions, and CO-RE relocation records.

Layout: Documentation/bpf/btf.rst "The .BTF.ext section". Offsets are bytes from the start of the ELF section named.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tracerd.btf.blob import BtfError, Strings, check_prefix

_SIZES = struct.Struct("<I")        # hdr_len
_PART = struct.Struct("<II")        # offset and length of a part, from the end of the header
_BLOCK = struct.Struct("<II")       # struct btf_ext_info_sec: sec_name_off, num_info
_FUNCTION = struct.Struct("<II")    # struct bpf_func_info: insn_off, type_id
_LINE = struct.Struct("<IIII")      # struct bpf_line_info: insn_off, file_name_off, line_off, line_col
_CORE = struct.Struct("<IIII")      # struct bpf_core_relo: insn_off, type_id, access_str_off, kind

_PREFIX_BYTES = 4                   # magic, version, flags
_MINIMUM = 24                       # through line_info_len; core_relo came later


@dataclass(frozen=True, slots=True)
class LineInfo:
    """An instruction's source line. `column` counts from 1, 0 where unknown."""

    offset: int
    file: str
    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    offset: int
    type: int


@dataclass(frozen=True, slots=True)
class CoreRelocation:
    """A CO-RE record: what the instruction at `offset` asks about `type` (`kind`: enum bpf_core_relo_kind)."""

    offset: int
    type: int
    access: str
    kind: int


@dataclass(frozen=True, slots=True)
class BtfExt:
    """Records by ELF section name, ascending by offset."""

    functions: Mapping[str, tuple[FunctionInfo, ...]]
    lines: Mapping[str, tuple[LineInfo, ...]]
    relocations: Mapping[str, tuple[CoreRelocation, ...]]


_R = TypeVar("_R", FunctionInfo, LineInfo, CoreRelocation)


def parse_ext(data: bytes, strings: Strings) -> BtfExt:
    """Parse a .BTF.ext section. `strings` are those of the object's .BTF.

    Raises:
        BtfError: a part lies outside the section or a record outside its part.
    """
    check_prefix(data, ".BTF.ext")
    (header,) = _SIZES.unpack_from(data, _PREFIX_BYTES)
    if header < _MINIMUM or header > len(data):
        raise BtfError(f".BTF.ext: the header's length is {header}, it must be {_MINIMUM} to {len(data)}")

    def function(raw: tuple[int, ...]) -> FunctionInfo:
        return FunctionInfo(*raw)

    def line(raw: tuple[int, ...]) -> LineInfo:
        offset, file, text, position = raw
        return LineInfo(offset, strings.name(file), position >> 10, position & 0x3FF, strings.text(text))

    def core(raw: tuple[int, ...]) -> CoreRelocation:
        offset, type_id, access, kind = raw
        return CoreRelocation(offset, type_id, strings.name(access), kind)

    return BtfExt(
        _records(_part(data, header, 8, "function"), _FUNCTION, strings, function),
        _records(_part(data, header, 16, "line"), _LINE, strings, line),
        _records(_part(data, header, 24, "CO-RE"), _CORE, strings, core),
    )


def _part(data: bytes, header: int, at: int, what: str) -> memoryview:
    if at + _PART.size > header:
        return memoryview(b"")
    offset, length = _PART.unpack_from(data, at)
    start = header + offset
    if start + length > len(data):
        raise BtfError(
            f".BTF.ext: the {what} records end at byte {start + length}, the section has {len(data)}: it is truncated"
        )
    return memoryview(data)[start : start + length]


def _records(
    part: memoryview, layout: struct.Struct, strings: Strings, make: Callable[[tuple[int, ...]], _R]
) -> dict[str, tuple[_R, ...]]:
    found: defaultdict[str, list[_R]] = defaultdict(list)
    for section, raw in _raw_records(part, layout):
        found[strings.name(section)].append(make(raw))
    return {section: tuple(sorted(records, key=lambda record: record.offset)) for section, records in found.items()}


def _raw_records(part: memoryview, layout: struct.Struct) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield (offset of the section's name, fields). A record may be longer than the fields known here."""
    if not part:
        return
    if len(part) < _SIZES.size:
        raise BtfError(".BTF.ext ends inside a record size")
    (size,) = _SIZES.unpack_from(part)
    if size < layout.size or size % 4:
        raise BtfError(f".BTF.ext: records of {size} bytes, they must have {layout.size} or more, in steps of 4")
    at = _SIZES.size
    while at < len(part):
        if at + _BLOCK.size > len(part):
            raise BtfError(".BTF.ext ends inside a section's header")
        section, count = _BLOCK.unpack_from(part, at)
        at += _BLOCK.size
        if at + count * size > len(part):
            raise BtfError(f".BTF.ext: {count} records do not fit the {len(part) - at} bytes left")
        for _ in range(count):
            yield section, layout.unpack_from(part, at)
            at += size
