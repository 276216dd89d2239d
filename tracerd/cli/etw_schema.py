"""`tracerd etw schema PROVIDER -o FILE.json`: ask Windows what it knows of a provider, to be read on any system."""

from __future__ import annotations

from pathlib import Path

import click

from tracerd.errors import ConfigError
from tracerd.sources.etw.api import load
from tracerd.sources.etw.tdh import Tdh, write


@click.command("schema")
@click.argument("provider")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def schema(provider: str, output: Path, force: bool) -> None:
    """Write the schemas of PROVIDER, a name or GUID that is registered on this Windows machine.

    `tracerd events RECORDING --fields --manifest FILE.json` reads them, on any system.
    """
    tdh = Tdh(load())
    if output.exists() and not force:
        raise ConfigError(str(output), "is there already; --force replaces it")
    name, guid = tdh.find(provider)
    dump = tdh.dump(name, guid)
    write(dump, output)
    events = len(dump.document["providers"][0]["events"])
    click.echo(f"{output}: {events} events of {name}", err=True)
    for each in dump.left_out:
        click.echo(f"left out: {each}", err=True)
