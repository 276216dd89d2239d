"""Programs for the tests of this room: one of each kind, and hypothesis strategies over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import strategies as st

from tracerd.isa.instruction import ATOMIC, CALL_HELPER, IMM64_PLAIN, IND, LD, LDDW, SECOND_SLOT, Instruction
from tracerd.isa.opcodes import ENCODINGS, Encoding

PLACEHOLDER = Instruction(SECOND_SLOT)
SAMPLES = (0, 1, 2, 5, 10, -1, -8, 0x7FFF, -0x8000, 0x7FFFFFFF, -0x80000000, 0x80000000, 0x123456789ABCDEF0, 2**64 - 1)
"""Values tried in every field that has room for them."""


def flatten(instructions: Iterable[Instruction]) -> tuple[Instruction, ...]:
    """Give every lddw its second slot."""
    program: list[Instruction] = []
    for instruction in instructions:
        program.append(instruction)
        if instruction.opcode == LDDW:
            program.append(PLACEHOLDER)
    return tuple(program)


def samples(row: Encoding) -> Iterator[Instruction]:
    """Vary one field of a row at a time over `SAMPLES`."""
    fields = ("dst", "src", "offset", "imm")
    usual = {name: _usual(getattr(row, name)) for name in fields}
    for name in fields:
        for value in dict.fromkeys((usual[name], *SAMPLES)):
            if value in getattr(row, name):
                yield Instruction(row.opcode, **{**usual, name: value})


def corners(row: Encoding) -> tuple[Instruction, ...]:
    """Return a row's instruction with usual values, with zeros, with the least and with the greatest values."""
    ranges = (row.dst, row.src, row.offset, row.imm)
    return (
        Instruction(row.opcode, *map(_usual, ranges)),
        Instruction(row.opcode, *(0 if 0 in values else values.start for values in ranges)),
        Instruction(row.opcode, *(values.start for values in ranges)),
        Instruction(row.opcode, *(values.stop - 1 for values in ranges)),
    )


def _usual(values: range) -> int:
    return 3 if 3 in values else values.start


def every_instruction() -> tuple[Instruction, ...]:
    """Return the samples of every row, without second slots and without duplicates."""
    return tuple(dict.fromkeys(instruction for row in ENCODINGS for instruction in samples(row)))


def llvm_can_express(instruction: Instruction) -> bool:
    """True if LLVM's text says all of an instruction: not so for pseudo constants, local calls, indexed skb."""
    if instruction.opcode == LDDW:
        return instruction.src == IMM64_PLAIN
    if instruction.opcode == 0x85:
        return instruction.src == CALL_HELPER
    return not (instruction.klass == LD and instruction.mode == IND and instruction.imm)


def llvm_needs_alu32(instruction: Instruction) -> bool:
    """True if plain llvm-objdump misreads it: all 32-bit atomics but the add without fetch."""
    atomic32 = instruction.opcode == 0xC3
    return atomic32 and instruction.mode == ATOMIC and instruction.imm != 0


def _integers(values: range) -> st.SearchStrategy[int]:
    return st.integers(values.start, values.stop - 1)


def _of_row(row: Encoding) -> st.SearchStrategy[Instruction]:
    fields = (_integers(row.dst), _integers(row.src), _integers(row.offset), _integers(row.imm))
    return st.builds(Instruction, st.just(row.opcode), *fields)


instructions = st.sampled_from(ENCODINGS).flatmap(_of_row)
"""Any instruction of RFC 9669."""

programs = st.lists(instructions, max_size=40).map(flatten)
"""Any sequence of them, lddw with both slots."""
