"""A slice lacks nothing that a value really came from: compared with what runs of random programs do."""

from __future__ import annotations

from random import Random

import pytest

from tests.verifier.concrete import Fault, Finished
from tests.verifier.depends import Depending
from tests.verifier.programs import MAPS, Generator, job
from tracerd.errors import InstructionError
from tracerd.isa.disassemble import disassemble
from tracerd.platforms.linux import LINUX
from tracerd.verifier.analysis import Subject, prepare
from tracerd.verifier.report import Unproved
from tracerd.verifier.slice import backward_slice
from tracerd.verifier.slice_effects import operands

PROGRAMS, RUNS, STEPS = 60, 4, 300
ALL = 1 << 30


def read_by(subject: Subject, at: int) -> list[int]:
    """Return registers that an instruction reads."""
    instruction = subject.code[at]
    compared = operands(instruction)
    if compared:
        return [number for number in range(10) if compared >> number & 1]
    return [number for number in {instruction.dst, instruction.src} if number != 10]


def check(subject: Subject, random: Random, slices: dict[tuple[int, int], frozenset[int]]) -> int:
    """Run once; return how many slices had all that the run says."""
    machine = Depending(
        subject.code, random, packet=random.randbytes(300), value_sizes=[facts.value_size for facts in MAPS]
    )
    checked = 0
    for _ in range(STEPS):
        at = machine.at
        for number in read_by(subject, at):
            came = machine.origins[number]
            if (at, number) not in slices:
                made = backward_slice(subject.code, subject.graph, at, f"r{number}", LINUX.helper_by_id, ALL)
                slices[at, number] = frozenset(made)
            missing = came - slices[at, number]
            assert not missing, f"r{number} at {at} lacks {sorted(missing)}:\n" + "\n".join(
                f"{n}: {text}" for n, text in enumerate(disassemble(subject.code))
            )
            checked += bool(came)
        try:
            machine.step()
        except (Fault, Finished):
            return checked
    return checked


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_slice_has_every_instruction_that_a_value_came_from(seed: int) -> None:
    """Through copies, sums, spills, atomics, helpers and functions; on every way that a run takes."""
    random = Random(seed)
    try:
        subject = prepare(job(Generator(random).program()))
    except (Unproved, InstructionError):
        pytest.skip("the generator wrote no program")
    slices: dict[tuple[int, int], frozenset[int]] = {}
    assert sum(check(subject, random, slices) for _ in range(RUNS)) > 0
