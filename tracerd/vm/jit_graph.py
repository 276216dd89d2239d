"""The shape of one function as the JIT needs it: basic blocks, what is live, and which registers hold the frame.

Pure: instructions in, tables out. Nothing here knows LLVM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracerd.isa.instruction import (
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
    JA,
    JMP,
    JMP32,
    LDX,
    MOV,
    NEG,
    ST,
    STX,
    SUB,
    Instruction,
)

FRAME, CONTEXT = "frame", "context"
"""What a register may be known to point into: the function's own stack frame, or the program's context."""

Base = tuple[str, int]
"""(FRAME or CONTEXT, offset from its first byte)."""

FRAME_BYTES = 512
OUTSIDE = -1
"""Where the edge into a function's first block comes from."""
ARGUMENTS = (1, 2, 3, 4, 5)
CALLER_SAVED = (0, *ARGUMENTS)


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one block (named by its first instruction) to another. `jump` is the instruction it leaves from."""

    source: int
    jump: int
    target: int


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions [start, end) that run one after another; only the last one may jump.

    `edges` has the taken branch first and the fall-through second; both are one if they lead to the same place.
    """

    start: int
    end: int
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """One function. `order` is reverse post-order from the entry: what is not in it is never reached."""

    blocks: dict[int, Block]
    order: tuple[int, ...]
    incoming: dict[int, tuple[Edge, ...]]
    live: dict[int, frozenset[int]]         # registers needed at the start of a block
    bases: dict[int, dict[int, Base]]       # registers with a known base at the start of a block


def is_jump(instruction: Instruction) -> bool:
    """True if control may go elsewhere than to the next instruction."""
    return instruction.klass in (JMP, JMP32) and instruction.operation != CALL


def jump_target(index: int, instruction: Instruction) -> int:
    """Return where a jump at `index` leads (RFC 9669 §4.3: JA of class JMP32 has its distance in `imm`)."""
    far = instruction.klass == JMP32 and instruction.operation == JA
    return index + 1 + (instruction.imm if far else instruction.offset)


def is_local_call(instruction: Instruction) -> bool:
    return instruction.opcode == JMP | CALL and instruction.src == CALL_LOCAL


def build_graph(code: Sequence[Instruction], start: int, end: int, entry: dict[int, Base]) -> Graph:
    """Analyse the function at [start, end). `entry` says which registers have a known base when it begins.

    Raises:
        IndexError: a jump leaves the function (the verifier lets none pass).
    """
    blocks = _blocks(code, start, end)
    order = _order(blocks, start)
    incoming: dict[int, list[Edge]] = {block: [] for block in order}
    incoming[start].append(Edge(OUTSIDE, OUTSIDE, start))
    for block in order:
        for edge in blocks[block].edges:
            incoming[edge.target].append(edge)
    frozen = {block: tuple(edges) for block, edges in incoming.items()}
    live = _liveness(code, blocks, order)
    return Graph(blocks, order, frozen, live, _bases(code, blocks, order, entry))


def _blocks(code: Sequence[Instruction], start: int, end: int) -> dict[int, Block]:
    leaders = {start}
    for index in range(start, end):
        if is_jump(code[index]):
            leaders.add(index + 1)
            if code[index].operation != EXIT:
                leaders.add(jump_target(index, code[index]))
    if min(leaders) < start or max(leaders) > end:
        raise IndexError(f"a jump leaves the function at [{start}, {end})")
    starts = sorted(leaders - {end})
    return {
        first: Block(first, after, _edges(code, first, after))
        for first, after in zip(starts, [*starts[1:], end], strict=True)
    }


def _edges(code: Sequence[Instruction], first: int, after: int) -> tuple[Edge, ...]:
    last = after - 1
    instruction = code[last]
    if not is_jump(instruction):
        return (Edge(first, last, after),)
    if instruction.operation == EXIT:
        return ()
    target = jump_target(last, instruction)
    if instruction.operation == JA or target == after:
        return (Edge(first, last, target),)
    return (Edge(first, last, target), Edge(first, last, after))


def _order(blocks: dict[int, Block], start: int) -> tuple[int, ...]:
    """Reverse post-order, without recursion: programs may have thousands of blocks in a row."""
    done: list[int] = []
    seen = {start}
    stack = [(start, iter(blocks[start].edges))]
    while stack:
        block, edges = stack[-1]
        for edge in edges:
            if edge.target not in blocks:
                raise IndexError(f"control runs off the end of the function at instruction {edge.jump}")
            if edge.target not in seen:
                seen.add(edge.target)
                stack.append((edge.target, iter(blocks[edge.target].edges)))
                break
        else:
            done.append(block)
            stack.pop()
    return tuple(reversed(done))


def uses_and_definitions(instruction: Instruction) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the registers an instruction reads and those it writes."""
    klass, operation = instruction.klass, instruction.operation
    dst, src = instruction.dst, instruction.src
    if klass in (ALU, ALU64):
        if operation in (NEG, END):
            return (dst,), (dst,)
        second = (src,) if instruction.uses_register else ()
        return (second, (dst,)) if operation == MOV else ((dst, *second), (dst,))
    if klass in (JMP, JMP32):
        return _jump_uses(instruction)
    if klass == LDX:
        return (src,), (dst,)
    if klass == ST:
        return (dst,), ()
    if klass == STX:
        if instruction.mode != ATOMIC:
            return (dst, src), ()
        if instruction.imm == CMPXCHG:
            return (0, dst, src), (0,)
        return (dst, src), (src,) if instruction.imm & FETCH else ()
    return (), (dst,) if instruction.is_lddw else ()


def _jump_uses(instruction: Instruction) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if instruction.operation == CALL:
        return ARGUMENTS, CALLER_SAVED
    if instruction.operation == EXIT:
        return (0,), ()
    if instruction.operation == JA:
        return (), ()
    return (instruction.dst, instruction.src) if instruction.uses_register else (instruction.dst,), ()


def _liveness(
    code: Sequence[Instruction], blocks: dict[int, Block], order: Sequence[int]
) -> dict[int, frozenset[int]]:
    """Registers needed at each block's start: the least fixed point, from the last block to the first."""
    needs: dict[int, frozenset[int]] = {}
    kills: dict[int, frozenset[int]] = {}
    for block in order:
        needed: set[int] = set()
        written: set[int] = set()
        for index in range(blocks[block].start, blocks[block].end):
            uses, definitions = uses_and_definitions(code[index])
            needed.update(register for register in uses if register not in written)
            written.update(definitions)
        needs[block], kills[block] = frozenset(needed), frozenset(written)
    live = dict(needs)
    changed = True
    while changed:
        changed = False
        for block in reversed(order):
            after = frozenset[int]().union(*(live[edge.target] for edge in blocks[block].edges))
            now = needs[block] | (after - kills[block])
            if now != live[block]:
                live[block] = now
                changed = True
    return live


def _bases(
    code: Sequence[Instruction], blocks: dict[int, Block], order: Sequence[int], entry: dict[int, Base]
) -> dict[int, dict[int, Base]]:
    """Which registers hold a fixed place of the frame or the context, at each block's start.

    A place is kept only if every way into the block agrees on it, so it may be used instead of the register's value.
    """
    known: dict[int, dict[int, Base]] = {order[0]: dict(entry)}
    work = [order[0]]
    while work:
        block = blocks[work.pop()]
        state = dict(known[block.start])
        for index in range(block.start, block.end):
            follow_base(state, code[index])
        for edge in block.edges:
            before = known.get(edge.target)
            after = state if before is None else {r: base for r, base in before.items() if state.get(r) == base}
            if before is None or len(after) != len(before):
                known[edge.target] = dict(after)
                work.append(edge.target)
    return known


def follow_base(state: dict[int, Base], instruction: Instruction) -> None:
    """Bring `state` from before an instruction to after it."""
    dst = instruction.dst
    if instruction.klass == ALU64:
        if instruction.operation == MOV and instruction.uses_register and not instruction.offset:
            moved = state.get(instruction.src)
            if moved is not None:
                state[dst] = moved
                return
        elif instruction.operation in (ADD, SUB) and not instruction.uses_register and dst in state:
            kind, offset = state[dst]
            state[dst] = (kind, offset + (instruction.imm if instruction.operation == ADD else -instruction.imm))
            return
    for register in uses_and_definitions(instruction)[1]:
        state.pop(register, None)
