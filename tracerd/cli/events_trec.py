"""What a `.trec` contains: events by name, what was lost while it was recorded, and how its events are laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from tracerd.btf.header import to_c
from tracerd.btf.layout import flatten
from tracerd.btf.types import Btf, Composite
from tracerd.cli.output import ledger_json, print_json, printable, text_console
from tracerd.snapshot import Ledger
from tracerd.sources.trec.meta import Meta, RecordedEvent
from tracerd.sources.trec.reader import Reader
from tracerd.sources.trec.source import TrecSource
from tracerd.views.format import count, counted, size

_TURN_MS = 1000
_NAMES = 4                                       # of events that came the same way, as lines tell it
_WAYS = 8


def counts(path: Path, as_json: bool) -> None:
    """Count the events of a recording, in the core, and print how many there are of each.

    Raises:
        SourceError, NotSupported: it cannot be read.
    """
    with closing(TrecSource(path)) as source:
        source.open([])
        while source.pump(_TURN_MS) >= 0:
            pass
        print_json(_document(source)) if as_json else _print(source)


def fields(path: Path, as_json: bool) -> None:
    """Print the layout of a recording's events: as C, or their fields as JSON.

    Raises:
        SourceError, NotSupported: it cannot be read.
    """
    with closing(Reader(path)) as reader:
        reader.peek()
        events, btf = reader.meta.events, Btf(reader.types)
    known = [event for event in events if event.btf < len(btf.types) and isinstance(btf[event.btf], Composite)]
    if as_json:
        print_json([_fields(event, btf if event in known else None) for event in events])
        return
    for event in events:
        payload = ", with a payload" if event.payload else ""
        click.echo(f"/* {event.name}: {event.type}, {event.context} bytes of context{payload} */")
    click.echo(to_c(btf, [event.btf for event in known]), nl=False)


def _fields(event: RecordedEvent, btf: Btf | None) -> dict[str, object]:
    leaves = flatten(btf, event.btf) if btf is not None else ()
    rows = [{"name": leaf.path, "offset": leaf.offset, "size": leaf.size * leaf.length} for leaf in leaves]
    return {
        "event": event.name, "type": event.type, "context": event.context, "payload": event.payload, "fields": rows,
    }


def _document(source: TrecSource) -> dict[str, object]:
    reader, by_event, rows, recorded = source.reader, source.counts(), source.statistics(), source.recorded()
    ended = reader.end is not None
    return {
        "events": sum(by_event.values()),
        "blocks": reader.blocks,
        "bad_blocks": reader.damage.blocks,
        "torn": reader.damage.torn,
        "complete": ended and not any(row.via for row in rows.values()),
        "lost": sum(row.lost for row in rows.values()) if ended else None,
        "dropped": sum(row.dropped_in_ring for row in recorded.values()) if ended else None,
        "by_event": by_event,
        "seconds": _seconds(reader),
        "ledger": ledger_json(rows),
        "recorded": ledger_json(recorded) if ended else None,
    }


def _seconds(reader: Reader) -> float:
    return (reader.last_ns - reader.first_ns) / 1e9 if reader.first_ns is not None else 0.0


def _print(source: TrecSource) -> None:
    console, reader, by_event = text_console(), source.reader, source.counts()
    rows, recorded = source.statistics(), source.recorded()
    facts = f"{_machine(reader.meta)}, {_seconds(reader):.1f} s, tracerd {reader.meta.tracerd}"
    console.print(f"{source.path}: {size(reader.file_bytes)}, {facts}", markup=False)
    lost = f", {count(sum(row.lost for row in rows.values()))} events lost while recording" if reader.end else ""
    dropped = sum(row.dropped_in_ring for row in recorded.values())
    blocks = f"{counted(reader.blocks, 'block')}, {count(reader.damage.blocks)} bad"
    more = f", {count(dropped)} dropped" if dropped else ""
    console.print(f"{counted(sum(by_event.values()), 'event')} in {blocks}{lost}{more}")
    for row in rows.values():
        if row.via:
            console.print(Text(printable(row.via), style="bold red"))
    for line in _ways({name: row for name, row in recorded.items() if name in by_event}):
        console.print(Text(printable(line), style="dim"))
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("events", justify="right")
    grid.add_column("event")
    for name, number in sorted(by_event.items(), key=lambda item: -item[1]):
        grid.add_row(count(number), name)
    console.print(grid)


def _machine(meta: Meta) -> str:
    """Say where the events happened. A recording does not know how many CPUs there were, only which there can be."""
    machine = meta.machine
    cpus = f"CPUs 0-{meta.cpus - 1}" if meta.cpus > 1 else "CPU 0"
    return f"{' '.join(filter(None, (machine.os, machine.kernel, machine.arch)))}, events of {cpus}"


def _ways(recorded: Mapping[str, Ledger]) -> Iterator[str]:
    """Yield how events came where their names do not say it: a line for those that came the same way."""
    names: dict[str, list[str]] = {}
    for name, row in recorded.items():
        if row.via:
            names.setdefault(row.via, []).append(name)
    for via, events in list(names.items())[:_WAYS]:
        others = f" and {count(len(events) - _NAMES)} more" if events[_NAMES:] else ""
        yield f"via  {', '.join(events[:_NAMES])}{others}: {via}"
