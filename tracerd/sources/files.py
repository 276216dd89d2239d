"""Files that the core reads by their descriptor."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tracerd.errors import SourceError


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
