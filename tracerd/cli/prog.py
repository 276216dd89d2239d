"""`tracerd prog`: single programs. Those of objects are here, those of the daemon in `prog_daemon`."""

from __future__ import annotations

from pathlib import Path

import click

from tracerd.cli.options import pass_integrity
from tracerd.cli.output import json_option, print_json
from tracerd.cli.prog_daemon import COMMANDS
from tracerd.cli.run import engine_option
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import ConfigError, RunError
from tracerd.isa.disassemble import disassemble
from tracerd.platforms import PLATFORMS
from tracerd.platforms.detect import detect
from tracerd.runtime.locate import locate
from tracerd.runtime.trial import Trial, try_out
from tracerd.runtime.verification import program_type, selected_programs
from tracerd.views.format import duration
from tracerd.vm.policy import Asked, Integrity


@click.group("prog")
def command() -> None:
    """Programs: those of the daemon (list, show, load, unload, stats), and those of objects (disasm, run)."""


for of_daemon in COMMANDS:
    command.add_command(of_daemon)


@command.command("disasm")
@click.argument("obj")
@click.option("--program", "name", help="Only this program.")
@click.option("--source", is_flag=True, help="Interleave the source lines the object knows of.")
@json_option
def disasm(obj: str, name: str | None, source: bool, as_json: bool) -> None:
    """Disassemble the programs of OBJ (an object file or a probe's name) in the syntax of llvm-objdump."""
    spec = _object(obj)
    programs = selected_programs(spec, name)
    if as_json:
        print_json([_listing(program) for program in programs])
        return
    for program in programs:
        click.echo(f"{program.name}:  ({program.section}, {len(program.instructions)} instructions)")
        lines = dict(program.lines)
        names = {sub.start: sub.name for sub in program.subprograms[1:]}
        for index, text in enumerate(disassemble(program.instructions)):
            if index in names:
                click.echo(f"{names[index]}:")
            if source and index in lines:
                click.echo(f"; {lines[index].text.strip()}  ({lines[index]})")
            if text:
                click.echo(f"{index:>6}:  {text}")


@command.command("run")
@click.argument("obj")
@click.option("--program", "name", help="Which program, if the object has several.")
@click.option("--type", "type_name", help="Program type, where the section's name does not tell.")
@click.option("--platform", "platform_name", type=click.Choice(sorted(PLATFORMS)), help="Default: as OBJ shows.")
@click.option("--data", help="Packet or payload: hex, or @FILE for a file's bytes.")
@click.option("--context", "context_hex", help="Context record: hex, or @FILE. Zeros where it is too short.")
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True)
@engine_option
@json_option
@pass_integrity
def run(
    integrity: Integrity,
    obj: str,
    name: str | None,
    type_name: str | None,
    platform_name: str | None,
    data: str | None,
    context_hex: str | None,
    repeat: int,
    engine: Asked | None,
    as_json: bool,
) -> None:
    """Verify one program of OBJ and run it on data of yours, without attaching it to anything."""
    spec = _object(obj)
    programs = selected_programs(spec, name)
    if len(programs) > 1:
        raise ConfigError("--program", f"which one? {', '.join(program.name for program in programs)}")
    platform = PLATFORMS[platform_name] if platform_name else detect(spec)
    trial = try_out(
        spec,
        programs[0],
        platform,
        program_type(platform, type_name) if type_name else None,
        context=_bytes("--context", context_hex),
        data=_bytes("--data", data),
        repeat=repeat,
        asked=engine or "auto",
        integrity=integrity,
    )
    print_json(_trial_json(trial)) if as_json else _print_trial(trial)


def _object(what: str) -> ObjectSpec:
    """Return the object of a path or of a shipped probe."""
    path = Path(what)
    return load(path if path.suffix == ".o" or path.exists() else locate(what).object)


def _bytes(option: str, value: str | None) -> bytes:
    if value is None:
        return b""
    try:
        return Path(value[1:]).read_bytes() if value.startswith("@") else bytes.fromhex(value)
    except OSError as error:
        raise RunError(f"{option} {value}", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(option, "is not hex (use @FILE for a file's bytes)") from error


def _listing(program: ProgramSpec) -> dict[str, object]:
    rows = []
    for index, text in enumerate(disassemble(program.instructions)):
        if text:
            line = program.line_of(index)
            rows.append({"instruction": index, "text": text, "source": str(line) if line else None})
    return {"program": program.name, "section": program.section, "instructions": rows}


def _trial_json(trial: Trial) -> dict[str, object]:
    return {
        "program": trial.program,
        "engine": {"name": trial.choice.engine, "reason": trial.choice.reason},
        "result": trial.result,
        "repeat": trial.repeat,
        "ns_per_run": trial.ns_per_run,
        "aborted": trial.aborted,
        "printed": list(trial.printed),
        "tables": {table.name: table.rows() for table in trial.tables},
    }


def _print_trial(trial: Trial) -> None:
    click.echo(
        f"{trial.program}: returned {trial.result} (0x{trial.result:x}), {duration(trial.ns_per_run)} per run "
        f"({trial.choice.engine}: {trial.choice.reason})"
    )
    if trial.aborted:
        click.echo(f"{trial.aborted} runs were aborted: out of fuel")
    for line in trial.printed:
        click.echo(f"printed: {line}")
    for table in trial.tables:
        click.echo(f"{table.name}: {len(table)} rows")
        for row in table.rows():
            click.echo(f"  {row}")
