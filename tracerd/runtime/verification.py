"""Prove the programs of an object and load none of them: for `tracerd verify`, and for the daemon that is asked to."""

from __future__ import annotations

from collections.abc import Sequence

from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import ConfigError, VerifierUnavailable
from tracerd.platforms.model import Platform, ProgramType
from tracerd.text import cut
from tracerd.verifier.job import Options, Rejection, VerifiedProgram
from tracerd.verifier.prepare import make_job
from tracerd.verifier.sandbox import Verifier
from tracerd.verifier.verdict import Prover

Outcome = VerifiedProgram | Rejection | VerifierUnavailable


def prove_all(
    spec: ObjectSpec,
    programs: Sequence[ProgramSpec],
    platform: Platform,
    kind: ProgramType | None = None,
    options: Options | None = None,
) -> list[tuple[ProgramSpec, Outcome]]:
    """Prove programs of one object in one verifier process; a failure of one does not stop the others.

    Raises:
        ObjectError: a program's section names no program type, or a map is of a kind not supported.
    """
    options = options or Options()
    with Verifier(options.memory_mb) as verifier:
        return [(program, prove_one(verifier, spec, program, platform, kind, options)) for program in programs]


def prove_one(
    prover: Prover,
    spec: ObjectSpec,
    program: ProgramSpec,
    platform: Platform,
    kind: ProgramType | None,
    options: Options,
) -> Outcome:
    """Prove one program.

    Raises:
        ObjectError: as `prove_all`.
    """
    job = make_job(spec, program, platform, kind, options)
    try:
        return prover.verify(job)
    except VerifierUnavailable as fault:
        return fault


def all_proved(outcomes: Sequence[tuple[ProgramSpec, Outcome]]) -> bool:
    """Return whether every program was proved safe."""
    return all(isinstance(outcome, VerifiedProgram) for _, outcome in outcomes)


def selected_programs(spec: ObjectSpec, name: str | None) -> tuple[ProgramSpec, ...]:
    """Return all programs of an object, or the named one.

    Raises:
        ConfigError: there is no program of that name, or none at all.
    """
    if name is None and spec.programs:
        return spec.programs
    found = tuple(program for program in spec.programs if program.name == name)
    if not found:
        names = ", ".join(program.name for program in spec.programs) or "none"
        raise ConfigError(spec.path, f"has no program {name!r}; it has: {names}" if name else "has no programs")
    return found


def program_type(platform: Platform, name: str, where: str = "--type") -> ProgramType:
    """Return a platform's program type by name; `where` is what a user knows the name as.

    Raises:
        ConfigError: there is none.
    """
    found = platform.type_by_name.get(name)
    if found is None:
        raise ConfigError(where, f"unknown program type {cut(name)}; valid: {', '.join(platform.type_by_name)}")
    return found
