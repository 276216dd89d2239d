"""`tracerd link`: which of the daemon's programs is on which event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import click

from tracerd.cli.daemon import named, pass_client
from tracerd.cli.output import json_option, print_json
from tracerd.cli.rows import Cell, print_rows
from tracerd.daemon.client import Client
from tracerd.runtime.objects import LinkInfo


@click.group("link")
def command() -> None:
    """Look at the daemon's links and detach them (`tracerd attach` makes one)."""


@command.command("list")
@json_option
@pass_client
def list_command(client: Client, as_json: bool) -> None:
    """List links with their counts."""
    links = client.links()
    if as_json:
        print_json([asdict(link) for link in links])
        return
    rows: list[Mapping[str, Cell]] = [
        {
            "id": each.id, "source": each.source, "program": each.program, "name": f"{each.probe}/{each.name}",
            "delivered": each.delivered, "failed": each.failed, "via": each.via,
        }
        for each in links
    ]
    print_rows(rows, "no links")


@command.command("detach")
@click.argument("link")
@json_option
@pass_client
def detach(client: Client, link: str, as_json: bool) -> None:
    """Detach LINK: its id, or the name of its event or program where that is enough."""
    found = named(client.links(), link, "link", _names, _shown)
    client.detach(found.id)
    if as_json:
        print_json({"detached": found.id})
    else:
        click.echo(f"detached {found.probe}/{found.name} from {found.source}")


def _names(link: LinkInfo) -> tuple[str, ...]:
    return (link.source, link.name, f"{link.probe}/{link.name}")


def _shown(link: LinkInfo) -> str:
    """Several links have one program: the event tells them apart."""
    return f"{link.id} ({link.probe}/{link.name} on {link.source})"
