"""Turn a proved program into code for this process: references become addresses, context loads native ones.

What comes out is plain eBPF without relocations; the interpreter decodes it once. Nothing is checked again here: the
certificate says which loads are rewritten, the job which maps exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tracerd.errors import RunError
from tracerd.isa.decode import decode
from tracerd.isa.encode import encode
from tracerd.isa.instruction import (
    DW,
    IMM64_MAP_INDEX,
    IMM64_MAP_INDEX_VALUE,
    IMM64_PLAIN,
    LDX,
    MEM,
    Instruction,
)
from tracerd.platforms import PLATFORMS
from tracerd.verifier.job import VerifiedProgram

AddressOf = Callable[[int], int]
"""Index of a map in the job -> address in this process."""


def link(program: VerifiedProgram, map_address: AddressOf, map_value_address: AddressOf) -> bytes:
    """Return the program's code with every map reference replaced by an address, 8 bytes a slot.

    `map_address` gives the handle that helpers take (struct tr_map *), `map_value_address` where the values of a data
    section's map begin.

    Raises:
        RunError: the program refers to something that cannot be linked (an unrelocated descriptor, a function).
    """
    pointers = pointer_offsets(program)
    loads = program.certificate.context_loads
    linked = []
    for index, instruction in enumerate(decode(program.job.code)):
        if instruction.is_lddw and instruction.src != IMM64_PLAIN:
            instruction = _address(program.job.program, index, instruction, map_address, map_value_address)
        elif index in loads:
            instruction = _native_load(instruction, loads[index], pointers)
        linked.append(instruction)
    return encode(linked)


def pointer_offsets(program: VerifiedProgram) -> frozenset[int]:
    """Return the native offsets in the program type's context that hold pointers (start and end of the payload)."""
    context = PLATFORMS[program.job.platform].type_by_name[program.job.type].context
    return frozenset(
        field.native_offset if field.native_offset >= 0 else field.offset
        for field in context.fields
        if field.kind.pointer
    )


def _address(
    name: str, index: int, instruction: Instruction, map_address: AddressOf, map_value_address: AddressOf
) -> Instruction:
    if instruction.src == IMM64_MAP_INDEX:
        address = map_address(instruction.imm)
    elif instruction.src == IMM64_MAP_INDEX_VALUE:
        address = map_value_address(instruction.imm & 0xFFFFFFFF) + (instruction.imm >> 32)
    else:
        raise RunError(name, f"instruction {index}: lddw with src={instruction.src} refers to nothing of this program")
    return replace(instruction, src=IMM64_PLAIN, imm=address)


def _native_load(instruction: Instruction, offset: int, pointers: frozenset[int]) -> Instruction:
    """A pointer fills 8 bytes natively, whatever size the program's header gave it; a number keeps its size."""
    opcode = LDX | MEM | DW if offset in pointers else instruction.opcode
    return replace(instruction, opcode=opcode, offset=offset)
