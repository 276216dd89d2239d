"""`tracerd etw header PROVIDER`: its events as C, for those who write programs against them."""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import click

from tracerd.cli.events_sinks import OutputFile, told_when_full
from tracerd.cli.options import manifest_option
from tracerd.cli.output import printable
from tracerd.cli.schemas import catalog_of
from tracerd.errors import ConfigError
from tracerd.sources.schema.c_header import c_header
from tracerd.sources.schema.catalog import Catalog
from tracerd.sources.schema.model import Event, Provider
from tracerd.views.format import counted


@click.command("header")
@click.argument("provider")
@click.option("--event", "events", multiple=True, metavar="NAME", help="Only this event (a name or number).")
@manifest_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to a file.")
@click.option("--force", is_flag=True, help="Replace that file if it is there.")
def header(
    provider: str, events: tuple[str, ...], manifests: tuple[Path, ...], output: Path | None, force: bool
) -> None:
    """Print a C header with the events and fields of PROVIDER: its name or GUID, or a kernel class as `Process`."""
    found = find_provider(catalog_of(manifests), provider)
    found = replace(found, events=chosen_events(found, events))
    more = "".join([*(f" --event {event}" for event in events), *(f" --manifest {path.name}" for path in manifests)])
    text = c_header(found, f"tracerd etw header {found.name}{more}")
    if output is None:
        click.echo(text, nl=False)
        return
    with told_when_full(output), OutputFile(output, force=force, read=manifests) as file:
        file.put(text.encode())
    number = counted(len({number for number, _ in found.events}), "event")
    made = f"{output}: {found.name}, {number} in {counted(len(found.events), 'version')}"
    click.echo(printable(made), err=True)


def chosen_events(provider: Provider, names: tuple[str, ...]) -> dict[tuple[int, int], Event]:
    """Return the events of these names or numbers, or all of them.

    Raises:
        ConfigError: there is none of a name; the nearest is offered.
    """
    by_name = {event.name.lower(): event for event in provider.events.values()}
    for name in names:
        if name.lower() not in by_name and name not in {str(number) for number, _ in provider.events}:
            near = difflib.get_close_matches(name.lower(), by_name, 1)
            hint = f"; did you mean {by_name[near[0]].name}?" if near else ""
            raise ConfigError(f"--event {name}", f"{provider.name} has no such event{hint}")
    wanted = {name.lower() for name in names}
    return {
        key: event
        for key, event in provider.events.items()
        if not names or event.name.lower() in wanted or str(key[0]) in wanted
    }


def find_provider(catalog: Catalog, name: str) -> Provider:
    """Return the provider or kernel class of that name, with or without "Microsoft-Windows-", or GUID.

    Raises:
        ConfigError: nothing is known of it; the nearest name is offered.
    """
    name = name.removeprefix("etw:").removeprefix("etw-kernel:")
    if name.startswith("*"):
        raise ConfigError(name, "events of such providers describe themselves: their fields are ETW_FIELD(\"name\")")
    guid = None
    with suppress(ValueError):
        guid = UUID(name)
    found = next(catalog.by_guid(guid) if guid is not None else catalog.by_name(name), None)
    if found is not None:
        return found
    folded = {short.lower(): head.name for head in catalog.heads() for short in _shorter(head.name)}
    near = difflib.get_close_matches(name.lower(), folded, 1)
    hint = f"did you mean {folded[near[0]]}? " if near and guid is None else ""
    raise ConfigError(name, f"has no schema; {hint}`tracerd list 'etw:*'` shows providers, --manifest adds one")


def _shorter(name: str) -> tuple[str, ...]:
    """Return what people call a provider."""
    return name, name.removeprefix("Microsoft-Windows-"), name.rpartition("-")[2]
