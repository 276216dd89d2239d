"""Where decoded events go: a terminal, a pipe, or a file that is whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

import click

from tracerd.cli.output import printable
from tracerd.errors import ConfigError, RunError
from tracerd.sources.files import refuse_own_input

_LONG = 200                      # characters of a value on a terminal


class Sink(Protocol):
    """Takes pieces of whole lines."""

    def put(self, piece: bytes) -> None:
        """Take one piece."""


class Pipe:
    """Standard output, as it comes."""

    def put(self, piece: bytes) -> None:
        """Write a piece through."""
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


class Terminal:
    """A line a person can read for each event; JSON lines come in."""

    def put(self, piece: bytes) -> None:
        """Print a piece."""
        for line in piece.splitlines():
            click.echo(_readable(json.loads(line)))


def _readable(event: dict[str, Any]) -> str:
    name = event["event"] or f"{event['id'] or event['opcode']}"
    provider = event["provider"] or (event["guid"] if "hook" not in event else f"hook {event['hook']}")
    where = f"{event['time'][11:26]} {event.get('pid', '-'):>6} {event.get('tid', '-'):>6}"
    head = click.style(f"{printable(provider)} {printable(name)}", bold=True)
    labels = event.get("labels", {})
    fields = [_pair(key, value, labels.get(key)) for key, value in event.get("fields", {}).items()]
    if "reason" in event:
        payload = event["payload"]
        shown = payload if len(payload) <= _LONG else f"{payload[:_LONG]}…"
        fields.append(click.style(f"({printable(event['reason'])}: {shown or 'empty'})", fg="yellow"))
    return "  ".join([where, head, *fields])


def _pair(key: str, value: object, label: str | None) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = printable(text if len(text) <= _LONG else f"{text[:_LONG]}…")
    return f"{click.style(printable(key), dim=True)}={text}" + (f" ({printable(label)})" if label else "")


class OutputFile:
    """A file that appears under its name when all of it is written, and of which nothing is left if that fails."""

    def __init__(self, path: Path, *, force: bool, read: Iterable[Path] = ()) -> None:
        """Make it under another name beside its own. A link is replaced and never followed: anybody may have left one.

        Raises:
            ConfigError: the file is there already and `force` is not set, is one of those that are `read` or no file,
                or it cannot be made.
        """
        if path.exists():
            if not force:
                raise ConfigError(str(path), "exists; --force replaces it")
            refuse_own_input(path, read)
            if not path.is_file():
                raise ConfigError(str(path), "is not a regular file: without -o all goes to standard output")
        self.path = path
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        except OSError as error:
            raise ConfigError(str(path), f"cannot be made: {error.strerror}") from error
        self._part = Path(name)
        self.file: IO[bytes] = os.fdopen(descriptor, "wb")

    def put(self, piece: bytes) -> None:
        """Write a piece."""
        self.file.write(piece)

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            with contextlib.suppress(OSError) if error else contextlib.nullcontext():
                self.file.close()
            if error is None:
                self._part.chmod(0o666 & ~_umask())
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)


@contextlib.contextmanager
def told_when_full(path: Path) -> Iterator[None]:
    """Turn what the system refuses while a file is written into one sentence."""
    try:
        yield
    except OSError as error:
        raise RunError(str(path), f"cannot be written: {error.strerror or error}; nothing is left of it") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
