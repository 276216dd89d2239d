"""Bytes to instructions, strictly: what RFC 9669 does not define is refused here, once, for every later room."""

from __future__ import annotations

import struct

from tracerd.errors import InstructionError
from tracerd.isa.instruction import LDDW, SECOND_SLOT, Instruction
from tracerd.isa.opcodes import check

SLOT_BYTES = 8

_PLACEHOLDER = Instruction(SECOND_SLOT)


def decode(code: bytes | bytearray | memoryview) -> tuple[Instruction, ...]:
    """Decode little-endian bytecode (clang's target bpfel), one `Instruction` per slot of 8 bytes.

    Raises:
        InstructionError: names the slot and why it is not an instruction.
    """
    slots, rest = divmod(memoryview(code).nbytes, SLOT_BYTES)
    if rest:
        raise InstructionError(slots, f"{rest} bytes are left over, an instruction has {SLOT_BYTES}")
    words = struct.unpack(f"<{slots}Q", code)
    known: dict[int, Instruction] = {}   # instructions are frozen, so equal slots may share one
    program: list[Instruction] = []
    add = program.append
    index = 0
    while index < slots:
        word = words[index]
        instruction = known.get(word)
        if instruction is not None:
            add(instruction)
        elif word & 0xFF == LDDW:
            add(_wide(words, index))
            add(_PLACEHOLDER)
            index += 1
        else:
            instruction = known[word] = _narrow(word)
            check(instruction, index)
            add(instruction)
        index += 1
    return tuple(program)


def _narrow(word: int) -> Instruction:
    """Split a slot into its fields (§3.1), little-endian: opcode, registers, offset, imm."""
    offset = (word >> 16) & 0xFFFF
    imm = word >> 32
    return Instruction(
        word & 0xFF,
        (word >> 8) & 0x0F,
        (word >> 12) & 0x0F,
        offset - ((offset & 0x8000) << 1),
        imm - ((imm & 0x80000000) << 1),
    )


def _wide(words: tuple[int, ...], index: int) -> Instruction:
    """Join the two slots of an lddw (§3.2)."""
    if index + 1 == len(words):
        raise InstructionError(index, "lddw needs two slots, the program ends after the first")
    first, second = words[index], words[index + 1]
    if second & 0xFFFFFFFF:
        raise InstructionError(index + 1, "the second slot of an lddw must be zero but for its constant")
    narrow = _narrow(first)
    imm = (first >> 32) | (second >> 32 << 32)
    instruction = Instruction(LDDW, narrow.dst, narrow.src, narrow.offset, imm)
    check(instruction, index)
    return instruction
