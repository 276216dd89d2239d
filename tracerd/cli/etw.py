"""`tracerd etw`: what ETW providers have, for whoever writes programs or reads recordings."""

from __future__ import annotations

import click

from tracerd.cli.etw_schema import schema


@click.group("etw")
def command() -> None:
    """Schemas of ETW providers."""


command.add_command(schema)
