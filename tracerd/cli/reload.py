"""`tracerd reload`: have the daemon read its configuration again."""

from __future__ import annotations

from dataclasses import asdict

import click

from tracerd.cli.daemon import pass_client
from tracerd.cli.output import json_option, print_json, printable
from tracerd.daemon.client import Client


@click.command("reload")
@json_option
@pass_client
def command(client: Client, as_json: bool) -> None:
    """Have the daemon read its configuration again: all of it takes effect, or nothing and it says why."""
    changes = client.reload()
    if as_json:
        print_json(asdict(changes))
        return
    for what in ("loaded", "replaced", "unloaded", "unchanged"):
        names = getattr(changes, what)
        if names:
            click.echo(f"{what}: {printable(', '.join(names))}")
