"""Assemble LLVM's BPF syntax: what `disassemble` writes, and what people write in tests.

On top of the disassembler's own text: labels (`loop:`, `goto loop`, `call function`), decimal or hexadecimal numbers,
comments after `;` or `#`, helper names, either register width in loads and stores below 64 bits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tracerd.errors import InstructionError
from tracerd.isa.instruction import CALL, CALL_HELPER, JMP, Instruction
from tracerd.isa.listing import Line, Listing
from tracerd.isa.llvm_grammar import parse_statement
from tracerd.isa.opcodes import S32, check

_LABEL = re.compile(r"([A-Za-z_.$][\w.$]*)\s*:")
_COMMENT = re.compile(r"[;#].*")


def parse_llvm(text: str, helpers: Mapping[str, int] | None = None) -> tuple[Instruction, ...]:
    """Assemble a listing, one instruction or label per line. `helpers` gives numbers to names after `call`.

    A label wins over a helper of the same name, and makes the call a local one. `r1 = map[2] ll` and
    `r1 = map[2][16] ll` are the map references of `elf.spec`: index, and offset in the map's value.

    Raises:
        AssemblyError: a line is not an instruction, or not one of RFC 9669; names the line.
    """
    listing = Listing()
    for row, raw in enumerate(text.splitlines(), 1):
        statement = _COMMENT.sub("", raw).strip()
        while match := _LABEL.match(statement):
            listing.label(match[1], listing.line(row, raw))
            statement = statement[match.end() :].strip()
        if statement:
            _assemble(statement, listing.line(row, raw), listing)
    _resolve_helpers(listing, helpers or {})
    return listing.finish()


def _assemble(statement: str, line: Line, listing: Listing) -> None:
    instruction, target = parse_statement(statement, line)
    try:
        check(instruction, line.slot)
    except InstructionError as error:
        raise line.error(error.cause) from error
    listing.add(instruction, line, target)


def _resolve_helpers(listing: Listing, helpers: Mapping[str, int]) -> None:
    """Turn calls of names that are not labels into helper calls; labels keep waiting."""
    waiting, listing.waiting = listing.waiting, []
    for slot, name, line in waiting:
        if listing.slots[slot].opcode != JMP | CALL or name in listing.labels:
            listing.waiting.append((slot, name, line))
        elif name not in helpers:
            raise line.error(f"no label and no helper is called {name!r}")
        elif helpers[name] not in S32:
            raise line.error(f"helper {name!r} has the number {helpers[name]}, which no call can hold")
        else:
            listing.slots[slot] = Instruction(JMP | CALL, src=CALL_HELPER, imm=helpers[name])
