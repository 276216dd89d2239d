"""Functions of an object: which bytes of which section, decoded, and which of them are programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracerd.elf.file import ElfFile, Section, Symbol
from tracerd.errors import InstructionError
from tracerd.isa.decode import SLOT_BYTES, decode
from tracerd.isa.instruction import Instruction

SUBPROGRAMS_ONLY = ".text"
"""The section whose functions are never programs: clang's default for what has no SEC()."""

Place = tuple[int, int]
"""Where a function starts: index of its section, byte offset in it. One place is one body, whatever its names."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function symbol. `start` and `end` are bytes in its section."""

    name: str
    section: Section
    start: int
    end: int
    program: bool
    code: tuple[Instruction, ...]

    @property
    def place(self) -> Place:
        return self.section.index, self.start


@dataclass(frozen=True, slots=True)
class Functions:
    """All functions in file order. `at` finds a body by its place."""

    all: tuple[Function, ...]
    at: Mapping[Place, Function]


def find_functions(elf: ElfFile) -> Functions:
    """Find and decode every function of the executable sections.

    Raises:
        ObjectError: a function lies outside its section, overlaps another, or code has no function symbol.
    """
    by_section: dict[int, list[Symbol]] = {}
    for symbol in elf.symbols:
        if symbol.type == "STT_FUNC" and symbol.section is not None:
            by_section.setdefault(symbol.section, []).append(symbol)
    found: list[Function] = []
    names: set[str] = set()
    for section in elf.sections:
        if not section.executable or not section.size:
            continue
        elf.section(section.name)   # refuses a name that is there twice: it is the key of line info
        for function in _of_section(elf, section, by_section.get(section.index, [])):
            if function.program and function.name in names:
                raise elf.error(f"has two programs {function.name!r}")
            names.add(function.name)
            found.append(function)
    at: dict[Place, Function] = {}
    for function in found:
        at.setdefault(function.place, function)
    return Functions(tuple(found), at)


def _of_section(elf: ElfFile, section: Section, symbols: list[Symbol]) -> list[Function]:
    if not symbols:
        raise elf.error(f"section {section.name!r} has code without a function symbol; compile with clang 10 or newer")
    code = elf.data(section)
    found: list[Function] = []
    for symbol in sorted(symbols, key=lambda each: (each.value, each.local)):
        start, end = symbol.value, symbol.value + symbol.size
        if not symbol.size or end > section.size or start % SLOT_BYTES or end % SLOT_BYTES:
            raise elf.error(
                f"function {symbol.name!r} is bytes {start} to {end} of section {section.name!r}, which has "
                f"{section.size} in instructions of {SLOT_BYTES}"
            )
        before = found[-1] if found else None
        alias = before is not None and (before.start, before.end) == (start, end)
        if before is not None and start < before.end and not alias:
            raise elf.error(f"functions {before.name!r} and {symbol.name!r} overlap in section {section.name!r}")
        body = before.code if before is not None and alias else _decode(elf, symbol.name, code[start:end])
        program = section.name != SUBPROGRAMS_ONLY and not symbol.local
        found.append(Function(symbol.name, section, start, end, program, body))
    return found


def _decode(elf: ElfFile, name: str, code: bytes) -> tuple[Instruction, ...]:
    try:
        return decode(code)
    except InstructionError as fault:
        raise elf.error(f"function {name!r}: {fault}") from fault
