"""Which instructions made what a proof failed on: a static backward slice (Weiser 1981), for people to read.

Of the register that does not hold what it takes, it has every instruction that its value may come from: copies, sums,
loads with what made their addresses, what was spilled where it was filled from, arguments of helpers, and called
functions and callers. Of the conditional jumps that decide whether the failing instruction is reached, it has those
that compare something with a value in common with the register: they give the bound, or would give it; and those that
choose between several values which arrive there.

What it does not see: values that go through maps, the payload or ring records (a proof knows nothing of them either);
which of several callers it was; an address of a frame that was spilled and loaded in another function. A slice that
lacks something proves nothing wrong: only readers use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from tracerd.isa.instruction import CALL, CALL_HELPER, JMP, Instruction
from tracerd.platforms.model import Helper
from tracerd.verifier.cfg import Graph
from tracerd.verifier.slice_effects import HELD, operands, wanted_by
from tracerd.verifier.slice_walk import Enough, Program, Walk

MOST = 256
"""Instructions of a slice: the nearest ones."""

MOST_BRANCHES = 256
"""Conditional jumps that are looked at, the nearest first."""

MOST_EFFORT = 400_000
"""Instructions looked at, one as often as it is: some tenths of a second."""

DEPTH = 2
"""How far a jump on a flag is followed to the jumps that set it."""


def backward_slice(
    code: Sequence[Instruction],
    graph: Graph,
    at: int,
    register: str,
    helpers: Mapping[int, Helper],
    most: int = MOST,
) -> tuple[int, ...]:
    """Return the instructions that made what `register` ("r1") holds before instruction `at`, and `at`, in order.

    Without a register it is what a conditional jump compares, or else the ring records that are held. Nothing of code
    that is not reached.
    """
    program = Program(code, graph, helpers, MOST_EFFORT)
    index = program.block_of(at)
    if index is None:
        return ()
    slicer = _Slicer(program)
    with suppress(Enough):               # what was found until then is as good as any
        slicer.run(index, at, register)
    return tuple(sorted([at, *[each for each in slicer.found if each != at][: most - 1]]))


class _Slicer:
    """Builds one slice; `found` are its instructions, what the register comes from first."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._made = Walk(program, values=False)
        self._origins = Walk(program, values=True)
        self._compared: dict[int, Walk] = {}         # by block: where the values come from that its branch compares

    @property
    def found(self) -> Iterable[int]:
        return self._made.found

    def run(self, index: int, at: int, register: str) -> None:
        """Gather everything.

        Raises:
            Enough: it would take too long.
        """
        program = self._program
        addresses = program.addresses(program.graph.blocks[index].function)
        base, arguments = addresses.base.get(at), addresses.arguments.get(at, ())
        wanted = wanted_by(program.code[at], register, base, arguments, program.helpers)
        self._made.begin(index, at, wanted)
        self._origins.begin(index, at, wanted)
        if any(self._reserves(each) for each in self._origins.found):
            self._made.begin(index, at, HELD)        # whoever gave the record back made the register worthless
        deciding = self._deciding([index], through_calls=True)
        for branch in self._choosing(self._origins, deciding):
            self._include(branch)
        for branch in deciding[:MOST_BRANCHES]:
            if self._concerns(branch, DEPTH):
                self._include(branch)
                for chooser in self._choosing(self._compared[branch], deciding):
                    self._include(chooser)

    def _reserves(self, at: int) -> bool:
        instruction = self._program.code[at]
        helper = self._program.helpers.get(instruction.imm)
        calls = instruction.opcode == JMP | CALL and instruction.src == CALL_HELPER
        return calls and helper is not None and helper.acquires

    def _include(self, index: int) -> None:
        """Take a branch into the slice, with what makes the values it compares."""
        last = self._program.graph.blocks[index].last
        self._made.found[last] = None
        self._made.begin(index, last, operands(self._program.code[last]))

    def _deciding(self, starts: Sequence[int], *, through_calls: bool) -> list[int]:
        """Return the blocks whose branches decide whether some blocks are reached, the nearest first.

        Through calls: also those that decide whether the function is called.
        """
        program, blocks = self._program, self._program.graph.blocks
        found: dict[int, None] = {}
        seen = set(starts)
        waiting = list(starts)
        for index in waiting:                        # it grows meanwhile
            program.spend(1)
            callers = program.sites.get(blocks[index].function, ()) if through_calls else ()
            for each in program.controllers(index):
                found[each] = None
            for each in (*program.controllers(index), *callers):
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return list(found)

    def _choosing(self, walk: Walk, deciding: Iterable[int]) -> list[int]:
        """Return the blocks whose branches choose between the values that a walk found, and decide nothing else."""
        blocks = {self._program.block_of(each): None for each in walk.found}
        starts = [index for index in blocks if index is not None]
        known = set(deciding)
        return [each for each in self._deciding(starts, through_calls=False) if each not in known][:MOST_BRANCHES]

    def _concerns(self, index: int, depth: int) -> bool:
        """True if a branch compares values that have an origin in common with what the slice is of.

        A flag has none itself: then it is asked of the branches that choose the flag's value.
        """
        compared = self._compared.get(index)
        if compared is None:
            last = self._program.graph.blocks[index].last
            compared = self._compared[index] = Walk(self._program, values=True)
            compared.begin(index, last, operands(self._program.code[last]))
        self._program.spend(len(self._origins.found))
        if not compared.found.keys().isdisjoint(self._origins.found):
            return True
        if not depth:
            return False
        deciding = self._deciding([index], through_calls=False)
        return any(self._concerns(each, depth - 1) for each in self._choosing(compared, deciding))
