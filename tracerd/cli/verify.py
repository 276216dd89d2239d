"""`tracerd verify OBJ`: prove an object's programs in the verifier's process and print one line each."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tracerd.cli.exits import FAILED
from tracerd.cli.output import json_option, print_json, printable
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.isa.disassemble import format_instruction
from tracerd.platforms import PLATFORMS
from tracerd.platforms.detect import detect
from tracerd.runtime.listing import line_text
from tracerd.runtime.verification import Outcome, all_proved, program_type, prove_all, selected_programs
from tracerd.verifier.job import Options, Rejection, VerifiedProgram, Visit


@click.command("verify")
@click.argument("obj", type=click.Path(path_type=Path))
@click.option("--program", "name", help="Only this program.")
@click.option("--type", "type_name", help="Program type, where the section's name does not tell.")
@click.option("--platform", "platform_name", type=click.Choice(sorted(PLATFORMS)), help="Default: as OBJ shows.")
@click.option("--no-fuel", is_flag=True, help="Reject loops without a proved bound instead of giving them fuel.")
@click.option(
    "--explain", is_flag=True, help="Print what made the value that is refused, and what was known at each instruction."
)
@json_option
def command(
    obj: Path,
    name: str | None,
    type_name: str | None,
    platform_name: str | None,
    no_fuel: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Prove the programs of OBJ safe, or say which instruction cannot be proved and why."""
    spec = load(obj)
    platform = PLATFORMS[platform_name] if platform_name else detect(spec)
    kind = program_type(platform, type_name) if type_name else None
    options = Options(allow_fuel=not no_fuel, explain=explain)
    outcomes = prove_all(spec, selected_programs(spec, name), platform, kind, options)
    if as_json:
        print_json([row_of(spec, program, outcome) for program, outcome in outcomes])
    else:
        for program, outcome in outcomes:
            print_outcome(outcome)
            if explain:
                print_explanation(program, outcome)
    if not all_proved(outcomes):
        sys.exit(FAILED)


def print_outcome(outcome: Outcome) -> None:
    """Print one program's proof or refusal, one line."""
    if not isinstance(outcome, VerifiedProgram):
        click.echo(printable(str(outcome)))
        return
    proof = outcome.certificate
    ending = "terminates" if proof.terminates else f"needs fuel at {len(proof.fuel_edges)} back-edges"
    click.echo(
        f"{outcome.job.program}: accepted ({outcome.job.type}, {proof.instructions} instructions, "
        f"{proof.seconds * 1e3:.1f} ms, {proof.peak_mb:.0f} MB, {ending})"
    )


def print_explanation(program: ProgramSpec, outcome: Outcome) -> None:
    """Print what made a refused value, with source lines, then what was known before every instruction."""
    log: tuple[Visit, ...] = ()
    if isinstance(outcome, VerifiedProgram):
        log = outcome.certificate.log
    elif isinstance(outcome, Rejection):
        log = outcome.refutation.log
        _print_slice(program, outcome)
    for at, known in log:
        click.echo(f"  {at}: {format_instruction(program.instructions[at], at)}\n    {known}")


def _print_slice(program: ProgramSpec, rejection: Rejection) -> None:
    """Print the instructions of a slice, each line of source before the first one that comes from it."""
    refutation = rejection.refutation
    if not refutation.slice:
        return
    click.echo(f"  what made {rejection.register}:" if rejection.register else "  how it came to that:")
    shown = ""
    for at in refutation.slice:
        line = program.line_of(at)
        text = line_text(line) if line else ""
        if text and text != shown:
            click.echo(f"          ; {printable(text)}")
        shown = text
        mark = ">" if at == rejection.instruction else " "
        click.echo(f"  {mark} {at:>5}: {format_instruction(program.instructions[at], at)}")
    if refutation.known:
        click.echo(f"  known there: {refutation.known}")
    click.echo("  what was known before each instruction:")


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
        "register": "",
        "need": "",
        "have": "",
        "source": None,
        "slice": [],
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
            "register": outcome.register,
            "need": outcome.need,
            "have": outcome.have,
            "source": {"file": source.file, "line": source.line, "text": source.text} if source else None,
            "slice": list(outcome.refutation.slice),
            "seconds": outcome.refutation.seconds,
            "peak_mb": outcome.refutation.peak_mb,
        }
    return row | {"reason": outcome.cause}
