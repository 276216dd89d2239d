"""`tracerd bench`: measurements, every one side by side with its peers in the same run. Ratios, not promises."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from tracerd.cli.output import json_option, print_json
from tracerd.sources.trec.reader import is_trec

if TYPE_CHECKING:
    from tracerd.bench.recordings import Row


GROUP = "tracerd.benches"
"""Entry points of packages that have measurements of their own."""


class _Result(Protocol):
    def to_json(self) -> dict[str, object]: ...


class _Bench(Protocol):
    """A module that an entry point names; its HELP is one line."""

    HELP: str

    def run(self) -> Sequence[_Result]: ...
    def render(self, rows: Sequence[Any]) -> str: ...


class _Benches(click.Group):
    """The measurements here, and those of other packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names."""
        return [*super().list_commands(ctx), *(point.name for point in entry_points(group=GROUP))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one, loaded when it is asked for."""
        own = super().get_command(ctx, cmd_name)
        found = next(iter(entry_points(group=GROUP, name=cmd_name)), None)
        return own if own is not None or found is None else _command_of(cmd_name, found.load())


def _command_of(name: str, bench: _Bench) -> click.Command:
    @click.command(name, help=bench.HELP)
    @json_option
    def run(as_json: bool = False) -> None:
        rows = bench.run()
        print_json({"rows": [row.to_json() for row in rows]}) if as_json else click.echo(bench.render(rows))

    return run


@click.group("bench", cls=_Benches, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Measure engines and the event path; without a subcommand, all of them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(vm)
        ctx.invoke(events)
        for point in entry_points(group=GROUP):
            ctx.invoke(_command_of(point.name, point.load()))


@command.command("vm")
@json_option
def vm(as_json: bool = False) -> None:
    """JIT, interpreter and, where bpf(2) is permitted, the kernel's JIT on the same bytecode."""
    from tracerd.bench import vm as bench

    result = bench.run()
    print_json(result) if as_json else click.echo(bench.render(result))


@command.command("events")
@click.option("--source", type=click.Path(path_type=Path), help="A recording instead of live system calls.")
@json_option
def events(as_json: bool = False, source: Path | None = None) -> None:
    """What tracing adds to a system call: untraced, tracerd, and bpftrace where it is installed."""
    from tracerd.bench import etl, recordings, tracing
    from tracerd.bench.events import render, to_json

    if source is None:
        rows = tracing.live()
        print_json(to_json(rows)) if as_json else click.echo(render(rows))
        return
    if is_trec(source):
        _print_recordings(recordings.replay(source), as_json)
        return
    recorded = etl.recorded(source)
    print_json({"rows": [row.to_json() for row in recorded]}) if as_json else click.echo(etl.render(recorded))


@command.command("record")
@click.option("--calls", type=click.IntRange(1), default=10_000_000, show_default=True, help="System calls to record.")
@json_option
def record(as_json: bool = False, calls: int = 10_000_000) -> None:
    """What recording costs at the rate of a loop of system calls, and how fast the recording is replayed."""
    from tracerd.bench import recordings

    _print_recordings(recordings.record(calls), as_json)


def _print_recordings(rows: Sequence[Row], as_json: bool) -> None:
    from tracerd.bench.recordings import render

    print_json({"rows": [row.to_json() for row in rows]}) if as_json else click.echo(render(rows))


@command.command("system")
@click.option("--processes", type=click.IntRange(1), default=1000, show_default=True, help="To start beside others.")
@json_option
def system(as_json: bool = False, processes: int = 1000) -> None:
    """What a poll of processes, connections and the machine's numbers costs, with each reader."""
    from tracerd.bench import system as bench

    rows = bench.run(processes)
    print_json({"rows": [row.to_json() for row in rows]}) if as_json else click.echo(bench.render(rows))
