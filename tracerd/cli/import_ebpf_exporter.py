"""`tracerd import-ebpf-exporter FILE.yaml`: a configuration of ebpf_exporter becomes a probe.toml."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import click

from tracerd.cli.exits import FAILED
from tracerd.cli.output import json_option, print_json
from tracerd.config import parse_probe
from tracerd.config.ebpf_exporter import Converted, convert, read_document, toml_of
from tracerd.config.strict import read_text
from tracerd.elf.load import load
from tracerd.elf.spec import ObjectSpec
from tracerd.errors import ConfigError, NotSupported, ObjectError, RunError
from tracerd.platforms.model import MapKind
from tracerd.runtime.locate import source_of
from tracerd.sources.names import parse_attach
from tracerd.text import printable
from tracerd.views.columns import MapColumns
from tracerd.views.format import counted
from tracerd.views.signals import resolve

OBJECT = ".bpf.o"
PROBE_FILE = "probe.toml"


@click.command("import-ebpf-exporter")
@click.argument("file", metavar="FILE.yaml", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The folder. [default: one of FILE's name, here]")
@click.option("--object", "object_", type=click.Path(path_type=Path), help="The object. [default: beside FILE]")
@json_option
def command(file: Path, output: Path | None, object_: Path | None, as_json: bool) -> None:
    """Make a probe.toml of a configuration of ebpf_exporter 2, and say what could not be taken over.

    Fields, and where programs attach, are read from the compiled object. Exit code 1 if no metric could be taken over.
    """
    document = read_document(read_text(file), str(file))
    name = file.name.removesuffix(file.suffix)
    path = object_ or file.with_name(name + OBJECT)
    spec, missing = _object(path, asked=object_ is not None)
    converted = convert(document, _maps(spec))
    attach, unattached = _attach(spec)
    converted = replace(converted, left_out=(*missing, *unattached, *converted.left_out))
    probe = None
    if converted.metrics:
        probe = (output or Path(name)) / PROBE_FILE
        text = toml_of(_probe_name(name), _from(probe.parent, path), attach, converted)
        _check(text, probe, spec)
        _write(probe, text)
    _tell(probe, converted, as_json=as_json)
    if probe is None:
        sys.exit(FAILED)


def _object(path: Path, *, asked: bool) -> tuple[ObjectSpec | None, list[str]]:
    """Return the object, or None and why there is none.

    Raises:
        ObjectError: the object that the user named cannot be used.
    """
    try:
        return load(path), []
    except ObjectError as error:
        if asked:
            raise
        guessed = "the labels' names stand for the fields of the key, and nothing is attached"
        return None, [f"{error}; without an object {guessed}"]


def _maps(spec: ObjectSpec | None) -> dict[str, tuple[MapColumns, int]] | None:
    if spec is None:
        return None
    keyed = [each for each in spec.maps if each.type != MapKind.RINGBUF.value and not each.name.startswith(".")]
    return {each.name: (MapColumns(each, spec.btf), each.key_size) for each in keyed}


def _attach(spec: ObjectSpec | None) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (program, attach name) of the programs whose sections say one, and why others are not attached."""
    attach, left_out = [], []
    for program in spec.programs if spec is not None else ():
        try:
            source = source_of("", program.name, program.section)
            parse_attach(source)
        except (ConfigError, NotSupported):
            left_out.append(f"program {program.name!r} is not attached: {_unattached(program.section)}")
        else:
            attach.append((program.name, source))
    return attach, left_out


def _unattached(section: str) -> str:
    kind = section.partition("/")[0]
    if kind in ("tp_btf", "raw_tp", "raw_tracepoint", "raw_tp.w", "raw_tracepoint.w"):
        return f"{section!r} has a raw tracepoint's arguments; tracepoint/CATEGORY/NAME has the record, which is here"
    return f"there are no events for {section!r} here"


def _probe_name(name: str) -> str:
    """Return a name as probes may have it."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return (plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}")[:64]


def _from(folder: Path, path: Path) -> str:
    """Return the object's path from the probe.toml's folder."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:                   # another drive
        return path.absolute().as_posix()


def _check(text: str, probe: Path, spec: ObjectSpec | None) -> None:
    """See that what is written can be read, and is in the object.

    Raises:
        ConfigError: it is not: the configuration is not what its object has.
    """
    signals = parse_probe(text, probe.parent, str(probe)).signals
    if spec is not None:
        rings = [each.name for each in spec.maps if each.type == MapKind.RINGBUF.value]
        resolve(signals, spec.maps, rings, spec.btf)


def _write(probe: Path, text: str) -> None:
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        with probe.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise RunError(str(probe), "exists already and is left alone; take another folder with -o") from error
    except OSError as error:
        raise RunError(str(probe), f"cannot be written: {error.strerror}") from error


def _tell(probe: Path | None, converted: Converted, *, as_json: bool) -> None:
    if as_json:
        place = str(probe) if probe is not None else None
        print_json({"probe": place, "metrics": len(converted.metrics), "left_out": list(converted.left_out)})
        return
    for sentence in converted.left_out:
        click.echo(f"- {printable(sentence)}")
    if probe is None:
        click.echo("nothing could be taken over", err=True)
    else:
        click.echo(f"made {probe} with {counted(len(converted.metrics), 'metric')}")
