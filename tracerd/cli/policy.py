"""`tracerd policy explain`: which engine may run on this machine, by which facts, and what would change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tracerd.cli.options import pass_integrity
from tracerd.cli.output import json_option, print_json
from tracerd.runtime.locate import locate
from tracerd.vm.policy import Asked, Integrity, choice_here, explain


@click.group("policy")
def command() -> None:
    """Which engine may run here, and why."""


@command.command("explain")
@click.argument("probe", required=False)
@json_option
@pass_integrity
def explain_command(code_integrity: Integrity, probe: str | None, as_json: bool) -> None:
    """Explain the choice for this machine, or for PROBE (a name, probe.toml or object)."""
    asked: Asked = locate(probe).engine if probe and Path(probe).suffix != ".o" else "auto"
    document = explain(choice_here(asked, code_integrity))
    if as_json:
        print_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    click.echo(f"engine  {document['engine']}: {document['reason']}")
    width = max(len(fact["name"]) for fact in document["facts"])
    for fact in document["facts"]:
        click.echo(f"fact    {fact['name']:<{width}}  {fact['value']}  ({fact['source']})")
    for change in document["would_change"]:
        click.echo(f"change  {change}")
