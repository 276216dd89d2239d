"""`tracerd events FILE`: what a recording contains."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click
from rich.table import Table

from tracerd.cli import events_trec
from tracerd.cli.output import json_option, print_json, text_console
from tracerd.errors import NotSupported
from tracerd.sources.etl import EtlFacts, EtlSource, EventCounts, describe_damage
from tracerd.sources.etl_names import provider_name
from tracerd.sources.trec.reader import is_trec
from tracerd.views.format import count, size


@click.command("events")
@click.argument("source")
@click.option("--count", "only_count", is_flag=True, help="Count its events (the default).")
@click.option("--fields", is_flag=True, help="Show the layout of its events (.trec).")
@json_option
def command(source: str, only_count: bool, fields: bool, as_json: bool) -> None:  # noqa: ARG001  --count is the default
    """Count what the recording SOURCE (a .trec or .etl file) contains, or show how its events are laid out."""
    name = source.removeprefix("etl:")
    if is_trec(Path(name)):
        events_trec.fields(Path(name), as_json) if fields else events_trec.counts(Path(name), as_json)
        return
    if fields:
        raise NotSupported(f"fields of {source!r}", "a .etl does not say how its events are laid out")
    if ":" in source and not source.startswith("etl:") and not Path(source).exists():
        raise NotSupported(f"events of {source!r}", "only recordings can be looked into; try 'tracerd run'")
    recording = EtlSource(name)
    try:
        facts, counts = recording.facts(), recording.count()
    finally:
        recording.close()
    if as_json:
        print_json(counts.to_json())
    else:
        _print(name, facts, counts)


def _print(name: str, facts: EtlFacts, counts: EventCounts) -> None:
    console = text_console()
    seconds = max(facts.end_ns - facts.start_ns, 0) / 1e9
    console.print(
        f"{name}: {size(facts.file_bytes)}, Windows {facts.os_version}, {facts.processors} CPUs, "
        f"{seconds:.1f} s, clock {facts.clock}{f', {facts.compression}' if facts.compression else ''}"
    )
    console.print(
        f"{count(counts.events)} events in {count(counts.buffers)} buffers, {counts.bad_buffers} bad, "
        f"{count(counts.lost)} events lost by the recorder"
    )
    if counts.bad_buffers:
        console.print(describe_damage(counts.damage), style="bold red")
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("events", justify="right")
    grid.add_column("provider or hook")
    for provider, events in counts.by_provider.items():
        grid.add_row(count(events), _label(provider))
    console.print(grid)


def _label(provider: str) -> str:
    if provider.startswith("hook=") or provider == "other":
        return provider
    known = provider_name(UUID(provider))
    return f"{provider}  {known}" if known else provider
