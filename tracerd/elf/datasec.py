"""Global variables: .rodata, .data and .bss become arrays of one element each."""

from __future__ import annotations

from tracerd.btf.types import Btf, DataSection
from tracerd.elf.file import MAX_ZEROS, SHF_ALLOC, ElfFile, Section
from tracerd.elf.spec import MapSpec

READ_ONLY = ".rodata"
PREFIXES = (READ_ONLY, ".data", ".bss")

ARRAY = 2
"""BPF_MAP_TYPE_ARRAY; the number is the same for eBPF for Windows."""

KEY_BYTES = 4

MAX_DATA = MAX_ZEROS
"""Most bytes of global variables in an object. .bss costs nothing in a file, so the file's size is no bound."""


def is_data(section: Section) -> bool:
    """Tell whether a section holds global variables that programs reach through a map."""
    named = any(section.name == prefix or section.name.startswith(f"{prefix}.") for prefix in PREFIXES)
    return named and bool(section.flags & SHF_ALLOC) and section.size > 0


def data_maps(elf: ElfFile, btf: Btf | None) -> list[tuple[Section, MapSpec]]:
    """Return the data sections with the map each becomes, in file order.

    Raises:
        ObjectError: too large, of two parts, or initialised with addresses.
    """
    types = _section_types(btf)
    found = []
    left = MAX_DATA
    for section in elf.sections:
        if not is_data(section):
            continue
        left -= section.size
        if left < 0:
            raise elf.error(f"global variables take more than {MAX_DATA >> 20} MiB at section {section.name!r}")
        _refuse_addresses(elf, section)
        spec = MapSpec(
            name=section.name,
            type=ARRAY,
            key_size=KEY_BYTES,
            value_size=section.size,
            max_entries=1,
            value_type=types.get(section.name),
            contents=elf.data(section),
            read_only=section.name.split(".")[1] == READ_ONLY[1:],
        )
        found.append((section, spec))
    return found


def _section_types(btf: Btf | None) -> dict[str, int]:
    if btf is None:
        return {}
    return {each.name: type_id for type_id, each in enumerate(btf.types) if isinstance(each, DataSection)}


def _refuse_addresses(elf: ElfFile, section: Section) -> None:
    for each in elf.relocations.get(section.index, ()):
        raise elf.error(
            f"section {section.name!r}, byte {each.offset}: holds the address of {each.symbol.name!r}; variables "
            "initialised with pointers are not supported, use an index or an array of characters"
        )
