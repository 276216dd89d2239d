"""Which daemon a command talks to, and how it names what lives there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from tracerd.cli.options import CONFIG, Function, Global
from tracerd.daemon.client import connect
from tracerd.errors import ConfigError, NotFound


def pass_client(command: Function) -> Function:
    """Give a command a client of the daemon, as its first argument."""

    @click.pass_obj
    @functools.wraps(command)
    def called(options: Global, /, *args: Any, **kwargs: Any) -> Any:
        with connect(socket_of(options)) as client:
            return command(client, *args, **kwargs)

    return called  # type: ignore[return-value]


def socket_of(options: Global) -> Path | None:
    """Return where the daemon listens: as named, else as its configuration says; None: where it does by default.

    Raises:
        ConfigError: the configuration that was named cannot be read, or is wrong in this.
    """
    if options.socket is not None:
        return options.socket
    if options.config is not None:
        return _configured(options.config)
    try:
        return _configured(CONFIG) if CONFIG.is_file() else None
    except (ConfigError, OSError):
        return None                     # the daemon's own file, which this user need not be able to read


def _configured(path: Path) -> Path | None:
    from tracerd.config.strict import parse_toml, read_text  # pydantic: not for those who name a socket

    control = parse_toml(read_text(path), str(path)).get("control", {})
    socket = control.get("socket") if isinstance(control, dict) else control
    if socket is not None and not isinstance(socket, str):
        raise ConfigError(f"{path}: control.socket", "is no path")
    return Path(socket) if socket else None


class Named(Protocol):
    """A row with a number and a name."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def probe(self) -> str: ...


Row = TypeVar("Row", bound=Named)


def shown(row: Named) -> str:
    """Return a row as messages list it."""
    return f"{row.id} ({row.probe}/{row.name})"


def named(
    rows: Sequence[Row],
    text: str,
    what: str,
    names: Callable[[Row], Sequence[str]] | None = None,
    show: Callable[[Row], str] = shown,
) -> Row:
    """Return the row that a user means: by id, by name, or by "probe/name" where a name is not enough.

    Raises:
        NotFound: there is none.
        ConfigError: there are several.
    """
    calls = names or (lambda row: (row.name, f"{row.probe}/{row.name}"))
    found = [row for row in rows if str(row.id) == text] or [row for row in rows if text in calls(row)]
    if not found:
        raise NotFound(f"{what} {text!r}", tuple(map(show, rows)))
    if len(found) > 1:
        several = ", ".join(map(show, found))
        raise ConfigError(f"{what} {text!r}", f"which one? {several}")
    return found[0]
