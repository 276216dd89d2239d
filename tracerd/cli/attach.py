"""`tracerd attach`: put a program of the daemon on an event."""

from __future__ import annotations

from dataclasses import asdict

import click

from tracerd.cli.daemon import named, pass_client
from tracerd.cli.output import json_option, print_json
from tracerd.daemon.client import Client


@click.command("attach")
@click.argument("program")
@click.argument("source")
@json_option
@pass_client
def command(client: Client, program: str, source: str, as_json: bool) -> None:
    """Attach PROGRAM (an id, a name, or PROBE/NAME) to SOURCE, such as syscall:read:enter."""
    link = client.attach(named(client.programs(), program, "program").id, source)
    if as_json:
        print_json(asdict(link))
    else:
        click.echo(f"link {link.id}: {link.probe}/{link.name} on {link.source}")
        for other in link.overlaps:
            click.echo(f"note: it runs on {other} too: twice for an event that both mean", err=True)
