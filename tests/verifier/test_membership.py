"""The key test of soundness: every concrete run stays inside what the analysis says, at every instruction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random

import pytest

from tests.verifier.concrete import Fault, Finished, Machine
from tests.verifier.membership import member
from tests.verifier.programs import MAPS, Generator, job
from tracerd.isa.disassemble import disassemble
from tracerd.isa.instruction import Instruction
from tracerd.verifier.analysis import prepare, scope_of
from tracerd.verifier.fixpoint import Fixpoint, Limits, OutOfTime
from tracerd.verifier.report import Unproved, show
from tracerd.verifier.state import State

Found = dict[int, list[State]]

STEPS = 400
RUNS = 6


def invariants(text: str, disjuncts: int, rounds: int) -> tuple[Sequence[Instruction], Found, set[int]]:
    """Return the code, the states before every instruction, and where the analysis gave up."""
    subject = prepare(job(text))
    found: Found = {}

    def observe(at: int, state: State) -> None:
        found.setdefault(at, []).append(state.copy())

    limits = Limits(disjuncts, rounds, time.monotonic() + 20, collect=True)
    outcome = Fixpoint(scope_of(subject), subject.graph, subject.liveness, limits, observe).run()
    return subject.code, found, {failure.instruction for failure in outcome.failures}


def check_run(code: Sequence[Instruction], found: Found, failed: set[int], random: Random, text: str) -> None:
    """Run once; at every instruction some state must have the machine as a member."""
    machine = Machine(
        code, random, packet=random.randbytes(random.choice((0, 1, 13, 14, 60, 300))),
        value_sizes=[facts.value_size for facts in MAPS],
    )  # fmt: skip
    trace: list[int] = []
    for _ in range(STEPS):
        at = machine.at
        trace.append(at)
        states = found.get(at, [])
        for index, state in enumerate(states):
            if member(state, machine) is None:
                states.insert(0, states.pop(index))   # the next visit is likely to be in the same one
                break
        else:
            raise AssertionError(explanation(code, machine, trace, states))
        try:
            machine.step()
        except Finished:
            return
        except Fault as fault:
            if at not in failed:
                raise AssertionError(f"{text}\nnot foreseen: {fault}") from fault
            return
        if at in failed:
            return


def explanation(code: Sequence[Instruction], machine: Machine, trace: list[int], states: list[State]) -> str:
    """Say which state contradicts the machine how."""
    listing = "\n".join(f"{n}: {line}" for n, line in enumerate(disassemble(code)))
    reasons = "\n".join(f"{member(state, machine)}\n      in {show(state)}" for state in states[:8])
    registers = [hex(register) for register in machine.regs]
    return f"{listing}\ninstruction {machine.at}, trace {trace[-40:]}\nregisters {registers}\n{reasons}"


# 32086 once failed: a dead parent symbol came back and brought a definition back that a join had untied.
@pytest.mark.parametrize("seed", [*range(160), 32086])
def test_every_concrete_state_is_in_the_invariant(seed: int) -> None:
    """Random programs with branches, loops, spills and payloads; the invariant is what the final pass has."""
    random = Random(seed)
    text = Generator(random).program()
    try:
        code, found, failed = invariants(text, random.choice((1, 2, 4)), random.choice((0, 2, 64)))
    except (Unproved, OutOfTime) as gave_up:
        pytest.fail(f"{gave_up}\n{text}")
    for _ in range(RUNS):
        check_run(code, found, failed, random, text)
