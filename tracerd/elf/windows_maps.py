"""Maps as eBPF for Windows defined them before it had BTF: structs in section `maps`, one for each variable.

Source: microsoft/ebpf-for-windows include/ebpf_structs.h, ebpf_map_definition_in_file_t: type, key_size, value_size,
max_entries, inner_map_idx, pinning, id, inner_id, of 4 bytes each.
"""

from __future__ import annotations

import struct

from tracerd.elf.file import ElfFile, Section, Symbol
from tracerd.elf.spec import MapSpec

SECTION = "maps"
DEFINITION = struct.Struct("<8I")
PIN_BY_NAME = 1


def windows_maps(elf: ElfFile) -> list[tuple[tuple[int, int], MapSpec]]:
    """Return every definition with its place: index of the section, byte offset.

    Raises:
        ObjectError: the section holds something else, such as the definitions that Linux had before BTF.
    """
    found = []
    for section in elf.sections:
        if section.name.split("/", 1)[0] == SECTION and section.size:
            found += _definitions(elf, section)
    return found


def _definitions(elf: ElfFile, section: Section) -> list[tuple[tuple[int, int], MapSpec]]:
    symbols = {
        each.value: each
        for each in elf.symbols
        if each.section == section.index and each.type in ("STT_OBJECT", "STT_NOTYPE") and each.name
    }
    places = sorted(symbols)
    if places != list(range(0, section.size, DEFINITION.size)) or section.size % DEFINITION.size:
        raise elf.error(
            f"section {section.name!r} holds map definitions of a form that is not supported: of those before BTF only "
            f"that of eBPF for Windows is, {DEFINITION.size} bytes for each map; declare them in "
            'SEC(".maps") with __uint and __type'
        )
    data = elf.data(section)
    return [((section.index, at), _spec(elf, symbols[at], data[at : at + DEFINITION.size])) for at in places]


def _spec(elf: ElfFile, symbol: Symbol, raw: bytes) -> MapSpec:
    kind, key_size, value_size, max_entries, _inner, pinning, _id, _inner_id = DEFINITION.unpack(raw)
    if pinning not in (0, PIN_BY_NAME):
        raise elf.error(f"map {symbol.name!r} is pinned in a way that is not known ({pinning}); 0 and 1 are")
    return MapSpec(
        name=symbol.name,
        type=kind,
        key_size=key_size,
        value_size=value_size,
        max_entries=max_entries,
        pinned=pinning == PIN_BY_NAME,
    )
