"""Run proved programs in either engine and note everything that a run can leave behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tracerd.elf.spec import MapSpec
from tracerd.platforms.linux import LINUX
from tracerd.verifier.job import MapFacts, VerifiedProgram
from tracerd.vm.engine import Circumstances, Executable, Outcome, prepare
from tracerd.vm.interpreter import DEFAULT_FUEL
from tracerd.vm.maps import Map
from tracerd.vm.policy import EngineChoice, choice_here

JIT = EngineChoice("jit", "a test", (), False)
INTERPRETER = EngineChoice("interpreter", "a test", (), False)
BOTH = (INTERPRETER, JIT)
CPUS = 3

needs_jit = pytest.mark.skipif(
    choice_here().engine != "jit", reason=f"this machine forbids the JIT: {choice_here().reason}"
)


@dataclass(frozen=True)
class Observation:
    """All outcomes in order, and every map's rows at the end."""

    outcomes: tuple[Outcome, ...]
    maps: tuple[tuple[tuple[bytes, bytes], ...], ...]


@dataclass(frozen=True)
class Case:
    """One run to make."""

    context: bytes
    data: bytes = b""
    circumstances: Circumstances | None = None


@contextmanager
def prepared(
    program: VerifiedProgram,
    choice: EngineChoice,
    *,
    level: int = 2,
    fuel: int = DEFAULT_FUEL,
    background: bool = False,
) -> Iterator[tuple[Executable, list[Map]]]:
    """Make the job's maps and the program; release both at the end."""
    with ExitStack() as stack:
        maps = [stack.enter_context(live_map(facts)) for facts in program.job.maps]
        executable = prepare(program, maps, choice, level=level, fuel=fuel, background=background)
        stack.callback(executable.close)
        yield executable, maps


def live_map(facts: MapFacts) -> Map:
    """Make a map from what the verifier knows of it."""
    spec = MapSpec(
        facts.name,
        facts.kind,
        facts.key_size,
        facts.value_size,
        facts.max_entries,
        contents=facts.contents,
        read_only=facts.read_only,
    )
    return Map(spec, LINUX.maps[facts.kind], CPUS)


def observe(
    program: VerifiedProgram, choice: EngineChoice, cases: Sequence[Case], *, level: int = 2, fuel: int = DEFAULT_FUEL
) -> Observation:
    """Run every case in order on one set of maps."""
    with prepared(program, choice, level=level, fuel=fuel) as (executable, maps):
        assert executable.engine == choice.engine
        outcomes = tuple(executable.run(case.context, case.data, case.circumstances) for case in cases)
        return Observation(outcomes, tuple(tuple(each.items()) for each in maps if each.kind.keyed))
