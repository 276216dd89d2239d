"""The ELF container as plain frozen values: sections, symbols, relocations. The only file that knows pyelftools.

pyelftools trusts its input; here every offset and count is compared with the file first, and whatever it still raises
becomes one `ObjectError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from tracerd.errors import ObjectError

# e_ident and the two fields behind it: what decides whether the rest may be read at all.
_IDENT = struct.Struct("<4s5B7xHH")
_HEADER_BYTES, _SECTION_BYTES, _SYMBOL_BYTES, _REL_BYTES = 64, 64, 24, 16
_CLASS64, _LITTLE, _VERSION, _RELOCATABLE, _EM_BPF = 2, 1, 1, 1, 247

SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 0x1, 0x2, 0x4, 0x800

MAX_ZEROS = 64 << 20
"""Largest section without bytes in the file (.bss)."""

MAX_SECTIONS = 1 << 14
MAX_SYMBOLS = 1 << 17
MAX_RELOCATIONS = 1 << 17
"""Per section; parsing takes some microseconds for each, and no object that a kernel would load comes near."""

# What pyelftools lets through on damaged input. Fuzzing saw ELFError and OverflowError (offsets beyond 2**63) from
# 0.33; from 0.31 also AttributeError and TypeError (a link to a section of another type) and RecursionError (a dynamic
# section linked to itself). The rest is what its source can raise: assertions, text decoding, errors of construct.
_DAMAGE = (
    ELFError, OverflowError, AttributeError, TypeError, RecursionError, AssertionError, ValueError, ConstructError,
    struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """A section header. `offset` and `size` lie inside the file unless `type` is SHT_NOBITS."""

    index: int
    name: str
    type: str
    flags: int
    offset: int
    size: int
    link: int
    info: int

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR) and self.type == "SHT_PROGBITS"

    @property
    def occupies_file(self) -> bool:
        return self.type not in ("SHT_NOBITS", "SHT_NULL") and self.size > 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol. `section` is its section's index, None if undefined, absolute or common. A section's has its name."""

    name: str
    value: int
    size: int
    type: str        # "STT_FUNC", "STT_OBJECT", "STT_SECTION", "STT_NOTYPE" …
    local: bool
    section: int | None
    undefined: bool


@dataclass(frozen=True, slots=True)
class Relocation:
    """Bytes at `offset` of the section they are for refer to `symbol`. `type` as in llvm's BPF.def."""

    offset: int
    type: int
    symbol: Symbol


class _Budget(BytesIO):
    """The file as pyelftools reads it, for so many bytes in all.

    A name goes on to the next NUL byte wherever that is, so a file without one would be read whole for every symbol.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = 4 * len(data) + (16 << 20)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as BytesIO does.

        Raises:
            ELFError: more was read than any sound file needs.
        """
        found = super().read(size)
        self._left -= len(found)
        if self._left < 0:
            raise ELFError("names without end, or tables that repeat")
        return found


class ElfFile:
    """An eBPF object file in memory.

    Raises (from the constructor):
        ObjectError: it is not a little-endian 64-bit relocatable eBPF object, or damaged.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self._data = data
        self._check_ident()
        with self._damage():
            self._elf = ELFFile(_Budget(data))
            self.sections = self._read_sections()
        self._check_overlap()

    def error(self, cause: str) -> ObjectError:
        """Return the error that names this file."""
        return ObjectError(self.name, cause)

    def data(self, section: Section) -> bytes:
        """Return a section's bytes, zeros for SHT_NOBITS.

        Raises:
            ObjectError: it is compressed, or of more zeros than `MAX_ZEROS`.
        """
        if section.type == "SHT_NOBITS":
            if section.size > MAX_ZEROS:
                raise self.error(f"section {section.name!r} has {section.size} bytes that are not in the file")
            return bytes(section.size)
        if section.flags & SHF_COMPRESSED:
            raise self.error(f"section {section.name!r} is compressed; link without --compress-debug-sections")
        return self._data[section.offset : section.offset + section.size]

    def section(self, name: str) -> Section | None:
        """Return the only section of that name.

        Raises:
            ObjectError: there are several.
        """
        found = self._by_name.get(name, ())
        if len(found) > 1:
            raise self.error(f"has {len(found)} sections {name!r}, one is expected")
        return found[0] if found else None

    @cached_property
    def _by_name(self) -> dict[str, list[Section]]:
        found: dict[str, list[Section]] = {}
        for section in self.sections:
            found.setdefault(section.name, []).append(section)
        return found

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """All symbols, by index. Empty without a symbol table."""
        tables = [section for section in self.sections if section.type == "SHT_SYMTAB"]
        if len(tables) > 1:
            raise self.error("has more than one symbol table")
        return self._read_symbols(tables[0]) if tables else ()

    @cached_property
    def relocations(self) -> dict[int, tuple[Relocation, ...]]:
        """Relocations by the index of the section they are for, ascending by offset. Debug sections are left out."""
        found: dict[int, list[Relocation]] = {}
        for section in self.sections:
            if section.type not in ("SHT_REL", "SHT_RELA"):
                continue
            if not 0 < section.info < len(self.sections):
                raise self.error(f"section {section.name!r} relocates section {section.info}, which does not exist")
            target = self.sections[section.info]
            if target.name.startswith((".debug", ".eh_frame")):
                continue
            if section.type == "SHT_RELA":
                raise self.error(f"section {section.name!r} has explicit addends (RELA), clang's eBPF objects never do")
            found.setdefault(target.index, []).extend(self._read_relocations(section))
        return {index: tuple(sorted(each, key=lambda one: one.offset)) for index, each in found.items()}

    def _check_ident(self) -> None:
        data = self._data
        if data[:4] != b"\x7fELF":
            raise self.error("is no ELF object file; compile with clang -target bpf -g -O2 -c")
        if len(data) < _HEADER_BYTES:
            raise self.error(f"is truncated: {len(data)} bytes cannot hold an ELF header")
        _, bits, order, version, _, _, kind, machine = _IDENT.unpack_from(data)
        if order == 2:
            raise self.error("is big-endian; compile for little-endian eBPF (clang -target bpfel)")
        if bits != _CLASS64:
            raise self.error("is no 64-bit object; compile with clang -target bpf")
        if order != _LITTLE or version != _VERSION:
            raise self.error(f"has an ELF header with byte order {order} and version {version}; it is damaged")
        if machine != _EM_BPF:
            raise self.error(f"is for machine {machine}, eBPF is {_EM_BPF}; compile with clang -target bpf")
        if kind != _RELOCATABLE:
            raise self.error(f"is of ELF type {kind}, not a relocatable object; give what clang -c writes")

    def _read_sections(self) -> tuple[Section, ...]:
        header = self._elf.header
        if header["e_shoff"] == 0:
            raise self.error("has no sections; it is damaged or stripped too far")
        if header["e_shentsize"] != _SECTION_BYTES:
            raise self.error(f"has section headers of {header['e_shentsize']} bytes, {_SECTION_BYTES} are expected")
        self._check_range("section header", header["e_shoff"], _SECTION_BYTES)
        count = self._elf.num_sections()
        if count > MAX_SECTIONS:
            raise self.error(f"has {count} sections, more than {MAX_SECTIONS}")
        self._check_range("section headers", header["e_shoff"], count * _SECTION_BYTES)
        return tuple(self._read_section(index) for index in range(count))

    def _read_section(self, index: int) -> Section:
        found = self._elf.get_section(index)
        raw = found.header
        section = Section(
            index, found.name, str(raw["sh_type"]), raw["sh_flags"], raw["sh_offset"], raw["sh_size"], raw["sh_link"],
            raw["sh_info"],
        )  # fmt: skip
        if not section.name.isprintable():
            raise self.error(f"section {index} has a name with unprintable characters: {section.name!r}")
        if section.occupies_file:
            self._check_range(f"section {section.name!r}", section.offset, section.size)
        return section

    def _check_range(self, what: str, offset: int, size: int) -> None:
        if offset + size > len(self._data):
            raise self.error(f"{what}: ends at byte {offset + size} of {len(self._data)}; the file is truncated")

    def _check_overlap(self) -> None:
        placed = sorted((each for each in self.sections if each.occupies_file), key=lambda each: each.offset)
        for before, after in pairwise(placed):
            if before.offset + before.size > after.offset:
                raise self.error(f"sections {before.name!r} and {after.name!r} overlap; the file is damaged")

    def _table(self, section: Section, entry: int, most: int, kind: type) -> Any:
        """Return pyelftools' view of a table after its entry size and count were checked."""
        with self._damage():
            table = self._elf.get_section(section.index)
            size = table.header["sh_entsize"]
        if not isinstance(table, kind) or size != entry or section.size % entry:
            raise self.error(f"section {section.name!r} has entries of {size} bytes, {entry} are expected")
        if section.size // entry > most:
            raise self.error(f"section {section.name!r} has {section.size // entry} entries, more than {most}")
        return table

    def _read_symbols(self, section: Section) -> tuple[Symbol, ...]:
        table = self._table(section, _SYMBOL_BYTES, MAX_SYMBOLS, SymbolTableSection)
        with self._damage():
            return tuple(self._read_symbol(raw) for raw in table.iter_symbols())

    def _read_symbol(self, raw: Any) -> Symbol:
        entry, where = raw.entry, raw["st_shndx"]
        index = where if isinstance(where, int) else None
        if index is not None and index >= len(self.sections):
            raise self.error(f"symbol {raw.name!r} is in section {index}, which does not exist")
        kind = str(entry["st_info"]["type"])
        name = self.sections[index].name if kind == "STT_SECTION" and index is not None else raw.name
        if not name.isprintable():
            raise self.error(f"symbol {name!r} has unprintable characters")
        local = entry["st_info"]["bind"] == "STB_LOCAL"
        return Symbol(name, entry["st_value"], entry["st_size"], kind, local, index, where == "SHN_UNDEF")

    def _read_relocations(self, section: Section) -> Iterator[Relocation]:
        table = self._table(section, _REL_BYTES, MAX_RELOCATIONS, RelocationSection)
        with self._damage():
            raw = [(each["r_offset"], each["r_info_type"], each["r_info_sym"]) for each in table.iter_relocations()]
        for offset, kind, index in raw:
            if index >= len(self.symbols):
                raise self.error(f"section {section.name!r} refers to symbol {index}, which does not exist")
            yield Relocation(offset, kind, self.symbols[index])

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Turn what pyelftools raises on a damaged file into an ObjectError."""
        try:
            yield
        except _DAMAGE as fault:
            raise self.error(f"is damaged: {type(fault).__name__}: {fault}") from fault
