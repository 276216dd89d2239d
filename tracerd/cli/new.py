"""`tracerd new NAME`: a folder with a probe that builds and runs as it is."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from tracerd.cli.output import json_option, print_json
from tracerd.config import Name
from tracerd.errors import ConfigError, RunError

TEMPLATE = files("tracerd.cli") / "template"
PLACE = "@NAME@"
"""Stands for the probe's name in the template's files, and in the name of one."""


@click.command("new")
@click.argument("name")
@click.option("--dir", "parent", type=click.Path(path_type=Path), default=".", help="Where the folder NAME goes.")
@json_option
def command(name: str, parent: Path, as_json: bool) -> None:
    """Make the folder NAME with a probe to start from: probe.toml, NAME.bpf.c and README.md."""
    _check_name(name)
    folder = parent / name
    made = write_template(folder, name)
    if as_json:
        print_json({"probe": name, "files": [str(path) for path in made]})
        return
    click.echo(f"made {', '.join(str(path) for path in made)}")
    click.echo(f"next: tracerd build {folder} && tracerd run {folder / 'probe.toml'}")


def write_template(folder: Path, name: str) -> list[Path]:
    """Write the template's files under a probe's name.

    Raises:
        RunError: one of them exists already (nothing is written then), or the folder cannot be written.
    """
    wanted = {
        folder / each.name.replace(PLACE, name): each.read_text(encoding="utf-8").replace(PLACE, name)
        for each in TEMPLATE.iterdir()
    }
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
