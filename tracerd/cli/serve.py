"""`tracerd serve`: the daemon, in the foreground."""

from __future__ import annotations

import os

# Before numpy is imported: its OpenBLAS would start threads that keep privileges, and take memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import asyncio
import contextlib
from pathlib import Path

import click

from tracerd.cli.options import ANY_PATH, Global
from tracerd.config.daemon import DaemonConfig, read_config
from tracerd.daemon.core import Daemon
from tracerd.daemon.logs import start_logging
from tracerd.daemon.notify import Notifier
from tracerd.daemon.serve import serve
from tracerd.daemon.settings import control_settings
from tracerd.daemon.startup import prepare


@click.command("serve")
@click.option("--config", "path", type=ANY_PATH, help="Instead of /etc/tracerd/tracerd.toml.")
@click.pass_obj
def command(options: Global, path: Path | None) -> None:
    """Run the daemon until SIGTERM. SIGHUP, or a change of its files, makes it read its configuration again."""

    def read() -> DaemonConfig:
        return _with(read_config(path or options.config), options)

    config = read()
    handler = start_logging(config.log.format, config.log.level)
    with contextlib.closing(handler), Notifier() as notifier:
        local = prepare(config)
        try:
            with contextlib.closing(Daemon(config, read)) as daemon:
                asyncio.run(serve(daemon, control_settings(config), notifier, handler, local))
        finally:
            if local is not None:
                local.remove()


def _with(config: DaemonConfig, options: Global) -> DaemonConfig:
    """Return a configuration with what stood before the command: it wins."""
    if options.code_integrity == "enforce":
        config = config.model_copy(update={"code_integrity": "enforce"})
    if options.socket is not None:
        control = config.control.model_copy(update={"socket": options.socket.absolute()})
        config = config.model_copy(update={"control": control})
    return config
