"""Instructions to basic blocks, and to the graph of blocks that is analysed.

A block runs from a leader to the next jump, local call or leader. A function is analysed anew for every place that
calls it, so the graph has one node per block and call chain; recursion has no such graph and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tracerd.isa.instruction import (
    CALL,
    CALL_LOCAL,
    EXIT,
    JA,
    JMP,
    JMP32,
    LDDW,
    SECOND_SLOT,
    Instruction,
)
from tracerd.verifier.report import Unproved
from tracerd.verifier.values import MAX_FRAMES

MOST_NODES = 200_000
"""Blocks after every call is expanded; more is refused as too large."""

FALLS, JUMPS, BRANCHES, CALLS, EXITS = range(5)


@dataclass(slots=True)
class Block:
    """Instructions [start, end) of one function, and how they end.

    `successors` are blocks: of a branch, (taken, not taken); of a call, the block after it.
    """

    start: int
    end: int
    last: int                  # index of the final instruction
    ends: int
    function: int
    successors: tuple[int, ...] = ()
    callee: int = -1


@dataclass(slots=True)
class Node:
    """A block in one call chain. `successors` are nodes; of a call, the callee's first; of an exit, the return node."""

    block: int
    functions: tuple[int, ...]     # the active functions, the entry first
    successors: tuple[int, ...] = ()
    returns_to: int = -1       # of a call: the node after it, in the same function


@dataclass(slots=True)
class Graph:
    """Blocks of all functions, and the nodes reachable from the entry, whose index is 0."""

    blocks: list[Block]
    entries: list[int]         # first block of each function
    nodes: list[Node] = field(default_factory=list)


def target(instruction: Instruction, index: int) -> int:
    """Return where a jump goes. `ja32` (RFC 9669 §4.3) keeps its distance in `imm`."""
    wide = instruction.klass == JMP32 and instruction.operation == JA
    return index + 1 + (instruction.imm if wide else instruction.offset)


def following(instruction: Instruction, index: int) -> int:
    """Return the index of the next instruction in the text."""
    return index + (2 if instruction.opcode == LDDW else 1)


def build(code: Sequence[Instruction], functions: Sequence[tuple[str, int, int]]) -> Graph:
    """Cut a program into blocks and expand its calls.

    Raises:
        Unproved: a jump leaves its function, a function falls off its end, recursion, or too many nodes.
    """
    _check_functions(code, functions)
    starts = {start: number for number, (_, start, _) in enumerate(functions)}
    blocks: list[Block] = []
    entries: list[int] = []
    for number, (_, start, end) in enumerate(functions):
        entries.append(len(blocks))
        _cut(code, number, start, end, blocks, starts)
    graph = Graph(blocks, entries)
    _expand(graph)
    return graph


def _check_functions(code: Sequence[Instruction], functions: Sequence[tuple[str, int, int]]) -> None:
    """Functions must cover the program in order, without gaps: every instruction belongs to exactly one."""
    expected = 0
    for name, start, end in functions:
        if start != expected or end <= start:
            raise Unproved(start, f"function {name} does not start where the one before it ends")
        if end <= len(code) and code[end - 1].opcode == LDDW:
            raise Unproved(end - 1, f"function {name} ends in the middle of an lddw")
        expected = end
    if expected != len(code) or not functions:
        raise Unproved(max(len(code) - 1, 0), "the functions do not cover the program")


def _cut(
    code: Sequence[Instruction],
    number: int,
    start: int,
    end: int,
    blocks: list[Block],
    starts: dict[int, int],
) -> None:
    """Append the blocks of one function."""
    leaders = _leaders(code, start, end)
    order = sorted(leaders)
    block_at = {leader: len(blocks) + position for position, leader in enumerate(order)}
    for position, leader in enumerate(order):
        stop = order[position + 1] if position + 1 < len(order) else end
        last = stop - 2 if stop - leader > 1 and code[stop - 1].opcode == SECOND_SLOT else stop - 1
        blocks.append(_block(code, number, leader, stop, last, end, block_at, starts))


def _leaders(code: Sequence[Instruction], start: int, end: int) -> set[int]:
    leaders = {start}
    for index in range(start, end):
        instruction = code[index]
        if instruction.klass not in (JMP, JMP32) or instruction.opcode == SECOND_SLOT:
            continue
        if instruction.operation == CALL:
            if instruction.src == CALL_LOCAL and index + 1 < end:
                leaders.add(index + 1)
            continue
        if index + 1 < end:
            leaders.add(index + 1)
        if instruction.operation != EXIT:
            where = target(instruction, index)
            if not start <= where < end:
                raise Unproved(index, f"jump to {where} leaves the function")
            if code[where].opcode == SECOND_SLOT:
                raise Unproved(index, f"jump to {where}, the middle of an lddw")
            leaders.add(where)
    return leaders


def _block(
    code: Sequence[Instruction],
    number: int,
    start: int,
    stop: int,
    last: int,
    end: int,
    block_at: dict[int, int],
    starts: dict[int, int],
) -> Block:
    instruction = code[last]
    block = Block(start, stop, last, FALLS, number)
    jump = instruction.klass in (JMP, JMP32) and instruction.opcode != SECOND_SLOT
    if jump and instruction.operation == EXIT:
        block.ends = EXITS
        return block
    if jump and instruction.operation == JA:
        block.ends, block.successors = JUMPS, (block_at[target(instruction, last)],)
        return block
    if stop >= end:
        raise Unproved(last, "the function falls off its end")
    if jump and instruction.operation == CALL and instruction.src == CALL_LOCAL:
        callee = starts.get(last + 1 + instruction.imm)
        if callee is None:
            raise Unproved(last, f"call of {last + 1 + instruction.imm}, where no function starts")
        block.ends, block.callee = CALLS, callee
        block.successors = (block_at[stop],)
    elif jump and instruction.operation != CALL:
        block.ends, block.successors = BRANCHES, (block_at[target(instruction, last)], block_at[stop])
    else:
        block.successors = (block_at[stop],)
    return block


def _expand(graph: Graph) -> None:
    """Make the nodes: one per block and chain of calls, only what the entry reaches."""
    waiting: list[tuple[dict[int, int], int, int, tuple[int, ...], int]] = []

    def node(chain: dict[int, int], block: int, active: tuple[int, ...], back: int) -> int:
        known = chain.get(block)
        if known is None:
            known = chain[block] = len(graph.nodes)
            if known >= MOST_NODES:
                raise Unproved(graph.blocks[block].start, f"calls expand to more than {MOST_NODES} blocks")
            graph.nodes.append(Node(block, active))
            waiting.append((chain, block, known, active, back))
        return known

    node({}, graph.entries[0], (0,), -1)
    while waiting:
        chain, at, index, active, back = waiting.pop()
        block = graph.blocks[at]
        here = graph.nodes[index]
        if block.ends == EXITS:
            here.successors = (back,) if back >= 0 else ()
        elif block.ends == CALLS:
            if block.callee in active:
                raise Unproved(block.last, "the function calls itself; recursion is not supported")
            if len(active) == MAX_FRAMES:
                raise Unproved(block.last, f"more than {MAX_FRAMES} functions would be active")
            here.returns_to = node(chain, block.successors[0], active, back)
            entry = graph.entries[block.callee]
            here.successors = (node({}, entry, (*active, block.callee), here.returns_to),)
        else:
            here.successors = tuple(node(chain, next_, active, back) for next_ in block.successors)
