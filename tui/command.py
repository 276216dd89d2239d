"""What the entry point `tracerd.commands: top` names: the dashboard in this terminal, or in a browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from tracerd.daemon.feed import Feed
from tracerd.errors import RunError


def run(connect: Callable[[], Feed], *, interval: float | None, read_only: bool, web: bool) -> None:
    """Show the dashboard until its user leaves. `connect` is called from its own threads, and gives each a feed.

    `interval` None: as it was the last time. `web`: the terminal is a browser's, so nothing is written on this machine.

    Raises:
        RunError: a defect ended it.
    """
    from tui.app import Top
    from tui.remembered import Remembered

    if not web:
        for name in ("COLUMNS", "LINES"):        # some shells export them: the terminal may be resized all the same
            os.environ.pop(name, None)
    app = Top(connect, Remembered.open(keep=not web), interval=interval, read_only=read_only, web=web)
    app.run()
    if app.return_code:
        raise RunError("the dashboard", "ended by a mistake of its own, told above; please report it")


def run_web(command: Sequence[str], port: int, announce: Callable[[str], None]) -> None:
    """Serve the dashboard, which `command` shows in a terminal, to browsers of this machine until Ctrl-C.

    Raises:
        ConfigError, RunError: it cannot listen there.
    """
    from tui.web import serve_web

    serve_web(command, port=port, announce=announce)
