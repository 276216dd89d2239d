"""Instructions to bytes. Fields must fit their width; whether they mean something is `opcodes.check`'s question.

So a test can encode what no decoder accepts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tracerd.errors import InstructionError
from tracerd.isa.instruction import LDDW, SECOND_SLOT, Instruction
from tracerd.isa.opcodes import S16, S32, U64

_SLOT = struct.Struct("<BBhi")
_WIDE = struct.Struct("<BBhIII")
_PLACEHOLDER = Instruction(SECOND_SLOT)
_NIBBLE = range(16)
_BYTE = range(256)


def encode(instructions: Iterable[Instruction]) -> bytes:
    """Encode little-endian (clang's target bpfel), 8 bytes per slot.

    Raises:
        InstructionError: a field does not fit, or an lddw is not followed by its second slot.
    """
    code: list[bytes] = []
    wide = False
    index = -1
    for index, instruction in enumerate(instructions):
        if wide:
            _require_placeholder(instruction, index)
            wide = False
            continue
        _require_fit(instruction, index)
        opcode, registers = instruction.opcode, instruction.src << 4 | instruction.dst
        wide = opcode == LDDW
        if wide:
            low, high = instruction.imm & 0xFFFFFFFF, instruction.imm >> 32
            code.append(_WIDE.pack(opcode, registers, instruction.offset, low, 0, high))
        else:
            code.append(_SLOT.pack(opcode, registers, instruction.offset, instruction.imm))
    if wide:
        raise InstructionError(index, "lddw needs two slots, the program ends after the first")
    return b"".join(code)


def _require_placeholder(instruction: Instruction, index: int) -> None:
    if instruction != _PLACEHOLDER:
        raise InstructionError(index, "an lddw must be followed by its second slot (opcode 0, all fields 0)")


def _require_fit(instruction: Instruction, index: int) -> None:
    imm = U64 if instruction.opcode == LDDW else S32
    for name, value, fits in (
        ("opcode", instruction.opcode, _BYTE),
        ("dst", instruction.dst, _NIBBLE),
        ("src", instruction.src, _NIBBLE),
        ("offset", instruction.offset, S16),
        ("imm", instruction.imm, imm),
    ):
        if value not in fits:
            raise InstructionError(index, f"{name} {value} does not fit {fits.start}..{fits.stop - 1}")
