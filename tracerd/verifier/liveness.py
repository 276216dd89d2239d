"""Which registers and stack slots a block may still read, and which of them decide something.

Both only choose what a state keeps and what is merged first. A place called dead too early turns a proof into a
rejection, never the other way round: its value is dropped, and reading it afterwards is an error.

Sets are integers: bits 0 … 10 are registers, bit 16 + n is the n-th 8-byte slot of the frame from its lowest byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracerd.isa.instruction import (
    ABS,
    ADD,
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_LOCAL,
    CMPXCHG,
    END,
    EXIT,
    FETCH,
    IND,
    JA,
    JMP,
    JMP32,
    LD,
    LDX,
    MOV,
    NEG,
    SECOND_SLOT,
    ST,
    STX,
    Instruction,
)
from tracerd.verifier.cfg import CALLS, Graph
from tracerd.verifier.values import FRAME_BYTES

FRAME_POINTER = 10
SLOT = 16
ALL_SLOTS = ((1 << 64) - 1) << SLOT
ARGUMENTS = 0b111110
CLOBBERED = 0b111111


@dataclass(slots=True)
class Liveness:
    """Per block: what is live at its start, and the part of it that a later test or address depends on."""

    live: list[int]
    decisive: list[int]


def slots_of(offset: int, size: int) -> int:
    """Return the slots that [offset, offset + size) of the frame touches; none outside of it."""
    first, last = (offset + FRAME_BYTES) >> 3, (offset + size - 1 + FRAME_BYTES) >> 3
    if first < 0 or last > 63:
        return 0
    return ((2 << last) - (1 << first)) << SLOT


def analyse(code: Sequence[Instruction], graph: Graph, arity: Mapping[int, int]) -> Liveness:
    """Compute both sets. `arity` is the number of arguments by helper id."""
    found = Liveness([0] * len(graph.blocks), [0] * len(graph.blocks))
    functions: dict[int, list[int]] = {}
    for index, block in enumerate(graph.blocks):
        functions.setdefault(block.function, []).append(index)
    done: set[int] = set()

    def visit(function: int) -> None:
        """Callees first: what a call reads is what its callee's first block reads. Recursion was refused before."""
        if function in done:
            return
        done.add(function)
        for index in functions[function]:
            if graph.blocks[index].ends == CALLS:
                visit(graph.blocks[index].callee)
        _function(code, graph, functions[function], arity, found)

    visit(0)
    return found


def _function(
    code: Sequence[Instruction], graph: Graph, members: list[int], arity: Mapping[int, int], found: Liveness
) -> None:
    """Run the backward fixpoint over one function's blocks."""
    blocks = graph.blocks
    shared = _shared_slots(code, graph, members)
    before: dict[int, list[int]] = {index: [] for index in members}
    for index in members:
        for successor in blocks[index].successors:
            before[successor].append(index)
    waiting = list(members)
    queued = set(members)
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        queued.discard(index)
        block = blocks[index]
        live = decisive = 0
        for successor in block.successors:
            live |= found.live[successor]
            decisive |= found.decisive[successor]
        callee = found.live[graph.entries[block.callee]] & ARGUMENTS if block.ends == CALLS else 0
        at = block.last
        while at >= block.start:
            if code[at].opcode != SECOND_SLOT:
                live, decisive = _step(code[at], live, decisive, arity, callee)
            at -= 1
        live |= shared
        if (live, decisive) != (found.live[index], found.decisive[index]) or index not in seen:
            seen.add(index)
            found.live[index], found.decisive[index] = live, decisive
            for previous in before[index]:
                if previous not in queued:
                    queued.add(previous)
                    waiting.append(previous)


def _step(instruction: Instruction, live: int, decisive: int, arity: Mapping[int, int], callee: int) -> tuple[int, int]:
    """Go from the sets after an instruction to the sets before it."""
    klass = instruction.opcode & 7
    if klass in (ALU, ALU64):
        return _arithmetic(instruction, live, decisive)
    if klass == LDX:
        return _load(instruction, live, decisive)
    if klass in (JMP, JMP32):
        return _jump(instruction, live, decisive, arity, callee)
    if klass == LD:
        if instruction.mode in (ABS, IND):
            reads = 1 << 6 | (1 << instruction.src if instruction.mode == IND else 0)
            return live & ~CLOBBERED | reads, decisive & ~CLOBBERED | reads
        kill = ~(1 << instruction.dst)
        return live & kill, decisive & kill
    return _store(instruction, live, decisive)


def _arithmetic(instruction: Instruction, live: int, decisive: int) -> tuple[int, int]:
    operation = instruction.operation
    dst = 1 << instruction.dst
    reads = 0 if operation == MOV else dst
    if instruction.uses_register and operation not in (NEG, END):
        reads |= 1 << instruction.src
    return live & ~dst | reads, decisive & ~dst | (reads if decisive & dst else 0)


def _load(instruction: Instruction, live: int, decisive: int) -> tuple[int, int]:
    dst, base = 1 << instruction.dst, 1 << instruction.src
    wanted = decisive & dst
    live, decisive = live & ~dst | base, decisive & ~dst | base
    if instruction.src == FRAME_POINTER:
        slots = slots_of(instruction.offset, instruction.size)
        live |= slots
        decisive |= slots if wanted else 0
    return live, decisive


def _store(instruction: Instruction, live: int, decisive: int) -> tuple[int, int]:
    base = 1 << instruction.dst
    value = 0 if instruction.klass == ST else 1 << instruction.src
    if instruction.klass != ST and instruction.mode == ATOMIC:
        if instruction.imm == CMPXCHG:
            value |= 1
        if instruction.dst == FRAME_POINTER:       # it reads what it changes
            value |= slots_of(instruction.offset, instruction.size)
        killed = 1 << instruction.src if instruction.imm & FETCH and instruction.imm != CMPXCHG else 0
        return live & ~killed | base | value, decisive & ~killed | base | value
    wanted = 0
    if instruction.dst == FRAME_POINTER:
        slots = slots_of(instruction.offset, instruction.size)
        wanted = decisive & slots
        if instruction.size == 8 and instruction.offset % 8 == 0:
            live, decisive = live & ~slots, decisive & ~slots
    return live | base | value, decisive | base | (value if wanted else 0)


def _jump(
    instruction: Instruction, live: int, decisive: int, arity: Mapping[int, int], callee: int
) -> tuple[int, int]:
    operation = instruction.operation
    if operation == JA:
        return live, decisive
    if operation == EXIT:
        return 1, 1
    if operation == CALL:
        reads = callee
        if instruction.src != CALL_LOCAL:
            reads = ((1 << arity.get(instruction.imm, 5)) - 1) << 1
        return live & ~CLOBBERED | reads, decisive & ~CLOBBERED | reads
    reads = 1 << instruction.dst | (1 << instruction.src if instruction.uses_register else 0)
    return live | reads, decisive | reads


def _shared_slots(code: Sequence[Instruction], graph: Graph, members: list[int]) -> int:
    """Return the slots that may be read through another register than r10.

    Compilers make the address of a local as `rX = r10; rX += n`. The local starts there and extends upwards, so every
    slot from the lowest such address is taken to be readable anywhere; spill slots lie below.
    """
    floor = 0
    for index in members:
        block = graph.blocks[index]
        pending: dict[int, int] = {}
        for at in range(block.start, block.end):
            instruction = code[at]
            if instruction.opcode == SECOND_SLOT:
                continue
            floor = min(floor, _escape(instruction, pending))
        floor = min(floor, *map(_unfinished, pending.values())) if pending else floor
    floor = max(floor, -FRAME_BYTES)
    return slots_of(floor, -floor) if floor else 0


def _escape(instruction: Instruction, pending: dict[int, int]) -> int:
    """Follow copies of r10 through one instruction; return the lowest offset that now leaves our sight, or 0."""
    klass, dst, src = instruction.klass, instruction.dst, instruction.src
    if klass == ALU64 and instruction.operation == MOV and instruction.uses_register:
        pending.pop(dst, None)
        if src == FRAME_POINTER:
            pending[dst] = 0
        elif src in pending:
            pending[dst] = pending[src]
        return 0
    if klass == ALU64 and instruction.operation == ADD and not instruction.uses_register and dst in pending:
        pending[dst] += instruction.imm
        return 0
    if klass in (ALU, ALU64):
        whole = dst in pending or (instruction.uses_register and (src in pending or src == FRAME_POINTER))
        pending.pop(dst, None)
        return -FRAME_BYTES if whole else 0
    if klass in (LDX, ST, STX):
        base = src if klass == LDX else dst
        lowest = min(pending[base] + instruction.offset, 0) if base in pending else 0
        if klass == LDX:
            pending.pop(dst, None)
        elif klass == STX and src in pending:
            lowest = min(lowest, _unfinished(pending[src]))
        return lowest
    return min(map(_unfinished, pending.values()), default=0)


def _unfinished(offset: int) -> int:
    """A bare copy of r10 may still be moved anywhere."""
    return offset if offset < 0 else -FRAME_BYTES
