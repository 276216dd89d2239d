"""Files that are read, and files that must not be written over meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tracerd.errors import ConfigError, SourceError


def open_regular(path: Path) -> int:
    """Return a descriptor of a regular file: opening a pipe would wait for its other end.

    Raises:
        SourceError: it is none, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError(str(path), "is not a regular file")
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        raise SourceError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def refuse_own_input(output: Path, read: Iterable[Path]) -> None:
    """Refuse to write over what is read, by whatever name: it would be gone, whatever becomes of the output.

    Raises:
        ConfigError: the output is one of those files.
    """
    for each in read:
        try:
            same = output.samefile(each)
        except (OSError, ValueError):            # one is not there, or no name of a file at all
            continue
        if same:
            raise ConfigError("-o", f"{output} is what is read: write to another file")
