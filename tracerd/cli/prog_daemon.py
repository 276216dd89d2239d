"""`tracerd prog list|show|load|unload|stats`: programs of the daemon."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import click

from tracerd.cli.daemon import named, pass_client
from tracerd.cli.output import json_option, print_json, printable
from tracerd.cli.params import FiniteRange
from tracerd.cli.rows import Cell, print_fields, print_rows
from tracerd.daemon.client import Client
from tracerd.daemon.uploading import upload_of
from tracerd.runtime.objects import ProgramInfo
from tracerd.views.format import duration


@click.command("list")
@json_option
@pass_client
def list_command(client: Client, as_json: bool) -> None:
    """List the daemon's programs."""
    programs = client.programs()
    if as_json:
        print_json([asdict(program) for program in programs])
        return
    rows: list[Mapping[str, Cell]] = [
        {
            "id": each.id, "probe": each.probe, "name": each.name, "type": each.type, "tag": each.tag,
            "engine": each.engine, "instructions": each.instructions, "maps": ",".join(map(str, each.maps)),
            "runs": each.runs,
        }
        for each in programs
    ]
    print_rows(rows, "no programs; `tracerd prog load PROBE` loads some")


@click.command("show")
@click.argument("program")
@click.option("--disasm", is_flag=True, help="Its instructions too.")
@click.option("--source", is_flag=True, help="Its instructions, with the source lines between.")
@json_option
@pass_client
def show(client: Client, program: str, disasm: bool, source: bool, as_json: bool) -> None:
    """Show one program (an id, a name, or PROBE/NAME)."""
    found = named(client.programs(), program, "program")
    listing = client.disasm(found.id, source=source) if disasm or source else None
    if as_json:
        print_json({**asdict(found), **({"disasm": listing["lines"]} if listing else {})})
        return
    loaded = datetime.fromtimestamp(found.loaded_ns / 1e9).astimezone().isoformat(" ", "seconds")
    fields = asdict(found) | {
        "loaded_ns": loaded, "mean_ns": mean_of(found), "verify_seconds": duration(found.verify_seconds * 1e9),
    }
    del fields["slots"]
    names = {"loaded_ns": "loaded", "mean_ns": "mean", "verify_seconds": "proved in"}
    print_fields({names.get(name, name): value for name, value in fields.items()} | _percentiles(found))
    for line in listing["lines"] if listing else ():
        if line["source"]:
            click.echo(f"; {printable(line['source'])}")
        click.echo(f"{line['instruction']:>6}:  {line['text']}")


@click.command("load")
@click.argument("probe")
@json_option
@pass_client
def load(client: Client, probe: str, as_json: bool) -> None:
    """Have the daemon prove, load and attach PROBE: a shipped probe's name, a probe.toml, a folder with one, an object.

    It stays loaded, also across restarts, until `tracerd prog unload`.
    """
    loaded = client.load(upload_of(probe))
    if as_json:
        print_json(asdict(loaded))
        return
    click.echo(
        f"{printable(loaded.name)}: programs {_ids(loaded.programs)}, maps {_ids(loaded.maps)}, "
        f"links {_ids(loaded.links)}"
    )


@click.command("unload")
@click.argument("probe")
@json_option
@pass_client
def unload(client: Client, probe: str, as_json: bool) -> None:
    """Unload a PROBE that was loaded with `tracerd prog load`; its pinned maps stay."""
    pins = tuple(sorted({each.pin for each in client.maps() if each.id and each.pin and each.probe == probe}))
    client.unload(probe)
    if as_json:
        print_json({"unloaded": probe, "pins": pins})
        return
    stay = f"; its pins stay: {', '.join(pins)} (`tracerd map unpin NAME` removes one)" if pins else ""
    click.echo(printable(f"unloaded {probe}{stay}"))


@click.command("stats")
@click.option("-i", "--interval", type=FiniteRange(min=0.1), default=1.0, show_default=True, help="Seconds to watch.")
@json_option
@pass_client
def stats(client: Client, interval: float, as_json: bool) -> None:
    """Show how often the daemon's programs run and what they cost, over an interval.

    How long a run takes is measured on one in 64, since the program was loaded; a percentile is at most a factor of two
    off.
    """
    before, began = {each.id: each for each in client.programs()}, time.monotonic()
    time.sleep(interval)
    after, seconds = client.programs(), time.monotonic() - began
    rates = {each.id: _rate(before.get(each.id), each, seconds) for each in after}
    if as_json:
        print_json([
            {
                **asdict(each), "runs_per_s": rates[each.id], "cpu_share": _share(each, rates[each.id]),
                "p50_ns": percentile_of(each, 50), "p99_ns": percentile_of(each, 99),
            }
            for each in after
        ])
        return
    rows: list[Mapping[str, Cell]] = [
        {
            "id": each.id, "probe": each.probe, "name": each.name, "engine": each.engine, "runs": each.runs,
            "runs/s": round(rates[each.id]), "mean": mean_of(each), **_percentiles(each),
            "of a CPU": f"{_share(each, rates[each.id]):.2%}", "aborted": each.aborted,
        }
        for each in after
    ]
    print_rows(rows, "no programs")


def _rate(before: ProgramInfo | None, after: ProgramInfo, seconds: float) -> float:
    """Return runs a second; a program that was loaded meanwhile began with none."""
    return max(after.runs - (before.runs if before else 0), 0) / seconds


def _share(program: ProgramInfo, per_second: float) -> float:
    return per_second * program.mean_ns / 1e9


def _ids(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers)) or "none"


COMMANDS = (list_command, show, load, unload, stats)
"""What `tracerd prog` has of the daemon."""


def mean_of(program: ProgramInfo) -> str:
    """Return how long a run took; "-" where none was measured, which is one in 64."""
    return duration(program.mean_ns) if program.mean_ns else "-"


def percentile_of(program: ProgramInfo, percent: float) -> int:
    """Return how many ns such a share of the measured runs took at most; 0 where none was measured."""
    if not program.slots:
        return 0
    import numpy as np  # takes longer to import than most commands of the daemon take

    from tracerd.views.percentiles import log2_percentile

    return int(log2_percentile(np.array([program.slots], dtype=np.uint64), percent)[0])


def _percentiles(program: ProgramInfo) -> dict[str, Cell]:
    return {
        name: duration(percentile_of(program, percent)) if program.slots else "-"
        for name, percent in (("p50", 50), ("p99", 99))
    }
