"""Run all states through all nodes until nothing new appears.

Straight parts are passed once, in topological order. A loop is first run round by round, as the machine does, while its
exits are decided by what is known; that is exact, and ends small loops. Otherwise its head is widened until it includes
what comes back, then tightened once: for a head state X that includes what the body makes of it, the entry states
joined with what the body makes of X include every state that the head ever has. A last pass from there checks
everything and measures whether the loop ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tracerd.isa.instruction import JA, JMP, JMP32, SECOND_SLOT
from tracerd.verifier import termination
from tracerd.verifier.branches import branch
from tracerd.verifier.cfg import BRANCHES, CALLS, EXITS, Block, Graph, Node
from tracerd.verifier.checks import Assertion, assertions
from tracerd.verifier.checks.access import Access
from tracerd.verifier.inclusion import included
from tracerd.verifier.liveness import Liveness
from tracerd.verifier.merge import MOST_APART, absorb, merge
from tracerd.verifier.prune import live_bytes, prune
from tracerd.verifier.report import Unproved, show
from tracerd.verifier.scope import Scope
from tracerd.verifier.state import State
from tracerd.verifier.transfer.step import step
from tracerd.verifier.values import FRAME_BYTES, STACK
from tracerd.verifier.widening import thresholds, widener
from tracerd.verifier.wto import Element, Loop, order

MOST_FACTS = 96
"""Symbols beyond which a state is pruned even where nothing is merged."""

MOST_ROUNDS = 60
"""Rounds of widening before a loop is given up."""

PATIENCE = 8
"""Rounds of widening with the program's thresholds; then bounds jump to the extremes, then relations are dropped."""

JUMPS_ALWAYS = (JMP | JA, JMP32 | JA)

Observer = Callable[[int, State], None]


class OutOfTime(Exception):
    """The budget is used up: an event between two modules, no user sees it."""


@dataclass
class Limits:
    """What one attempt may spend."""

    disjuncts: int
    rounds: int                  # of running a loop as the machine does
    deadline: float              # time.monotonic()
    eager: bool = False          # run loops round by round even while no exit is decided
    collect: bool = False        # go on after a failure, to find the first in program order


@dataclass
class Outcome:
    """What an attempt found besides the scope's evidence."""

    failures: list[Unproved] = field(default_factory=list)
    endless: dict[int, Loop] = field(default_factory=dict)    # heads of loops without a proved bound
    rounds: dict[int, int] = field(default_factory=dict)      # most rounds of the others, each time they are entered
    most_states: int = 0


class Fixpoint:
    """One attempt to prove one program."""

    def __init__(
        self, scope: Scope, graph: Graph, liveness: Liveness, limits: Limits, observe: Observer | None = None
    ) -> None:
        self.scope, self.graph, self.liveness, self.limits, self.observe = scope, graph, liveness, limits, observe
        self.outcome = Outcome()
        self.incoming: dict[int, list[State]] = {}
        self.allowed: frozenset[int] | None = None     # nodes that states may flow to; None: all
        self.record = True                             # the states are final: failures count
        self.watched: frozenset[int] = frozenset()     # the loop being run, for:
        self.decided = False                           # an exit of it was decided this round
        self.dropped = False                           # a state was stopped in a pass that is not final
        self.measured: dict[int, frozenset[int]] = {}  # loops whose marks are in use, by head
        self.stubborn: set[int] = set()                # heads that did not end when run
        self.demands: dict[int, tuple[Assertion, ...]] = {}
        self.alive: dict[int, int] = {}

    def run(self) -> Outcome:
        """Analyse everything that the entry reaches.

        Raises:
            Unproved: a failure, unless failures are collected.
            OutOfTime: the deadline passed.
        """
        self.incoming[0] = [State(self.scope.symbols)]
        elements = order([node.successors for node in self.graph.nodes])
        self._sequence(elements)
        self._multiply(elements, 1)
        return self.outcome

    # Flow

    def _sequence(self, elements: list[Element]) -> None:
        for element in elements:
            if isinstance(element, Loop):
                self._loop(element)
            else:
                self._node(element)

    def _node(self, index: int) -> None:
        if index not in self.incoming:
            return
        for state in self._merged(index, self.incoming.pop(index)):
            self._block(index, state)

    def _merged(self, index: int, states: list[State], always: bool = False) -> list[State]:
        """Prune and merge what arrives at a node."""
        block = self.graph.nodes[index].block
        if len(states) == 1 and not always and len(states[0].facts.scalars) < MOST_FACTS:
            return states
        live = self.liveness.live[block]
        if block not in self.alive:
            self.alive[block] = live_bytes(live)
        measured = {head for head, members in self.measured.items() if index in members}
        for state in states:
            if state.marks:
                state.marks = {key: value for key, value in state.marks.items() if key[0] in measured}
            prune(state, live, self.alive[block])
        kept = merge(states, self.limits.disjuncts, self.liveness.decisive[block])
        if len(kept) > MOST_APART:
            raise Unproved(self.graph.blocks[block].start, "too many different sets of ring records meet here")
        self.outcome.most_states = max(self.outcome.most_states, len(kept))
        return kept

    def _push(self, index: int, state: State | None) -> None:
        if state is not None and (self.allowed is None or index in self.allowed):
            self.incoming.setdefault(index, []).append(state)

    def _block(self, index: int, state: State) -> None:
        """Run one state through one block and hand the results on."""
        if time.monotonic() > self.limits.deadline:
            raise OutOfTime
        node = self.graph.nodes[index]
        block = self.graph.blocks[node.block]
        scope, code = self.scope, self.scope.code
        scope.function_at_depth = node.functions
        stop = block.last if block.ends in (BRANCHES, CALLS, EXITS) else block.end
        for at in range(block.start, stop):
            instruction = code[at]
            if instruction.opcode == SECOND_SLOT:
                continue
            if not self._admits(at, state):
                return
            if instruction.opcode not in JUMPS_ALWAYS:
                step(scope, state, instruction)
        if self.record:
            scope.evidence.reached.add(node.block)
        if stop == block.last and not self._admits(stop, state):
            return
        self._leave(node, block, state)

    def _admits(self, at: int, state: State) -> bool:
        """Check an instruction's assertions. A state that fails goes no further.

        While a loop is being widened its bounds may be too wide for a while, so there an access out of bounds goes on,
        as those concrete states do whose access is in bounds.
        """
        demands = self.demands.get(at)
        if demands is None:
            demands = self.demands[at] = assertions(self.scope, at)
        if self.record and self.observe is not None:
            self.observe(at, state)
        for demand in demands:
            unmet = demand.check(state)
            if unmet is not None:
                if self.record:
                    self._fail(Unproved(at, *unmet, known=show(state) if self.observe is not None else ""))
                elif isinstance(demand, Access) and demand.passable(state):
                    continue
                self.dropped = True
                return False
        return True

    def _fail(self, failure: Unproved) -> None:
        if not self.limits.collect:
            raise failure
        self.outcome.failures.append(failure)

    def _leave(self, node: Node, block: Block, state: State) -> None:
        """Hand a state to the node's successors."""
        if block.ends == BRANCHES:
            taken, other = branch(state, self.scope.code[block.last])
            self._push(node.successors[0], taken)
            self._push(node.successors[1], other)
            for side, where in zip((taken, other), node.successors, strict=True):
                if side is None and where not in self.watched:
                    self.decided = True
        elif block.ends == CALLS:
            self._forget_callers(node, state)
            state.enter()
            self._push(node.successors[0], state)
        elif block.ends == EXITS:
            if node.successors:
                state.leave()
                self._push(node.successors[0], state)
        else:
            self._push(node.successors[0], state)

    def _forget_callers(self, node: Node, state: State) -> None:
        """Before a call, drop what the caller will not read after it."""
        block = self.graph.nodes[node.returns_to].block
        arguments = 0b111110
        live = self.liveness.live[block] | arguments
        prune(state, live, live_bytes(live) | self._pointed_to(state))

    def _pointed_to(self, state: State) -> int:
        """A callee may read the caller's frame through a pointer: all of it stays."""
        return (1 << FRAME_BYTES) - 1 if any(value.kind == STACK for value in state.regs[1:6]) else 0

    # Loops

    def _loop(self, loop: Loop) -> None:
        entry = self._merged(loop.head, self.incoming.pop(loop.head, []), always=True)
        outside = {node: self.incoming.pop(node) for node in loop.members if node in self.incoming}
        if not entry and not outside:
            return
        run = 0
        if loop.head not in self.stubborn:
            entry, run = self._unroll(loop, entry, outside)
            outside = {}
        if entry or outside:
            self._widen(loop, entry, outside, run)
        else:
            self._count(loop, run)

    def _count(self, loop: Loop, rounds: int) -> None:
        if self.record:
            self.outcome.rounds[loop.head] = max(rounds, self.outcome.rounds.get(loop.head, 1))

    def _round(self, loop: Loop, heads: list[State], outside: dict[int, list[State]]) -> list[State]:
        """Run the loop's nodes once and return what comes back to the head. `heads` are not changed."""
        for node, states in outside.items():
            self.incoming[node] = [state.copy() for state in states]
        for state in heads:
            self._block(loop.head, state.copy())
        self._sequence(loop.body)
        return self.incoming.pop(loop.head, [])

    def _unroll(
        self, loop: Loop, heads: list[State], outside: dict[int, list[State]]
    ) -> tuple[list[State], int]:
        """Run the loop as the machine does while that is promising. Return the head states left, and rounds run."""
        run = 0
        while run < self.limits.rounds:
            run += 1
            before, self.watched, self.decided = self.watched, loop.members, False
            back = self._round(loop, heads, outside)
            self.watched = before
            outside = {}
            heads = self._merged(loop.head, back, always=True)
            if not heads:
                return [], run
            if not self.decided and not self.limits.eager:
                break
        self.stubborn.add(loop.head)
        return heads, run

    def _widen(self, loop: Loop, entry: list[State], outside: dict[int, list[State]], run: int) -> None:
        """Find states that include all that the head ever has after `run` rounds, then check the loop from them.

        Tightening needs every concrete state that the body makes. If some were stopped at a failed check, the wider
        states stand, and the last pass fails at the same check.
        """
        record, allowed = self.record, self.allowed
        self.record, self.allowed = False, loop.members
        before = self.dropped
        heads, back = self._stabilise(loop, entry, outside)
        if not self.dropped:
            heads = self._merged(loop.head, [state.copy() for state in entry] + back, always=True)
        self.dropped = before
        self.record, self.allowed = record, allowed
        if not record:
            self._round(loop, heads, outside)
            return
        marked = [termination.mark(state, loop.head) for state in heads]
        self.measured[loop.head] = loop.members
        back = self._round(loop, marked, outside)
        del self.measured[loop.head]
        rounds = termination.most_rounds(marked, back, loop.head)
        if rounds is None:
            self.outcome.endless[loop.head] = loop
        else:
            self._count(loop, run + rounds)

    def _multiply(self, elements: list[Element], outer: int) -> None:
        """Treat a loop as endless if its rounds, times those of the loops around it, are too many."""
        for element in elements:
            if isinstance(element, Loop):
                rounds = outer * self.outcome.rounds.get(element.head, 1)
                if rounds > termination.MOST_TRIPS:
                    self.outcome.endless[element.head] = element
                self._multiply(element.body, rounds)

    def _stabilise(
        self, loop: Loop, entry: list[State], outside: dict[int, list[State]]
    ) -> tuple[list[State], list[State]]:
        """Widen until nothing new comes back. Return the head's states and what came back in the last round."""
        block = self.graph.nodes[loop.head].block
        live, decisive = self.liveness.live[block], self.liveness.decisive[block]
        alive = self.alive.setdefault(block, live_bytes(live))
        widen = widener(thresholds(self.scope.code, self._instructions(loop)))
        heads = [state.copy() for state in entry]
        limit = self.limits.disjuncts
        for round_ in range(MOST_ROUNDS):
            self.dropped = False
            back = self._round(loop, heads, outside)
            for state in back:
                prune(state, live, alive)
            new = [state for state in back if not any(included(state, head) for head in heads)]
            if not new:
                return heads, back
            if round_ == PATIENCE:
                widen, limit = widener([], alignment=False), 1
            for state in new:
                plain = round_ >= 2 * PATIENCE
                absorb(heads, state.copy(), limit, decisive, widen if round_ else None, plain=plain)
        raise Unproved(self.graph.blocks[block].start, "the loop that starts here does not settle")

    def _instructions(self, loop: Loop) -> list[int]:
        """Return the instructions of the loop, and of nothing else."""
        blocks = {self.graph.nodes[node].block for node in loop.members}
        return [
            at
            for block in blocks
            for at in range(self.graph.blocks[block].start, self.graph.blocks[block].end)
        ]
