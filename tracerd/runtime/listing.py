"""A program as text, instruction by instruction, with the source lines that its object knows of."""

from __future__ import annotations

from collections.abc import Iterator

from tracerd.elf.spec import ProgramSpec, SourceLine
from tracerd.isa.disassemble import format_instruction


def listing(
    program: ProgramSpec, *, source: bool = True, slots: range | None = None
) -> Iterator[tuple[int, str, str | None]]:
    """Yield (instruction, text, source) for a program's instructions, or for those in some of its slots.

    `source` is the line that begins with the instruction, as `line_text` has it, where that is known and wanted.
    """
    begins = dict(program.lines) if source else {}
    for at in slots if slots is not None else range(len(program.instructions)):
        text = format_instruction(program.instructions[at], at)
        if text:                             # the second slot of a constant has none
            line = begins.get(at)
            yield at, text, line_text(line) if line else None


def line_text(line: SourceLine) -> str:
    """Return a source line as "file:line: text". What the object says of it is not made printable."""
    return f"{line}: {line.text.strip()}"
