"""Apply relocations: every function body with its map references in place and its calls known.

What is what: R_BPF_64_64 stands on an `lddw` (address of a map, or of a variable in a data section), R_BPF_64_32 on a
call. Addends are in place (Documentation/bpf/llvm_reloc.rst). A call within a section may have no relocation at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tracerd.elf.file import ElfFile, Relocation, Symbol
from tracerd.elf.functions import Function, Functions, Place
from tracerd.elf.maps import DECLARATIONS, Maps
from tracerd.errors import ObjectError
from tracerd.isa.decode import SLOT_BYTES
from tracerd.isa.instruction import (
    CALL,
    CALL_BTF,
    CALL_LOCAL,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_PLAIN,
    JMP,
    Instruction,
)

R_BPF_64_64, R_BPF_64_32 = 1, 10

_WORD64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Body:
    """A function ready to link. `calls` has (slot, place of the callee) for every local call."""

    code: tuple[Instruction, ...]
    calls: tuple[tuple[int, Place], ...]


def apply_relocations(elf: ElfFile, functions: Functions, maps: Maps) -> Mapping[Place, Body]:
    """Apply the relocations of every function.

    Raises:
        ObjectError: a relocation or a reference that is not supported; names function and instruction.
    """
    return {place: _Relocator(elf, functions, maps, function).body() for place, function in functions.at.items()}


class _Relocator:
    """One function's relocations."""

    def __init__(self, elf: ElfFile, functions: Functions, maps: Maps, function: Function) -> None:
        self._elf = elf
        self._functions = functions
        self._maps = maps
        self._function = function
        self._relocations: dict[int, Relocation] = {}
        every = elf.relocations.get(function.section.index, ())
        first = bisect_left(every, function.start, key=lambda each: each.offset)
        last = bisect_left(every, function.end, key=lambda each: each.offset)
        for each in every[first:last]:
            slot, rest = divmod(each.offset - function.start, SLOT_BYTES)
            if rest or slot in self._relocations:
                raise self._error(slot, "has two relocations or one inside of it; the object is damaged")
            self._relocations[slot] = each

    def body(self) -> Body:
        code: list[Instruction] = []
        calls: list[tuple[int, Place]] = []
        for slot, instruction in enumerate(self._function.code):
            relocation = self._relocations.pop(slot, None)
            if instruction.is_lddw:
                instruction = self._constant(slot, instruction, relocation)
            elif instruction.opcode == JMP | CALL:
                callee = self._callee(slot, instruction, relocation)
                if callee is not None:
                    calls.append((slot, callee))
            elif relocation is not None:
                raise self._error(slot, f"has a relocation of type {relocation.type} but is no lddw and no call")
            code.append(instruction)
        return Body(tuple(code), tuple(calls))

    def _constant(self, slot: int, instruction: Instruction, relocation: Relocation | None) -> Instruction:
        """Return an lddw with the address it means."""
        if instruction.src != IMM64_PLAIN:
            raise self._error(slot, f"is an lddw of kind {instruction.src}, which only a loader may write")
        if relocation is None:
            return instruction
        symbol = self._defined(slot, relocation, R_BPF_64_64)
        offset = (symbol.value + instruction.imm) & _WORD64
        section = self._elf.sections[symbol.section or 0]
        index = self._maps.declared.get((section.index, offset))
        if index is not None:
            return replace(instruction, src=IMM64_MAP_INDEX, imm=index)
        index = self._maps.data.get(section.index)
        if index is None:
            raise self._error(slot, self._no_address(symbol, offset))
        if offset > section.size:
            raise self._error(slot, f"refers to byte {offset} of section {section.name!r}, which has {section.size}")
        return replace(instruction, src=IMM64_MAP_INDEX_VALUE, imm=offset << 32 | index)

    def _no_address(self, symbol: Symbol, offset: int) -> str:
        section = self._elf.sections[symbol.section or 0]
        if section.executable:
            function = self._functions.at.get((section.index, offset))
            name = function.name if function else symbol.name
            return f"takes the address of function {name!r}; callbacks are not supported"
        if section.name == DECLARATIONS:
            return f"refers to {symbol.name!r} in section '.maps', where no map is declared"
        return (
            f"refers to {symbol.name!r} in section {section.name!r}; variables are supported in .data*, .rodata* and "
            ".bss*"
        )

    def _callee(self, slot: int, instruction: Instruction, relocation: Relocation | None) -> Place | None:
        """Return the place a local call goes to, None for a helper's."""
        if relocation is not None:
            symbol = self._defined(slot, relocation, R_BPF_64_32)
            place = (symbol.section or 0, symbol.value + (instruction.imm + 1) * SLOT_BYTES)
            name = symbol.name
        else:
            next_slot = self._function.start + (slot + 1) * SLOT_BYTES
            place = (self._function.section.index, next_slot + instruction.imm * SLOT_BYTES)
            name = f"byte {place[1]} of the section"
        if instruction.src == CALL_BTF:
            raise self._error(slot, f"calls kernel function {instruction.imm} by BTF id, which is not supported")
        if instruction.src != CALL_LOCAL:
            if relocation is not None:
                raise self._error(slot, f"calls {name!r} as a helper; the object is damaged")
            return None
        if place not in self._functions.at:
            raise self._error(slot, f"calls {name!r}, where no function starts")
        return place

    def _defined(self, slot: int, relocation: Relocation, wanted: int) -> Symbol:
        """Return the symbol of a relocation of the wanted type, if this object defines it."""
        symbol = relocation.symbol
        if relocation.type != wanted:
            raise self._error(slot, f"has a relocation of type {relocation.type}, {wanted} is expected here")
        if symbol.undefined:
            raise self._error(
                slot,
                f"refers to {symbol.name!r}, which the object only declares: kernel symbols, kernel functions and "
                ".kconfig variables (__ksym, __kconfig) are not supported; define it or link with bpftool gen object",
            )
        if symbol.section is None:
            raise self._error(slot, f"refers to {symbol.name!r}, which is in no section; compile with -fno-common")
        return symbol

    def _error(self, slot: int, cause: str) -> ObjectError:
        return self._elf.error(
            f"section {self._function.section.name!r}, function {self._function.name!r}, instruction {slot}: {cause}"
        )
