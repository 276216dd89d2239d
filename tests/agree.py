"""Generate a program, prove it, run it in both engines and compare everything. Used by the tests and by the fuzzer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.generate import Generator, Program, context
from tests.vm.engines import CPUS, INTERPRETER, JIT, Case, Observation, observe
from tracerd.isa.disassemble import disassemble
from tracerd.verifier.job import Job, Rejection, VerifiedProgram
from tracerd.verifier.verify import verify
from tracerd.vm.engine import Circumstances

RUNS = 3
FUEL = 40
LEVELS = (0, 0, 2)
"""The optimiser is three quarters of the time, and without it nothing hides behind it."""
Prove = Callable[[Job], VerifiedProgram | Rejection]


@dataclass(eq=False)
class Disagreement(AssertionError):
    """Two engines did different things, or the verifier refused a program that is safe by construction."""

    program: Program
    cause: str

    def __str__(self) -> str:
        listing = "\n".join(f"{index:4} {line}" for index, line in enumerate(disassemble(self.program.instructions)))
        return f"{self.cause}\n{listing}"


def compare(statements: int, seed: int, *, fuel: bool = False, prove: Prove = verify) -> Observation:
    """Make one program of about that many statements, run it in both engines and return what both observed.

    With `fuel` it has loops that may not end. The JIT's level goes by the seed.

    Raises:
        Disagreement: shows the program.
    """
    source = random.Random(seed)
    program = Generator(source, fuel=fuel).program(statements)
    cases = [_case(source, number) for number in range(RUNS)]
    proved = prove(program.job)
    if isinstance(proved, Rejection):
        raise Disagreement(program, f"the verifier refuses it: {proved}")
    interpreter = observe(proved, INTERPRETER, cases, fuel=FUEL)
    jit = observe(proved, JIT, cases, fuel=FUEL, level=LEVELS[seed % len(LEVELS)])
    if interpreter != jit:
        raise Disagreement(program, _difference(interpreter, jit))
    return interpreter


def _case(source: random.Random, number: int) -> Case:
    return Case(
        context(source),
        circumstances=Circumstances(
            now_ns=source.getrandbits(60),
            cpu=number % CPUS,
            pid_tgid=source.getrandbits(64),
            uid_gid=source.getrandbits(64),
            comm=b"generated",
            random=source.getrandbits(64),
        ),
    )


def _difference(interpreter: Observation, jit: Observation) -> str:
    for number, (left, right) in enumerate(zip(interpreter.outcomes, jit.outcomes, strict=True)):
        if left != right:
            return f"run {number}: the interpreter has {left}, the JIT {right}"
    for number, (left_rows, right_rows) in enumerate(zip(interpreter.maps, jit.maps, strict=True)):
        for left_row, right_row in zip(left_rows, right_rows, strict=False):
            if left_row != right_row:
                return f"map {number}: the interpreter leaves {left_row}, the JIT {right_row}"
    return f"the interpreter leaves {interpreter.maps}, the JIT {jit.maps}"
