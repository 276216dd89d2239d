"""`tracerd service`: have the machine run the daemon, or not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tracerd.cli.exits import FAILED
from tracerd.cli.output import json_option, print_json, printable
from tracerd.daemon import install, windows_service
from tracerd.daemon.install import UNIT, Installation, Step
from tracerd.errors import RunError

WINDOWS = sys.platform == "win32"
_ROOT = click.option("--root", type=click.Path(path_type=Path), default=Path("/"), help="A tree that becomes one.")
_DRY = click.option("--dry-run", is_flag=True, help="Say what would be done.")


@click.group("service")
def command() -> None:
    """Install the daemon as a service of this machine (systemd; Windows: not run there)."""


@command.command("install")
@_ROOT
@_DRY
@click.option("--interpreter-only", is_flag=True, help="No code made at run time: MemoryDenyWriteExecute=yes.")
@click.option("--now", is_flag=True, help="Start it, too.")
@json_option
def install_command(root: Path, dry_run: bool, interpreter_only: bool, now: bool, as_json: bool) -> None:
    """Write the unit and, where there is none, the configuration; make the user. May be repeated at any time."""
    if WINDOWS:
        click.echo(windows_service.control("install"))
        return
    to = Installation(root.absolute(), interpreter_only, now)
    if not dry_run:
        _need(to)
    _tell(install.perform(install.install_steps(to), dry=dry_run), as_json, dry_run)
    if dry_run:
        _need(to)                            # after the steps, which are what was asked for
    if not as_json and not dry_run and to.here and not now:
        click.echo(f"next: look at {to.at(install.CONFIG)}, then: tracerd check && systemctl start {UNIT}")


@command.command("remove")
@_ROOT
@_DRY
@click.option("--purge", is_flag=True, help="Also the configuration and all state: pins, caches, exported files.")
@json_option
def remove_command(root: Path, dry_run: bool, purge: bool, as_json: bool) -> None:
    """Stop the service and remove its unit. Configuration and state stay."""
    if WINDOWS:
        click.echo(windows_service.control("remove"))
        return
    to = Installation(root.absolute())
    if to.here and not dry_run:
        install.need_systemd()
    _tell(install.perform(install.remove_steps(to, purge=purge), dry=dry_run), as_json, dry_run)
    if to.here and dry_run:
        install.need_systemd()


@command.command("status")
@json_option
def status_command(as_json: bool) -> None:
    """What systemd says of the service. Exit code 1 if it does not run."""
    if WINDOWS:
        click.echo(windows_service.control("status"))
        return
    install.need_systemd()
    said = _properties()
    if as_json:
        print_json(said)
    else:
        for name, value in said.items():
            click.echo(f"{name:<14} {printable(value)}")
    if said.get("ActiveState") != "active":
        sys.exit(FAILED)


_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText", "MainPID", "NRestarts", "Result")


def _properties() -> dict[str, str]:
    words = ["systemctl", "show", UNIT, f"--property={','.join(_PROPERTIES)}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError("systemctl show", str(error)) from error
    if done.returncode:
        raise RunError("systemctl show", done.stderr.strip() or f"exit status {done.returncode}")
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _need(to: Installation) -> None:
    """Refuse what cannot work on this machine; what may not work in a tree that becomes another one is only said."""
    if to.here:
        install.need_systemd()
    try:
        install.need_readable(Path(sys.executable))
    except RunError as error:
        if to.here:
            raise
        click.echo(f"warning: if {to.root} is run as it is: {error}", err=True)


def _tell(steps: Iterator[Step], as_json: bool, dry: bool) -> None:
    done = []
    for step in steps:
        done.append({"step": step.said, "outcome": "would" if dry and step.do else step.outcome})
        if not as_json:
            click.echo(f"{'would ' if dry and step.do else ''}{step.said}")
    if as_json:
        print_json({"dry_run": dry, "steps": done})
