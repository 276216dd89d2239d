"""BTF as it lies in an object: relocated, data sections with their real sizes and offsets, and source lines.

clang leaves sizes of data sections 0 and offsets of global variables to the linker; libbpf repairs them from the
symbol table in the same way (btf_fixup_datasec).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tracerd.btf.blob import open_blob
from tracerd.btf.ext import LineInfo, parse_ext
from tracerd.btf.parse import parse
from tracerd.btf.types import Btf, DataSection, Type, Variable
from tracerd.elf.file import ElfFile, Section

_WORD = struct.Struct("<I")

# R_BPF_64_ABS32, R_BPF_64_NODYLD32, and R_BPF_64_32, which clang used here before version 13.
_WORD_RELOCATIONS = (3, 4, 10)

_GLOBAL_VARIABLE = 1


@dataclass(frozen=True, slots=True)
class Debug:
    """`lines` is by section name, ascending by byte offset; empty without line info."""

    btf: Btf | None
    lines: Mapping[str, tuple[LineInfo, ...]]


def read_debug(elf: ElfFile) -> Debug:
    """Read .BTF and .BTF.ext, if the object has them.

    Raises:
        ObjectError: relocations that cannot be applied, or CO-RE records.
        BtfError: damaged.
    """
    section = elf.section(".BTF")
    if section is None:
        return Debug(None, {})
    blob = _relocated(elf, section)
    btf = _placed(elf, parse(blob))
    extension = elf.section(".BTF.ext")
    if extension is None:
        return Debug(btf, {})
    found = parse_ext(_relocated(elf, extension), open_blob(blob).strings)
    for name, records in found.relocations.items():
        if records:
            raise elf.error(
                f"section {name!r}, instruction {records[0].offset // 8}: CO-RE relocation on "
                f"{_name_of(btf, records[0].type)} ({len(records)} in this section); CO-RE is not supported yet, "
                "compile without preserve_access_index"
            )
    return Debug(btf, found.lines)


def _name_of(btf: Btf, type_id: int) -> str:
    name = getattr(btf[type_id], "name", "") if type_id < len(btf.types) else ""
    return f"type {name!r}" if name else f"type {type_id}"


def _relocated(elf: ElfFile, section: Section) -> bytes:
    """Return a section's bytes with its relocations applied: the symbol's value is added to the word in place."""
    relocations = elf.relocations.get(section.index, ())
    data = bytearray(elf.data(section))
    for each in relocations:
        if each.type not in _WORD_RELOCATIONS:
            raise elf.error(f"section {section.name!r} has a relocation of unknown type {each.type}")
        if each.offset + _WORD.size > len(data):
            raise elf.error(f"section {section.name!r} has a relocation at byte {each.offset}, outside of it")
        (word,) = _WORD.unpack_from(data, each.offset)
        _WORD.pack_into(data, each.offset, (word + each.symbol.value) & 0xFFFFFFFF)
    return bytes(data)


def _placed(elf: ElfFile, btf: Btf) -> Btf:
    """Give data sections the size that they have in the file, and global variables the place of their symbol."""
    places = {
        (symbol.section, symbol.name): symbol.value
        for symbol in elf.symbols
        if symbol.section is not None and symbol.type in ("STT_OBJECT", "STT_NOTYPE") and not symbol.local
    }
    types: list[Type] = list(btf.types)
    for type_id, found in enumerate(types):
        section = elf.section(found.name) if isinstance(found, DataSection) else None
        if section is None or not isinstance(found, DataSection):
            continue
        variables = []
        for variable, offset, size in found.variables:
            declared = types[variable]
            if isinstance(declared, Variable) and declared.linkage == _GLOBAL_VARIABLE:
                offset = places.get((section.index, declared.name), offset)
            if offset + size > section.size:
                raise elf.error(
                    f"BTF places a variable at bytes {offset} to {offset + size} of section {found.name!r}, which has "
                    f"{section.size}"
                )
            variables.append((variable, offset, size))
        # By offset, like libbpf: the order of declarations is not the order in memory.
        variables.sort(key=lambda each: each[1])
        types[type_id] = replace(found, size=section.size, variables=tuple(variables))
    return Btf(tuple(types))
