"""`tracerd build DIR`: compile a probe's C to an eBPF object, prove its programs, check its probe.toml."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tracerd.cli.exits import FAILED
from tracerd.cli.output import json_option, print_json
from tracerd.cli.verify import print_outcome, row_of
from tracerd.config import read_probe
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec, ProgramSpec
from tracerd.errors import CompileError, ConfigError
from tracerd.platforms.detect import detect
from tracerd.runtime.compiler import Built, Compiler, compile_source, find_compiler
from tracerd.runtime.tables import ProbeViews
from tracerd.runtime.verification import Outcome, all_proved, prove_all
from tracerd.sources.names import parse_attach

SOURCE = ".bpf.c"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was built, and what the verifier says of every program in it."""

    built: Built
    spec: ObjectSpec
    outcomes: Sequence[tuple[ProgramSpec, Outcome]]


@click.command("build")
@click.argument("what", metavar="DIR", type=click.Path(path_type=Path), default=".")
@click.option("--clang", help="The compiler; otherwise $CLANG, a clang of this machine, or PyPI's ziglang.")
@json_option
def command(what: Path, clang: str | None, as_json: bool) -> None:
    """Compile every NAME.bpf.c in DIR (or of a probe.toml, or just one NAME.bpf.c), and prove its programs safe."""
    sources = sources_of(what)
    compiler = find_compiler(clang)
    checked = [_check(_compile(source, compiler)) for source in sources]
    if as_json:
        print_json(_document(compiler, checked))
    else:
        for each in checked:
            _print(each, compiler)
    proved = all(all_proved(each.outcomes) for each in checked)
    if proved and what.suffix != ".c":
        _check_probe(what if what.suffix == ".toml" else what / "probe.toml")
    if not proved:
        sys.exit(FAILED)


def sources_of(what: Path) -> list[Path]:
    """Return the sources that a user means by a folder, a probe.toml or a file.

    Raises:
        ConfigError: there is none.
    """
    if what.name.endswith(SOURCE):
        return [what]
    folder = what.parent if what.suffix == ".toml" else what
    if not folder.is_dir():
        raise ConfigError(str(what), "is no folder; tracerd new makes one to start from")
    found = sorted(folder.glob(f"*{SOURCE}"))
    if not found:
        raise ConfigError(str(folder), f"has no source named *{SOURCE}; tracerd new makes one to start from")
    return found


def _compile(source: Path, compiler: Compiler) -> Built:
    try:
        built = compile_source(source, compiler)
    except CompileError as error:
        click.echo(error.messages, err=True, nl=False)
        raise
    click.echo(built.messages, err=True, nl=False)
    return built


def _check(built: Built) -> Checked:
    spec = load(built.object)
    return Checked(built, spec, prove_all(spec, spec.programs, detect(spec)))


def _check_probe(path: Path) -> None:
    """See that a probe.toml, if there is one, asks only for what its object has.

    Raises:
        ConfigError: it does not.
    """
    if not path.is_file():
        return
    probe = read_probe(path)
    spec = load(probe.object)
    known = [program.name for program in spec.programs]
    for program, source in probe.attach:
        parse_attach(source)
        if program not in known:
            raise ConfigError(str(path), f"attaches {program!r}, but {spec.path} has only {', '.join(known)}")
    ProbeViews(probe.views, spec)


def _print(checked: Checked, compiler: Compiler) -> None:
    click.echo(f"{checked.built.object}: built with {compiler.name} ({compiler.version})")
    for _, outcome in checked.outcomes:
        print_outcome(outcome)


def _document(compiler: Compiler, checked: Sequence[Checked]) -> dict[str, object]:
    return {
        "compiler": {"name": compiler.name, "version": compiler.version},
        "objects": [
            {
                "source": str(each.built.source),
                "object": str(each.built.object),
                "messages": each.built.messages,
                "programs": [row_of(each.spec, program, outcome) for program, outcome in each.outcomes],
            }
            for each in checked
        ],
    }
