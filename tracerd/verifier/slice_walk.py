"""Walk backwards from an instruction and gather what made the things it wants, across branches and calls.

A function is walked for what is wanted of it: from its exits for a caller that wants its result, and on into every
caller for what its arguments are. Which caller it was is not remembered on the way up: they all count.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tracerd.isa.instruction import SECOND_SLOT, Instruction
from tracerd.platforms.model import Helper
from tracerd.verifier.cfg import CALLS, EXITS, Graph
from tracerd.verifier.liveness import FRAME_POINTER
from tracerd.verifier.slice_addresses import Address, Addresses, Vague
from tracerd.verifier.slice_control import controllers
from tracerd.verifier.slice_effects import ARGUMENTS, CALLERS, HELD, R0, Effect, effect, upward

_NAMED = ~(1 << FRAME_POINTER)
"""Nothing makes r10."""

Seed = tuple[int, int, int]
"""A block, the instruction in it before which the walk begins, and what is wanted there."""


class Enough(Exception):
    """The effort is used up: an event between two modules, no user sees it."""


@dataclass
class Program:
    """A program as all walks over it see it. Everything about a function is made when the first walk comes there."""

    code: Sequence[Instruction]
    graph: Graph
    helpers: Mapping[int, Helper]
    effort: int                                  # instructions that may still be looked at
    members: dict[int, list[int]] = field(default_factory=dict)          # reachable blocks by function
    before: dict[int, list[int]] = field(default_factory=dict)           # of a block: those that lead to it
    sites: dict[int, list[int]] = field(default_factory=dict)            # of a function: the blocks that call it
    _starts: list[int] = field(default_factory=list)
    _addresses: dict[int, Addresses] = field(default_factory=dict)
    _controllers: dict[int, dict[int, tuple[int, ...]]] = field(default_factory=dict)
    _effects: dict[int, tuple[list[tuple[int, Effect]], int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        blocks = self.graph.blocks
        self._starts = [block.start for block in blocks]                 # ascending, as blocks were cut
        for index in sorted({node.block for node in self.graph.nodes}):
            block = blocks[index]
            self.members.setdefault(block.function, []).append(index)
            self.before.setdefault(index, [])
            for successor in block.successors:
                self.before.setdefault(successor, []).append(index)
            if block.ends == CALLS:
                self.sites.setdefault(block.callee, []).append(index)

    def block_of(self, at: int) -> int | None:
        """Return the block of an instruction, None if it is in none that is reached."""
        index = bisect_right(self._starts, at) - 1
        inside = index in self.before and at < self.graph.blocks[index].end
        return index if inside and self.code[at].opcode != SECOND_SLOT else None

    def spend(self, instructions: int) -> None:
        """Count effort.

        Raises:
            Enough: there is none left.
        """
        self.effort -= instructions
        if self.effort < 0:
            raise Enough

    def addresses(self, function: int) -> Addresses:
        """Return what may point into a frame there."""
        if function not in self._addresses:
            self._addresses[function] = Addresses(self.code, self.graph, self.members[function], self.spend)
        return self._addresses[function]

    def controllers(self, index: int) -> tuple[int, ...]:
        """Return the blocks of the same function whose branch decides about this one."""
        function = self.graph.blocks[index].function
        if function not in self._controllers:
            members = self.members[function]
            self._controllers[function] = controllers(self.graph.blocks, members, self.spend)
        return self._controllers[function][index]

    def effects(self, index: int) -> tuple[list[tuple[int, Effect]], int]:
        """Return what a block's instructions do, the last first, and all that they define together."""
        known = self._effects.get(index)
        if known is None:
            block = self.graph.blocks[index]
            addresses = self.addresses(block.function)
            end = block.last if block.ends == CALLS else block.end
            effects = [
                (at, effect(self.code[at], addresses.base.get(at), addresses.arguments.get(at, ()), self.helpers))
                for at in range(end - 1, block.start - 1, -1)
                if self.code[at].opcode != SECOND_SLOT
            ]
            defines = 0
            for _, each in effects:
                defines |= each.defines
            known = self._effects[index] = (effects, defines)
        return known


class Walk:
    """What one walk found: instructions, the nearest first. With `values` it follows values only, not their places."""

    def __init__(self, program: Program, *, values: bool) -> None:
        self.found: dict[int, None] = {}
        self._program = program
        self._values = values
        self._touched = 0                                            # finds, those made again included
        self._callees: dict[tuple[int, int], tuple[int, bool]] = {}  # (function, wanted) -> wanted at entry, found any
        self._asked: dict[int, int] = {}                             # of a calling block: what was wanted there already

    def begin(self, index: int, at: int, wanted: int) -> None:
        """Walk from before an instruction of a block.

        Raises:
            Enough: the program's effort is used up; `found` has what was found so far.
        """
        entry = self._function([(index, at, wanted)])
        self._callers(self._program.graph.blocks[index].function, entry)

    def _find(self, at: int) -> None:
        self.found[at] = None
        self._touched += 1

    def _function(self, seeds: Iterable[Seed]) -> int:
        """Walk within one function, nearest blocks first. Return what is wanted at its entry."""
        program = self._program
        blocks = program.graph.blocks
        at_end: dict[int, int] = {}
        entry = 0
        waiting = deque(seeds)
        while waiting:
            index, upto, wanted = waiting.popleft()
            before = self._through(index, upto, wanted & _NAMED)
            if index == program.graph.entries[blocks[index].function]:
                entry |= before
            for previous in program.before[index]:
                fresh = before & ~at_end.get(previous, 0)
                if fresh:
                    at_end[previous] = at_end.get(previous, 0) | fresh
                    waiting.append((previous, blocks[previous].end, fresh))
        return entry

    def _through(self, index: int, upto: int, wanted: int) -> int:
        """Go backwards through a block's instructions before `upto`. Return what is wanted at its start."""
        program = self._program
        block = program.graph.blocks[index]
        effects, defines = program.effects(index)
        if block.ends == CALLS and upto > block.last:
            wanted = self._call(index, wanted)
        if not wanted & defines:
            program.spend(1)
            return wanted
        program.spend(len(effects))
        for at, each in effects:
            if at < upto and wanted & each.defines:
                self._find(at)
                made = wanted & each.defines & ~each.lost
                wanted &= ~each.kills
                if made:
                    wanted |= (each.values if self._values else each.uses) & _NAMED
        return wanted

    def _call(self, index: int, wanted: int) -> int:
        """Go backwards through a local call: what is wanted of the function, then what that wants of the caller."""
        block = self._program.graph.blocks[index]
        within, callers = self._given(index)
        into = wanted & (R0 | HELD)
        if wanted & within or (callers and wanted & CALLERS):
            into |= CALLERS
        before = wanted & ~(R0 | ARGUMENTS)
        entry, touched = self._callee(block.callee, into) if into else (0, False)
        if touched or wanted & (R0 | ARGUMENTS):
            self._find(block.last)
        return before | self._passed(index, entry)

    def _given(self, index: int) -> tuple[int, bool]:
        """Return the bytes of this frame that a call may reach through its arguments, and whether those of callers."""
        block = self._program.graph.blocks[index]
        arguments = self._program.addresses(block.function).arguments[block.last]
        within = 0
        for address in arguments:
            within |= upward(address) & ~CALLERS
        return within, any(_foreign(address) for address in arguments)

    def _passed(self, index: int, entry: int) -> int:
        """Return what a call passes for what is wanted at its function's entry."""
        passed = entry & (ARGUMENTS | HELD)
        if entry & CALLERS:
            within, callers = self._given(index)
            passed |= within | (CALLERS if callers else 0)
        return passed

    def _callee(self, function: int, wanted: int) -> tuple[int, bool]:
        """Walk a called function from its exits. Return what is wanted at its entry, and whether anything was found."""
        known = self._callees.get((function, wanted))
        if known is None:
            blocks = self._program.graph.blocks
            exits = [index for index in self._program.members[function] if blocks[index].ends == EXITS]
            before = self._touched
            entry = self._function([(index, blocks[index].end, wanted) for index in exits])
            known = self._callees[function, wanted] = (entry, self._touched > before)
        return known

    def _callers(self, function: int, entry: int) -> None:
        """Go on in whoever calls a function, for what is wanted at its entry."""
        for index in self._program.sites.get(function, ()):
            block = self._program.graph.blocks[index]
            wanted = self._passed(index, entry)
            fresh = wanted & ~self._asked.get(index, 0)
            if not fresh:
                continue
            self._asked[index] = self._asked.get(index, 0) | fresh
            if fresh & ARGUMENTS:
                self._find(block.last)
            self._callers(block.function, self._function([(index, block.last, fresh)]))


def _foreign(address: Address) -> bool:
    return address in (Vague.CALLERS, Vague.EITHER)
