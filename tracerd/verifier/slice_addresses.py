"""Which registers may point into a frame, and where: so that a slice knows what a store writes and a load reads.

One forward pass over a function. It is for slices only, which people read: an address that is hidden well enough (put
together of parts, kept in another frame) is not seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, unique

from tracerd.isa.instruction import (
    ABS,
    ADD,
    ALU,
    ALU64,
    ATOMIC,
    CALL,
    CALL_LOCAL,
    CMPXCHG,
    FETCH,
    IND,
    JMP,
    LD,
    LDX,
    MOV,
    SECOND_SLOT,
    ST,
    STX,
    SUB,
    Instruction,
)
from tracerd.verifier.cfg import Graph


@unique
class Vague(Enum):
    """An address whose offset is not known."""

    OWN = "somewhere in the function's own frame"
    CALLERS = "in the frame of a caller"
    EITHER = "in one of both"


Address = int | Vague | None
"""An offset from the top of the function's own frame; or something vague; or no address of a frame."""

Registers = list[Address]


def join(a: Address, b: Address) -> Address:
    """Return what is true of both: who may be an address is one."""
    if a == b or b is None:
        return a
    if a is None:
        return b
    if Vague.EITHER in (a, b) or (a is Vague.CALLERS) != (b is Vague.CALLERS):
        return Vague.EITHER
    return Vague.OWN


def moved(address: Address, by: int | None) -> Address:
    """Return an address moved by a constant, or by what is not known."""
    if isinstance(address, int):
        return Vague.OWN if by is None else address + by
    return address


class Addresses:
    """What one function's memory accesses and calls are given.

    `base` has the address in the base register of each load and store, `arguments` those in r1 … r5 at each call.
    """

    def __init__(
        self, code: Sequence[Instruction], graph: Graph, members: Iterable[int], spend: Callable[[int], None]
    ) -> None:
        """`members` are the function's blocks, its first one first; `spend` is told of every instruction."""
        self.base: dict[int, Address] = {}
        self.arguments: dict[int, tuple[Address, ...]] = {}
        self._code, self._graph, self._spend = code, graph, spend
        self._stored = False             # an address was stored, so what is loaded from a frame may be one
        blocks = list(members)
        self._run(blocks)
        if self._stored:
            self._run(blocks)

    def _run(self, members: list[int]) -> None:
        blocks = self._graph.blocks
        given = None if blocks[members[0]].function == 0 else Vague.CALLERS
        entry: Registers = [None, *[given] * 5, *[None] * 4, 0]
        known: dict[int, Registers] = {members[0]: entry}
        waiting = deque([members[0]])
        while waiting:
            index = waiting.popleft()
            block = blocks[index]
            after = list(known[index])
            self._spend(block.end - block.start)
            for at in range(block.start, block.end):
                if self._code[at].opcode != SECOND_SLOT:
                    self._step(at, self._code[at], after)
            for successor in block.successors:
                before = known.get(successor)
                joined = after if before is None else [join(a, b) for a, b in zip(before, after, strict=True)]
                if joined != before:
                    known[successor] = list(joined)
                    waiting.append(successor)

    def _step(self, at: int, instruction: Instruction, registers: Registers) -> None:
        klass, dst, src = instruction.klass, instruction.dst, instruction.src
        if klass in (ALU, ALU64):
            registers[dst] = _computed(instruction, registers)
        elif klass == LDX:
            self.base[at] = registers[src]
            registers[dst] = self._loaded(registers[src])
        elif klass in (ST, STX):
            self.base[at] = registers[dst]
            self._stores(instruction, registers)
        elif klass == JMP and instruction.operation == CALL:
            self.arguments[at] = tuple(registers[1:6])
            result = None
            if instruction.src == CALL_LOCAL:
                for argument in self.arguments[at]:      # a function may return what it was given
                    result = join(result, moved(argument, None))
            registers[:6] = [result, None, None, None, None, None]
        elif klass == LD and instruction.mode in (ABS, IND):
            registers[:6] = [None] * 6
        elif klass == LD:
            registers[dst] = None

    def _loaded(self, base: Address) -> Address:
        if not isinstance(base, int):
            return base                  # a caller's frame may hold addresses of itself
        return Vague.OWN if self._stored else None

    def _stores(self, instruction: Instruction, registers: Registers) -> None:
        if instruction.klass == ST:
            return
        if instruction.mode != ATOMIC:
            self._stored = self._stored or registers[instruction.src] is not None
        elif instruction.imm == CMPXCHG:
            registers[0] = None
        elif instruction.imm & FETCH:
            registers[instruction.src] = None


def _computed(instruction: Instruction, registers: Registers) -> Address:
    """Return what an arithmetic instruction leaves in its register: only sums and copies of addresses are addresses."""
    dst, src = registers[instruction.dst], registers[instruction.src] if instruction.uses_register else None
    if instruction.klass == ALU:
        return None
    if instruction.operation == MOV:
        return src if instruction.offset == 0 else None
    if instruction.operation not in (ADD, SUB):
        return None
    if not instruction.uses_register:
        return moved(dst, instruction.imm if instruction.operation == ADD else -instruction.imm)
    if instruction.operation == SUB:
        return moved(dst, None)
    return join(moved(dst, None), moved(src, None))


