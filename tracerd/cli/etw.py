"""`tracerd etw`: what ETW providers have, for whoever writes programs or reads recordings."""

from __future__ import annotations

import click

from tracerd.cli.etw_header import header
from tracerd.cli.etw_schema import schema


@click.group("etw")
def command() -> None:
    """What ETW providers have: headers to write programs with, and schemas."""


command.add_command(header)
command.add_command(schema)
