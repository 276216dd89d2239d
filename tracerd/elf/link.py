"""Link: each program with the functions it reaches behind it, calls and source lines following."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace

from tracerd.btf.ext import LineInfo
from tracerd.elf.file import ElfFile
from tracerd.elf.functions import Function, Functions, Place
from tracerd.elf.relocations import Body
from tracerd.elf.spec import ProgramSpec, SourceLine, Subprogram
from tracerd.isa.decode import SLOT_BYTES
from tracerd.isa.instruction import Instruction

MAX_SLOTS = 1 << 20
"""Largest program, in slots. The kernel verifies no more than a million instructions."""

MAX_LINKED = 1 << 22
"""Most slots of all programs together: functions are copied into every program that calls them."""

Lines = tuple[tuple[int, SourceLine], ...]


def link_programs(
    elf: ElfFile, functions: Functions, bodies: Mapping[Place, Body], lines: Mapping[str, tuple[LineInfo, ...]]
) -> tuple[ProgramSpec, ...]:
    """Link every program of an object, in file order.

    Raises:
        ObjectError: there is none, or they become too large.
    """
    programs = [function for function in functions.all if function.program]
    if not programs:
        raise elf.error('has no program: put SEC("…") before a function that is not static')
    linker = _Linker(elf, functions, bodies, lines)
    return tuple(linker.link(program) for program in programs)


class _Linker:
    def __init__(
        self,
        elf: ElfFile,
        functions: Functions,
        bodies: Mapping[Place, Body],
        lines: Mapping[str, tuple[LineInfo, ...]],
    ) -> None:
        self._elf = elf
        self._functions = functions
        self._bodies = bodies
        self._lines = lines
        self._lines_of: dict[Place, Lines] = {}
        self._left = MAX_LINKED

    def link(self, program: Function) -> ProgramSpec:
        """Put the functions a program reaches behind it, in the order in which calls are met."""
        starts = self._layout(program)
        code: list[Instruction] = []
        lines: list[tuple[int, SourceLine]] = []
        subprograms: list[Subprogram] = []
        for place, start in starts.items():
            body = self._bodies[place]
            linked = list(body.code)
            for slot, callee in body.calls:
                linked[slot] = replace(linked[slot], imm=starts[callee] - (start + slot + 1))
            code += linked
            lines += [(start + slot, line) for slot, line in self._source_lines(place)]
            # An alias is a program of its own name with another's body.
            name = program.name if start == 0 else self._functions.at[place].name
            subprograms.append(Subprogram(name, start, len(code)))
        return ProgramSpec(program.name, program.section.name, tuple(code), tuple(subprograms), tuple(lines))

    def _layout(self, program: Function) -> dict[Place, int]:
        """Return where each function starts, in slots, the program's own first."""
        starts = {program.place: 0}
        waiting = [program.place]
        end = 0
        for place in waiting:       # grows while it is walked
            body = self._bodies[place]
            starts[place] = end
            end += len(body.code)
            if end > MAX_SLOTS:
                raise self._elf.error(
                    f"program {program.name!r} has more than {MAX_SLOTS} instructions with all it calls"
                )
            for _, callee in body.calls:
                if callee not in starts:
                    starts[callee] = -1
                    waiting.append(callee)
        self._left -= end
        if self._left < 0:
            raise self._elf.error(f"its programs have more than {MAX_LINKED} instructions together, with all they call")
        return starts

    def _source_lines(self, place: Place) -> Lines:
        """Return a function's lines by slot. Neighbours of one line become one: columns are not kept."""
        known = self._lines_of.get(place)
        if known is not None:
            return known
        function = self._functions.at[place]
        every = self._lines.get(function.section.name, ())
        first = bisect_left(every, function.start, key=lambda each: each.offset)
        last = bisect_left(every, function.end, key=lambda each: each.offset)
        found: list[tuple[int, SourceLine]] = []
        for info in every[first:last]:
            slot, rest = divmod(info.offset - function.start, SLOT_BYTES)
            if rest:
                raise self._elf.error(f"line info of section {function.section.name!r} points into an instruction")
            line = SourceLine(info.file, info.line, info.text)
            if not found or found[-1][1] != line:
                found.append((slot, line))
        self._lines_of[place] = tuple(found)
        return self._lines_of[place]
