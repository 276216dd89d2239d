"""`tracerd verify OBJ`: prove an object's programs in the verifier's process and print one line each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tracerd.cli.exits import FAILED
from tracerd.cli.output import json_option, print_json
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import ConfigError, VerifierUnavailable
from tracerd.platforms import PLATFORMS
from tracerd.platforms.model import Platform, ProgramType
from tracerd.verifier.job import Options, Rejection, VerifiedProgram
from tracerd.verifier.prepare import make_job
from tracerd.verifier.sandbox import Verifier

Outcome = VerifiedProgram | Rejection | VerifierUnavailable


@click.command("verify")
@click.argument("obj", type=click.Path(path_type=Path))
@click.option("--program", "name", help="Only this program.")
@click.option("--type", "type_name", help="Program type, where the section's name does not tell.")
@click.option("--platform", "platform_name", type=click.Choice(sorted(PLATFORMS)), default="linux")
@click.option("--no-fuel", is_flag=True, help="Reject loops without a proved bound instead of giving them fuel.")
@click.option("--explain", is_flag=True, help="Print what was known before every instruction.")
@json_option
def command(
    obj: Path, name: str | None, type_name: str | None, platform_name: str, no_fuel: bool, explain: bool, as_json: bool
) -> None:
    """Prove the programs of OBJ safe, or say which instruction cannot be proved and why."""
    spec = load(obj)
    platform = PLATFORMS[platform_name]
    kind = program_type(platform, type_name) if type_name else None
    options = Options(allow_fuel=not no_fuel, explain=explain)
    outcomes = prove_all(spec, selected_programs(spec, name), platform, kind, options)
    if as_json:
        print_json([row_of(spec, program, outcome) for program, outcome in outcomes])
    else:
        for _, outcome in outcomes:
            print_outcome(outcome, explain)
    if not all_proved(outcomes):
        sys.exit(FAILED)


def prove_all(
    spec: ObjectSpec,
    programs: Sequence[ProgramSpec],
    platform: Platform,
    kind: ProgramType | None = None,
    options: Options | None = None,
) -> list[tuple[ProgramSpec, Outcome]]:
    """Prove programs of one object in one verifier process; a failure of one does not stop the others."""
    options = options or Options()
    with Verifier(options.memory_mb) as verifier:
        return [(program, _prove(verifier, spec, program, platform, kind, options)) for program in programs]


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


def program_type(platform: Platform, name: str) -> ProgramType:
    """Return a platform's program type by name.

    Raises:
        ConfigError: there is none.
    """
    found = platform.type_by_name.get(name)
    if found is None:
        raise ConfigError("--type", f"unknown program type {name!r}; valid: {', '.join(platform.type_by_name)}")
    return found


def _prove(
    verifier: Verifier,
    spec: ObjectSpec,
    program: ProgramSpec,
    platform: Platform,
    kind: ProgramType | None,
    options: Options,
) -> Outcome:
    job = make_job(spec, program, platform, kind, options)
    try:
        return verifier.verify(job)
    except VerifierUnavailable as fault:
        return fault


def print_outcome(outcome: Outcome, explain: bool = False) -> None:
    """Print one program's proof or refusal, one line; with `explain` what was known before every instruction."""
    if isinstance(outcome, VerifiedProgram):
        proof = outcome.certificate
        ending = "terminates" if proof.terminates else f"needs fuel at {len(proof.fuel_edges)} back-edges"
        click.echo(
            f"{outcome.job.program}: accepted ({outcome.job.type}, {proof.instructions} instructions, "
            f"{proof.seconds * 1e3:.1f} ms, {proof.peak_mb:.0f} MB, {ending})"
        )
        log: tuple[str, ...] = proof.log
    else:
        click.echo(str(outcome))
        log = outcome.refutation.log if isinstance(outcome, Rejection) else ()
    if explain:
        click.echo("\n".join(f"  {line}" for line in log))


def row_of(spec: ObjectSpec, program: ProgramSpec, outcome: Outcome) -> dict[str, object]:
    """Return one program's entry of `verify --json` (DESIGN §11)."""
    row: dict[str, object] = {
        "object": spec.path,
        "section": program.section,
        "program": program.name,
        "type": None,
        "verdict": "error",
        "reason": "",
        "instruction": None,
        "source": None,
        "instructions": len(program.instructions),
        "seconds": 0.0,
        "peak_mb": 0.0,
        "certificate": None,
    }
    if isinstance(outcome, VerifiedProgram):
        proof = outcome.certificate
        return row | {
            "type": outcome.job.type,
            "verdict": "accept",
            "instructions": proof.instructions,
            "seconds": proof.seconds,
            "peak_mb": proof.peak_mb,
            "certificate": proof.digest,
            "terminates": proof.terminates,
        }
    if isinstance(outcome, Rejection):
        source = outcome.source
        return row | {
            "verdict": "reject",
            "reason": outcome.reason,
            "instruction": outcome.instruction,
            "source": {"file": source.file, "line": source.line, "text": source.text} if source else None,
            "seconds": outcome.refutation.seconds,
            "peak_mb": outcome.refutation.peak_mb,
        }
    return row | {"reason": outcome.cause}
