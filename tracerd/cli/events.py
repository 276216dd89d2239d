"""`tracerd events FILE`: what a recording contains."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from tracerd.cli import events_fields, events_trec
from tracerd.cli.options import manifest_option
from tracerd.cli.output import json_option, print_json, printable, text_console
from tracerd.errors import ConfigError, NotSupported
from tracerd.sources.etl import EtlFacts, EtlSource, EventCounts, describe_condition
from tracerd.sources.etl_decoding import Selection
from tracerd.sources.schema.profiles import PROFILES
from tracerd.sources.trec.reader import Reader, is_trec
from tracerd.views.format import count, counted, size


@click.command("events")
@click.argument("source")
@click.option("--count", "only_count", is_flag=True, help="Count its events (the default).")
@click.option("--fields", is_flag=True, help="Decode its events (.etl), or show how they are laid out (.trec).")
@click.option("--provider", "providers", multiple=True, metavar="NAME[:EVENT]", help="Only events of this provider.")
@click.option("--id", "ids", multiple=True, type=click.IntRange(0, 65535), help="Only events of this id or opcode.")
@click.option("--pid", type=click.IntRange(0, 0xFFFFFFFF), help="Only events of this process.")
@click.option(
    "--profile", "profiles", multiple=True, type=click.Choice(list(PROFILES)),
    help="Only events that answer this question.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N events.")
@manifest_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write events to a .jsonl, .csv, .parquet or .arrow file."
)
@click.option("--force", is_flag=True, help="Replace that file if it is there.")
@json_option
def command(
    source: str,
    only_count: bool,
    fields: bool,
    providers: tuple[str, ...],
    ids: tuple[int, ...],
    pid: int | None,
    profiles: tuple[str, ...],
    limit: int | None,
    manifests: tuple[Path, ...],
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Count what the recording SOURCE (a .trec or .etl file) contains, or decode its events.

    --fields prints each event with its fields: for a person on a terminal, as a JSON object a line elsewhere and with
    --json. All options that choose events, and -o, mean --fields.
    """
    selection = Selection(providers, ids, profiles, pid, limit)
    chosen = selection != Selection() or bool(manifests) or output is not None
    if only_count and (fields or chosen):
        raise ConfigError("--count", "counts every event; leave it out to decode some")
    name = source.removeprefix("etl:")
    if is_trec(Path(name)) or Path(name).suffix.lower() == ".trec":
        if chosen:
            _refuse_decoding(Path(name))
        events_trec.fields(Path(name), as_json) if fields else events_trec.counts(Path(name), as_json)
        return
    if ":" in source and not source.startswith("etl:") and not Path(source).exists():
        raise NotSupported(f"events of {source!r}", "only recordings can be looked into; try 'tracerd run'")
    if output is not None:
        events_fields.write(Path(name), selection, manifests, output, force=force)
    elif fields or chosen:
        events_fields.show(Path(name), selection, manifests, as_json=as_json)
    else:
        _count(name, as_json)


def _refuse_decoding(path: Path) -> NoReturn:
    """Say what is done with a .trec instead, whatever it is called; or that it is none, or cannot be read.

    Raises:
        NotSupported, SourceError: always.
    """
    Reader(path).close()
    instead = f"tracerd replay {path} PROBE, or tracerd events {path}"
    raise NotSupported(f"decoding {str(path)!r}", f"it is a .trec, only events of a .etl can be decoded: {instead}")


def _count(name: str, as_json: bool) -> None:
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
    console.print(
        f"{name}: {size(facts.file_bytes)}, Windows {facts.os_version}, {facts.processors} CPUs, "
        f"{facts.seconds:.1f} s, clock {facts.clock}{f', {facts.compression}' if facts.compression else ''}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print(
        f"{counted(counts.events, 'event')} in {counted(counts.buffers, 'buffer')}, {counts.bad_buffers} bad, "
        f"{counted(counts.lost, 'event')} lost by the recorder"
    )
    if condition := describe_condition(counts.damage, counts.missing_buffers):
        console.print(condition, style="bold red")
    rows = [(count(events), _label(provider, counts)) for provider, events in counts.by_provider.items()]
    width = max(len(events) for events, _ in [("events", ""), *rows])
    console.print(f"{'events':>{width}}  provider or hook", style="bold")
    for events, label in rows:               # there may be tens of thousands, which a grid would measure each
        click.echo(f"{events:>{width}}  {label}")


def _label(provider: str, counts: EventCounts) -> str:
    known = printable(counts.name(provider))
    return provider if known == provider else f"{provider}  {known}"
