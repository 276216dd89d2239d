"""`tracerd new NAME`: a folder with a probe that builds and runs as it is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from tracerd.cli.new_etw import etw_template
from tracerd.cli.options import manifest_option
from tracerd.cli.output import json_option, print_json
from tracerd.cli.schemas import catalog_of
from tracerd.config import Name
from tracerd.errors import ConfigError, RunError

TEMPLATES = files("tracerd.cli") / "template"
"""A folder for each kind of probe to start from."""


@click.command("new")
@click.argument("name")
@click.option("--dir", "parent", type=click.Path(path_type=Path), default=".", help="Where the folder NAME goes.")
@click.option("--etw", metavar="PROVIDER:EVENT", help="A probe for this event of Windows, with its header.")
@manifest_option
@json_option
def command(name: str, parent: Path, etw: str | None, manifests: tuple[Path, ...], as_json: bool) -> None:
    """Make the folder NAME with a probe to start from: probe.toml, NAME.bpf.c and README.md."""
    _check_name(name)
    if manifests and etw is None:
        raise ConfigError("--manifest", "describes events of Windows: say which with --etw PROVIDER:EVENT")
    folder = parent / name
    made = write_files(folder, _for_process(name) if etw is None else _for_etw(name, etw, manifests))
    if as_json:
        print_json({"probe": name, "files": [str(path) for path in made]})
        return
    click.echo(f"made {', '.join(str(path) for path in made)}")
    run = "tracerd replay FILE.etl" if etw is not None else "tracerd run"
    click.echo(f"next: tracerd build {folder} && {run} {folder / 'probe.toml'}{_options(manifests)}")


def _for_process(name: str) -> dict[str, str]:
    return filled_in("process", {"@NAME@": name})


def _for_etw(name: str, event: str, manifests: Sequence[Path]) -> dict[str, str]:
    made = etw_template(catalog_of(manifests), event)
    places = {"@NAME@": name, "@MANIFESTS@": _options(manifests), **made.places}
    return {made.header: made.text, **filled_in("etw", places)}


def _options(manifests: Iterable[Path]) -> str:
    """Return the options by which other commands, from any folder, get the same schemas."""
    return "".join(f" --manifest {shlex.quote(str(path.absolute()))}" for path in manifests)


def filled_in(kind: str, places: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a template by name, with what stands for its placeholders, also in names."""
    return {_filled(each.name, places): _filled(each.read_text(encoding="utf-8"), places)
            for each in (TEMPLATES / kind).iterdir()}  # fmt: skip


def _filled(text: str, places: Mapping[str, str]) -> str:
    return re.sub("|".join(places), lambda found: places[found[0]], text)


def write_files(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, which is made if it is not there.

    Raises:
        RunError: one of them exists already (nothing is written then), or the folder cannot be written.
    """
    wanted = {folder / name: text for name, text in texts.items()}
    for path in wanted:
        if path.exists():
            raise RunError(str(path), "exists already and is left alone; take another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise RunError(str(folder), f"cannot be written: {error.strerror}") from error
    return sorted(wanted)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ConfigError(
            f"name {name!r}", "must begin with a letter or _, and have at most 64 letters, digits, '_', '.' or '-'"
        ) from error
