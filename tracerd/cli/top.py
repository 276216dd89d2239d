"""`tracerd top`: the dashboard, over a daemon, or over a session in this process where none runs.

The dashboard itself is another package, found through the entry-point group `tracerd.commands`: a module with `run` and
`run_web` (see `_Dashboard`).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import click

from tracerd.cli.daemon import socket_of
from tracerd.cli.options import ANY_PATH, Global
from tracerd.cli.params import FiniteRange
from tracerd.daemon.client import connect
from tracerd.daemon.feed import Feed
from tracerd.errors import NotSupported, RunError
from tracerd.vm.policy import Integrity

GROUP = "tracerd.commands"
DEFAULT_PROBES = ("syscalls", "host")
"""What a session in this process runs where nothing is named."""


class _Dashboard(Protocol):
    def run(self, connect: Callable[[], Feed], *, interval: float | None, read_only: bool, web: bool) -> None: ...
    def run_web(self, command: Sequence[str], port: int, announce: Callable[[str], None]) -> None: ...


@click.command("top")
@click.argument("probes", nargs=-1)
@click.option("-i", "--interval", type=FiniteRange(min=0.1, max=60), help="Seconds between looks. [default: 1]")
@click.option("--read-only", is_flag=True, help="Change nothing, whatever this user may do.")
@click.option("--web", is_flag=True, help="In a browser: read-only, on this machine, at an address with a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of --web. [default: a free one]")
@click.option("--socket", type=ANY_PATH, help="Watch the daemon of this socket.")
@click.option("--config", type=ANY_PATH, help="Watch the daemon of this tracerd.toml.")
@click.option("--in-web", is_flag=True, hidden=True)
@click.pass_obj
def command(
    options: Global,
    probes: tuple[str, ...],
    socket: Path | None,
    config: Path | None,
    interval: float | None,
    read_only: bool,
    web: bool,
    port: int,
    in_web: bool,
) -> None:
    """Watch everything: what runs, what it finds, what it costs, what was lost.

    The daemon's probes are shown. Where no daemon runs, or PROBES are named (shipped names, probe.toml files or .bpf.o
    objects), they run in this process until you leave, as with `tracerd run`.
    """
    dashboard = _dashboard()
    options = replace(options, socket=socket or options.socket, config=config or options.config)
    if probes:
        from tracerd.runtime.locate import locate  # only who names one needs it

        for each in probes:              # what is wrong is told before anything is drawn
            locate(each)
    if web:
        dashboard.run_web(_same_in_a_terminal(options, probes, interval), port, click.echo)
        return
    source = None if probes else _daemon(options)
    if not in_web and not _at_a_terminal():
        raise NotSupported("tracerd top", "this is no terminal; --web shows it in a browser, tracerd run prints")
    if source is not None:
        dashboard.run(source, interval=interval, read_only=read_only, web=in_web)
        return
    from tracerd.daemon.local import LocalDaemon  # with all engines it takes long to import

    with LocalDaemon(probes or DEFAULT_PROBES, options.code_integrity) as local:
        dashboard.run(local.feed, interval=interval, read_only=read_only, web=in_web)
        for name in ("SIGTERM", "SIGHUP"):       # it ends already, and takes its folder along
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)


def _dashboard() -> _Dashboard:
    found = next(iter(entry_points(group=GROUP, name="top")), None)
    if found is None:
        raise NotSupported("tracerd top", "the dashboard is not installed; install tracerd again")
    module: _Dashboard = found.load()
    return module


def _at_a_terminal() -> bool:
    """True if there is one to draw on, and to take keys from; what is printed may go elsewhere."""
    streams = (sys.__stdin__, sys.__stderr__)
    return os.environ.get("TERM") != "dumb" and all(each is not None and each.isatty() for each in streams)


def _daemon(options: Global) -> Callable[[], Feed] | None:
    """Return how to reach the daemon; None if there is none and nobody named one.

    Raises:
        RunError: the one that was named does not answer.
        NotPermitted: this user may not talk to it.
    """
    socket = socket_of(options)
    try:
        with connect(socket) as client:
            client.look()
    except RunError:
        if options.socket is not None or options.config is not None:
            raise
        return None
    return lambda: connect(socket)


def _same_in_a_terminal(options: Global, probes: Sequence[str], interval: float | None) -> list[str]:
    """Return the command that shows in a terminal what the browser is to show."""
    integrity: Integrity = options.code_integrity
    argv = [sys.executable, "-m", "tracerd.cli", "--code-integrity", integrity]
    argv += ["--socket", str(options.socket)] if options.socket else []
    argv += ["--config", str(options.config)] if options.config else []
    argv += ["top", "--read-only", "--in-web"]
    argv += ["--interval", str(interval)] if interval else []
    return [*argv, "--", *probes] if probes else argv
