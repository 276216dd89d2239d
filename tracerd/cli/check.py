"""`tracerd check`: will the daemon do what its configuration says, on this machine? Nothing is changed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from tracerd.cli.options import ANY_PATH, Global
from tracerd.cli.output import json_option, print_json, printable
from tracerd.daemon.checks import check, verdict
from tracerd.daemon.finding import Finding
from tracerd.views.format import counted


@click.command("check")
@click.option("--config", "path", type=ANY_PATH, help="Instead of /etc/tracerd/tracerd.toml.")
@json_option
@click.pass_obj
def command(options: Global, path: Path | None, as_json: bool) -> None:
    """Check the configuration, its probes and exporters, and what the daemon needs of this machine.

    Exit codes: 0 nothing stands in the way, 1 something does, 2 the configuration is wrong.
    """
    findings = []
    for finding in check(path or options.config):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    code = verdict(findings)
    if as_json:
        print_json({"ok": code == 0, "findings": [asdict(finding) for finding in findings]})
    else:
        click.echo(f"{counted(sum(each.state == 'problem' for each in findings), 'problem')}")
    sys.exit(code)


def _line(finding: Finding) -> str:
    line = f"{finding.state:<7}  {finding.check}: {printable(finding.subject)}: {printable(finding.said)}"
    return f"{line}\n         fix: {printable(finding.fix)}" if finding.fix else line
