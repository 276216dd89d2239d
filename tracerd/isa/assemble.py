"""Assemble the text of bpf_conformance's cases: `mov32 %r0, 0`, `ldxdw %r0, [%r1+8]`, `lock fetch add [%r10-8], %r1`.

The mnemonics are the names in `opcodes.ENCODINGS`; a row's fixed fields (the 1 of sdiv, the width of be16, the
operation of an atomic) come from the row. Jumps take a label or a signed distance. The name `exit` is a label of the
first exit instruction unless the program defines its own. Nothing is checked beyond the width of the fields, so that
negative cases can be written: %r11 to %r15 and `call %r2` (callx) assemble, and the decoder refuses them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from tracerd.isa.instruction import ALU, ALU64, JMP, JMP32, LD, LDDW, LDX, ST, STX, Instruction
from tracerd.isa.listing import Line, Listing, imm32, imm64, number, offset16, with_distance
from tracerd.isa.opcodes import CALLX, ENCODINGS, Encoding

_LABEL = re.compile(r"([^\s:,\[\]]+):")
_REGISTER = re.compile(r"%r([0-9]|1[0-5])")
_MEMORY = re.compile(r"\[\s*(%r\w+)\s*([+-]\s*\w+)?\s*\]")

_ALIASES = {"swap16": "bswap16", "swap32": "bswap32", "swap64": "bswap64", "call helper": "call"}
_CALL_KINDS = ("helper", "local", "runtime")
_EXIT = "exit"


def _by_name() -> Mapping[str, tuple[Encoding, ...]]:
    rows: defaultdict[str, list[Encoding]] = defaultdict(list)
    for row in ENCODINGS:
        rows[row.name].append(row)
    return {name: tuple(found) for name, found in rows.items()}


_ROWS = _by_name()
_EXIT_OPCODE = _ROWS[_EXIT][0].opcode


class _Statement(NamedTuple):
    """A line apart: the mnemonic of a row and what follows it."""

    mnemonic: str
    operands: list[str]
    line: Line


def assemble(text: str) -> tuple[Instruction, ...]:
    """Assemble a program, one instruction or label per line, comments after `#`.

    Raises:
        AssemblyError: names the line.
    """
    listing = Listing()
    for row, raw in enumerate(text.splitlines(), 1):
        statement = raw.partition("#")[0].strip()
        line = listing.line(row, raw)
        label = _LABEL.match(statement)
        if label is not None:
            listing.label(label[1], line)
            statement = statement[label.end() :].strip()
        if statement:
            listing.add(*_assemble(_split(statement, line)))
    first_exit = next((slot for slot, found in enumerate(listing.slots) if found.opcode == _EXIT_OPCODE), None)
    if first_exit is not None:
        listing.labels.setdefault(_EXIT, first_exit)
    return listing.finish()


def _split(statement: str, line: Line) -> _Statement:
    """Separate mnemonic and operands. `lock` and `call` take a second word into the mnemonic."""
    mnemonic, rest = _word(statement)
    following, after = _word(rest)
    if mnemonic == "lock":
        operation, rest = following.replace("fetch_", "fetch "), after
        if operation == "fetch":
            operation, rest = _word(rest)
            # Exchanges always fetch, so the word adds nothing to them.
            operation = operation if "xchg" in operation else f"fetch {operation}"
        mnemonic = f"lock {operation}"
    elif mnemonic == "call" and following in _CALL_KINDS:
        mnemonic, rest = f"call {following}", after
    mnemonic = _ALIASES.get(mnemonic, mnemonic)
    operands = [operand.strip() for operand in rest.split(",")] if rest.strip() else []
    return _Statement(mnemonic, operands, line)


def _word(text: str) -> tuple[str, str]:
    """Split off the first word."""
    word, *rest = text.split(None, 1) or [""]
    return word, "".join(rest)


def _assemble(statement: _Statement) -> tuple[Instruction, Line, str | None]:
    mnemonic, operands, line = statement
    rows = _ROWS.get(mnemonic, ())
    if not rows or rows[0].group == "packet":
        raise line.error(f"unknown mnemonic {mnemonic!r}")
    if mnemonic == "call" and len(operands) == 1 and operands[0].startswith("%"):
        return Instruction(CALLX, dst=_register(operands[0], line)), line, None
    by_register = len(operands) > 1 and operands[1].startswith("%")
    row = rows[-1] if by_register else rows[0]
    instruction, target = _OPERANDS[row.opcode & 0x07](row, operands, line)
    return instruction, line, target


_Parsed = tuple[Instruction, str | None]


def _want(operands: list[str], count: int, line: Line) -> list[str]:
    if len(operands) != count:
        raise line.error(f"takes {count} operands, has {len(operands)}")
    return operands


def _register(text: str, line: Line) -> int:
    match = _REGISTER.fullmatch(text)
    if match is None:
        raise line.error(f"{text!r} is not a register")
    return int(match[1])


def _memory(text: str, line: Line) -> tuple[int, int]:
    """Return register and offset of `[%r1+8]`."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise line.error(f"{text!r} is not a memory operand")
    return _register(match[1], line), offset16(match[2] or "0", line)


def _second(row: Encoding, text: str, line: Line) -> tuple[int, int]:
    """Return (src, imm) of a second operand, whichever the row has."""
    if len(row.src) > 1:
        return _register(text, line), 0
    return 0, imm32(text, line)


def _target(instruction: Instruction, text: str, line: Line) -> _Parsed:
    if text.startswith(("+", "-")):
        return with_distance(instruction, number(text, line), line), None
    return instruction, text


def _alu(row: Encoding, operands: list[str], line: Line) -> _Parsed:
    if len(row.src) == 1 and len(row.imm) == 1:   # neg and the swaps work on dst alone
        (dst,) = _want(operands, 1, line)
        return Instruction(row.opcode, _register(dst, line), imm=row.imm.start), None
    dst, value = _want(operands, 2, line)
    if value.startswith("%") and len(row.src) == 1:
        raise line.error(f"{row.name} takes no register")
    src, imm = _second(row, value, line)
    return Instruction(row.opcode, _register(dst, line), src, row.offset.start, imm), None


def _jump(row: Encoding, operands: list[str], line: Line) -> _Parsed:
    if row.name == _EXIT:
        _want(operands, 0, line)
        return Instruction(row.opcode), None
    if row.name in ("call", "call runtime"):
        (value,) = _want(operands, 1, line)
        return Instruction(row.opcode, src=row.src.start, imm=imm32(value, line)), None
    if len(row.dst) == 1:   # ja, ja32, call local
        (target,) = _want(operands, 1, line)
        return _target(Instruction(row.opcode, src=row.src.start), target, line)
    dst, value, target = _want(operands, 3, line)
    src, imm = _second(row, value, line)
    return _target(Instruction(row.opcode, _register(dst, line), src, 0, imm), target, line)


def _load(row: Encoding, operands: list[str], line: Line) -> _Parsed:
    dst, where = _want(operands, 2, line)
    src, offset = _memory(where, line)
    return Instruction(row.opcode, _register(dst, line), src, offset), None


def _store(row: Encoding, operands: list[str], line: Line) -> _Parsed:
    where, value = _want(operands, 2, line)
    dst, offset = _memory(where, line)
    src, imm = _second(row, value, line)
    if len(row.imm) == 1:   # an atomic's operation
        imm = row.imm.start
    return Instruction(row.opcode, dst, src, offset, imm), None


def _constant(_row: Encoding, operands: list[str], line: Line) -> _Parsed:
    dst, value = _want(operands, 2, line)
    return Instruction(LDDW, _register(dst, line), imm=imm64(value, line)), None


_OPERANDS = {
    ALU: _alu, ALU64: _alu, JMP: _jump, JMP32: _jump, LDX: _load, ST: _store, STX: _store, LD: _constant,
}  # fmt: skip
